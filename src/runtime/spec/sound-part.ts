/** The part of a configuration that the rules may look at where some of it is faulty in itself. */

import { segmentsOf } from "./fault.js";
import type { NamespaceReference, NamespaceType, Spec } from "./generated/spec-types.js";
import { each, subjectOf, UnsoundValue, type CheckContext, type Subject } from "./rule.js";
import { isFaultyText } from "./text-faults.js";

/** Where unsound values are: by member name, `true` for a value that is unsound as a whole. */
type Places = Map<string, Places | true>;

/**
 * What the rules look at in a document with unsound values, so that one run tells every fault. Reading such a value, or a required member
 * that is missing, throws `UnsoundValue`, which ends that check of a rule: it can neither fail on the value nor accuse
 * another field because of it.
 *
 * @param pointers where the unsound values are
 * @returns `undefined` where the whole document is unsound
 */
export function soundSubject(document: unknown, pointers: readonly string[], context: CheckContext): Subject | undefined {
  const places = placesOf(pointers);
  if (places === true) return undefined;
  const spec = soundCopy(document as object, places) as Spec;
  const { namespaces, isComplete } = namespacesOf(spec);
  const known = subjectOf({ linux: { namespaces } } as Spec, context).namespaces;
  // An entry that cannot be read may be the one that is asked for.
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

/** A copy as far as places lead; what they do not touch is shared. */
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

/** A copy whose `includes` finds a sound element behind an unsound one; where it finds none, the unsound one may be it. */
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

/** The namespaces whose type can be read, and whether those are all. */
function namespacesOf(spec: Spec): { namespaces: NamespaceReference[]; isComplete: boolean } {
  const namespaces: NamespaceReference[] = [];
  let entries = -1;
  each([spec], ({ linux }) => {
    entries = linux?.namespaces?.length ?? 0;
    each(linux?.namespaces, (namespace) => void (namespace.type && namespaces.push(namespace)));
  });
  return { namespaces, isComplete: namespaces.length === entries };
}
