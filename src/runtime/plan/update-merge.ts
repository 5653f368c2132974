/** Which limits a change of resources contains, and the container's resources after it. */

import type { Integer64, Resources } from "../spec/generated/spec-types.js";

/**
 * The limits that change. As in runc, 0, "" and false leave a limit unchanged, for callers that fill in every field, except `burst` and `idle`,
 * which 0 resets. Limits of kernel memory no longer exist in the kernel and are left out.
 */
export function namedResources(resources: Resources): Resources {
  const { memory, cpu, pids, blockIO, ...others } = resources;
  const { kernel: _kernel, kernelTCP: _kernelTCP, ...limits } = memory ?? {};
  const { burst, idle, ...shares } = cpu ?? {};
  const parts: Resources = {
    ...others,
    memory: given(limits, ["swappiness", "useHierarchy"]),
    cpu: { ...given(shares), ...(burst !== undefined && { burst }), ...(idle !== undefined && { idle }) },
    blockIO: given(blockIO ?? {}),
    ...(isGiven(pids?.limit) && pids && { pids }),
  };
  return given(parts);
}

/** The members that are set; those in `always` even if they are 0 or false. */
function given<T extends object>(members: T, always: readonly string[] = []): T {
  return Object.fromEntries(
    Object.entries(members).filter(([name, value]) => isGiven(value) || (always.includes(name) && value !== undefined)),
  ) as T;
}

function isGiven(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

/** Members that identify an entry of a list. */
const KEYS = ["major", "minor", "pageSize", "name"] as const;

/** The resources after `changed` has been applied. */
export function mergedResources(applied: Resources, changed: Resources): Resources {
  return merged(applied, changed) as Resources;
}

function merged(before: unknown, after: unknown, name = ""): unknown {
  // The order of device rules matters, so they are replaced as a whole.
  if (name === "devices" || !isObject(before) || !isObject(after)) return after;
  if (Array.isArray(before) && Array.isArray(after)) {
    const keys = new Set(after.map(keyOf));
    return [...(before as unknown[]).filter((entry) => !keys.has(keyOf(entry))), ...(after as unknown[])];
  }
  const result: Record<string, unknown> = { ...before };
  for (const [member, value] of Object.entries(after)) result[member] = merged(result[member], value, member);
  return result;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function keyOf(entry: unknown): string {
  const members = entry as Partial<Record<(typeof KEYS)[number], Integer64 | string>>;
  return KEYS.map((key) => String(members[key] ?? "")).join(" ");
}
