/** The shape of the rules in `check.ts`. */

import { describe, type Fault, type Report } from "./fault.js";
import type { NamespaceReference, NamespaceType, Spec } from "./generated/spec-types.js";

/** Facts about the caller that rules depend on. */
export interface CheckContext {
  /** The runtime does not run as root of the host's or its own user namespace. */
  readonly rootless: boolean;
}

/** The input of a rule: a configuration that fits the schema, and facts that many rules need. */
export interface Subject extends CheckContext {
  readonly spec: Spec;
  /** The first entry of each type in `linux.namespaces`. */
  readonly namespaces: Pick<ReadonlyMap<NamespaceType, NamespaceReference>, "has" | "get">;
}

/** A check, which reports every violation. Pure. */
export type Rule = (subject: Subject, report: Report) => void;

/**
 * Rules by their stable names (`Fault.rule`). A list contains independent checks of one rule: if some values of a configuration are invalid, each
 * check that does not read them still runs.
 */
export interface Rules {
  readonly [name: string]: Rule | readonly Rule[];
}

/** Marks `UnsoundValue`, because each script of the static host has its own copy of the class. */
const UNSOUND = Symbol.for("tsrunc.unsound");

/** Thrown if a rule reads a value that is invalid by itself (`soundSubject`). Caught in `each` and `runRules`. */
export class UnsoundValue extends Error {
  readonly [UNSOUND] = true;
}

function mustBeUnsound(error: unknown): void {
  if (!(error instanceof Error && UNSOUND in error)) throw error;
}

/**
 * Visits each item of a list; none for `undefined`. Rules use it for every loop: an iteration that reads an unsound value ends, and the next one
 * runs.
 */
export function each<T>(items: readonly T[] | undefined, visit: (item: T, index: number) => void): void {
  if (items === undefined) return;
  for (let index = 0; index < items.length; index++) {
    try {
      visit(items[index] as T, index);
    } catch (error) {
      mustBeUnsound(error);
    }
  }
}

/** Prepares a configuration for `runRules`. */
export function subjectOf(spec: Spec, context: CheckContext): Subject {
  const namespaces = new Map<NamespaceType, NamespaceReference>();
  for (const namespace of spec.linux?.namespaces ?? []) {
    if (!namespaces.has(namespace.type)) namespaces.set(namespace.type, namespace);
  }
  return { ...context, spec, namespaces };
}

/** Whether the container gets a new namespace. An empty path counts as none. */
export function isNew(namespace: NamespaceReference | undefined): boolean {
  return namespace !== undefined && (namespace.path ?? "") === "";
}

/** All rules as a list, for `breaksRule`, which runs for every container: iterating over a list is four times as fast as over objects. */
export function rulesOf(groups: readonly Rules[]): Rule[] {
  return groups.flatMap((group) => Object.values(group).flat());
}

/** Whether any rule is broken. */
export function breaksRule(rules: readonly Rule[], subject: Subject): boolean {
  let broken = false;
  const report = (): void => {
    broken = true;
  };
  for (const rule of rules) {
    rule(subject, report);
    if (broken) return true;
  }
  return false;
}

/** All faults in the order of the rules. */
export function runRules(groups: readonly Rules[], subject: Subject): Fault[] {
  const faults: Fault[] = [];
  for (const group of groups) {
    for (const [rule, checks] of Object.entries(group)) {
      each([checks].flat(), (check) => {
        check(subject, (pointer, found, allowed) => {
          faults.push({ pointer, found: describe(found), allowed, rule });
        });
      });
    }
  }
  return faults;
}
