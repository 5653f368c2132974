/** Members whose value is `null`, which programs in Go and Python write for unset fields. */

/**
 * The maps from arbitrary names to values in config.json, and their empty values. In these a name with `null` is present and has the empty value,
 * as in runc (Go's encoding/json).
 */
const maps: Readonly<Record<string, "" | object>> = {
  "/linux/sysctl": "",
  "/linux/resources/unified": "",
  "/linux/resources/rdma": {},
  "/linux/netDevices": {},
};

/**
 * A copy of a configuration without `null` members, at any depth. A `null` in an array stays: it is a fault.
 * @param text the source of the configuration; nothing is copied if it does not contain `null`
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
