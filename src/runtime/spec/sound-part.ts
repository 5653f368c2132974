/** The part of a configuration that rules can check if some values are unsound, that is, invalid by themselves. */

import { segmentsOf } from "./fault.js";
import type { NamespaceReference, NamespaceType, Spec } from "./generated/spec-types.js";
import { each, subjectOf, UnsoundValue, type CheckContext, type Subject } from "./rule.js";
import { isFaultyText } from "./text-faults.js";

/** Positions of unsound values: by member name, `true` for a value that is unsound as a whole. */
type Places = Map<string, Places | true>;

/**
 * A view of a document with unsound values for the rules, so that one run reports every fault. Reading an unsound value, or a missing required
 * member, throws `UnsoundValue`, which ends that check. So no check fails on the value or reports another field because of it.
 *
 * @param pointers pointers to the unsound values
 * @returns `undefined` if the whole document is unsound
 */
export function soundSubject(document: unknown, pointers: readonly string[], context: CheckContext): Subject | undefined {
  const places = placesOf(pointers);
  if (places === true) return undefined;
  const spec = soundCopy(document as object, places) as Spec;
  const { namespaces, isComplete } = namespacesOf(spec);
  const known = subjectOf({ linux: { namespaces } } as Spec, context).namespaces;
  // An entry that cannot be read may be the one that is looked for.
  const answer = <T>(type: NamespaceType, value: T): T => {
    if (!known.has(type) && !isComplete) throw new UnsoundValue();
    return value;
  };
  return { ...context, spec, namespaces: { has: (type) => answer(type, known.has(type)), get: (type) => answer(type, known.get(type)) } };
}

function placesOf(pointers: readonly string[]): Places | true {
  const root: Places = new Map();
  for (const pointer of pointers) {
    const segments = segmentsOf(pointer);
    const last = segments.pop();
    if (last === undefined) return true;
    let at: Places | undefined = root;
    for (const name of segments) {
      const inner: Places | true = at.get(name) ?? new Map<string, Places | true>();
      at.set(name, inner);
      at = inner === true ? undefined : inner;
      if (at === undefined) break;
    }
    at?.set(last, true);
  }
  return root;
}

/** A copy along the given positions; everything else is shared with the original. */
function soundCopy(value: object, places: Places): object {
  const copy: object = Array.isArray(value) ? arrayCopy(value) : Object.fromEntries(Object.entries(value));
  for (const [name, inner] of places) {
    if (isFaultyText(name)) {
      Reflect.deleteProperty(copy, name);
      continue;
    }
    const member: unknown = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
    const isUnsound = inner === true || typeof member !== "object" || member === null;
    Object.defineProperty(copy, name, isUnsound ? unsound : { value: soundCopy(member, inner), enumerable: true });
  }
  return copy;
}

/** A copy whose `includes` also finds elements after an unsound one. If it finds none, it throws, because the unsound one may be the match. */
function arrayCopy(array: readonly unknown[]): unknown[] {
  const copy = [...array];
  const includes = (wanted: unknown): true => {
    let isFound = false;
    each(copy, (element) => void (isFound ||= element === wanted));
    if (!isFound) throw new UnsoundValue();
    return true;
  };
  return Object.defineProperty(copy, "includes", { value: includes });
}

const unsound: PropertyDescriptor = {
  enumerable: true,
  get: () => {
    throw new UnsoundValue();
  },
};

/** The namespaces whose type can be read, and whether those are all of them. */
function namespacesOf(spec: Spec): { namespaces: NamespaceReference[]; isComplete: boolean } {
  const namespaces: NamespaceReference[] = [];
  let entries = -1;
  each([spec], ({ linux }) => {
    entries = linux?.namespaces?.length ?? 0;
    each(linux?.namespaces, (namespace) => void (namespace.type && namespaces.push(namespace)));
  });
  return { namespaces, isComplete: namespaces.length === entries };
}
