/** Members whose value is `null`. Programs in Go and Python write one for a field that is not set. */

/**
 * The maps from arbitrary names to values in config.json, and the empty value of each. A name with `null` still counts there:
 * runc reads it as the empty value, as Go's encoding/json does.
 */
const maps: Readonly<Record<string, "" | object>> = {
  "/linux/sysctl": "",
  "/linux/resources/unified": "",
  "/linux/resources/rdma": {},
  "/linux/netDevices": {},
};

/**
 * A copy of a configuration in which a member that is `null` is absent, at any depth. An array element that is `null` stays: it is a fault.
 * @param text what it was parsed from; without the word nothing is copied
 */
export function withoutNullMembers(text: string, document: unknown): unknown {
  return text.includes("null") ? copy(document, "") : document;
}

function copy(value: unknown, pointer: string): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((element: unknown) => copy(element, `${pointer}/*`));
  // "Values MUST be strings" (config.md#annotations): here null is a fault.
  const empty = pointer === "/annotations" ? null : maps[pointer];
  const members = Object.entries(value)
    .filter(([, member]) => member !== null || empty !== undefined)
    .map(([name, member]) => [name, member === null ? empty : copy(member, `${pointer}/${name}`)]);
  // Object.fromEntries makes a member of `__proto__` as well.
  return Object.fromEntries(members);
}
