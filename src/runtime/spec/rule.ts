/** The shape of the rules in `check.ts`. */

import { describe, type Fault, type Report } from "./fault.js";
import type { NamespaceReference, NamespaceType, Spec } from "./generated/spec-types.js";

/** What the caller knows about the run that a configuration is checked for. */
export interface CheckContext {
  /** The runtime does not run as root of the host's or its own user namespace. */
  readonly rootless: boolean;
}

/** What a rule looks at: a configuration that fits the schema, and what many rules ask of it. */
export interface Subject extends CheckContext {
  readonly spec: Spec;
  /** The first entry of each type in `linux.namespaces`. */
  readonly namespaces: Pick<ReadonlyMap<NamespaceType, NamespaceReference>, "has" | "get">;
}

/** Reports whatever breaks it; pure. */
export type Rule = (subject: Subject, report: Report) => void;

/**
 * Rules by their stable names (`Fault.rule`). A list holds the checks of one rule that do not need each other: where some of a
 * configuration is unsound, each runs if what it reads is sound.
 */
export interface Rules {
  readonly [name: string]: Rule | readonly Rule[];
}

/** Marks `UnsoundValue`: the scripts of the static host have a class of their own each. */
const UNSOUND = Symbol.for("tsrunc.unsound");

/** Thrown where a rule reads a value that is faulty in itself (`soundSubject`). Never leaves `each` and `runRules`. */
export class UnsoundValue extends Error {
  readonly [UNSOUND] = true;
}

function mustBeUnsound(error: unknown): void {
  if (!(error instanceof Error && UNSOUND in error)) throw error;
}

/**
 * Visits each item of a list; `undefined` has none. For every loop of a rule: a round that reads an unsound value ends there,
 * and the next one goes on.
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

/** Whether the container gets a namespace of its own making; an empty path means the same as none. */
export function isNew(namespace: NamespaceReference | undefined): boolean {
  return namespace !== undefined && (namespace.path ?? "") === "";
}

/** The rules of groups, for `breaksRule`, which runs for every container: a list is walked four times as fast as objects of rules. */
export function rulesOf(groups: readonly Rules[]): Rule[] {
  return groups.flatMap((group) => Object.values(group).flat());
}

/** Whether any rule has something to report. */
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

/** What all the rules report, in their order. */
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
