/** The filter of a container's system calls. */

import type { ReadConfig } from "./config.js";
import type { LibraryDoor } from "./container/context.js";
import { perform, send } from "./native.js";
import type { Seccomp } from "./spec/generated/spec-types.js";

/**
 * Calls `use` with the handle of a configuration's filter, which is compiled if it was not kept; with null where it has none.
 * @throws RuntimeError on what the kernel or libseccomp lacks
 */
export function withFilter<T>(door: LibraryDoor, config: ReadConfig, use: (filter: number | null) => T): T {
  const profile = config.spec.linux?.seccomp;
  if (profile === undefined) return use(null);
  const filter = readyFilter(door, profile, config.seccomp);
  try {
    return use(filter);
  } finally {
    perform(door, { op: "close", handle: filter });
  }
}

function readyFilter(door: LibraryDoor, profile: Seccomp, found: ReadConfig["seccomp"]): number {
  if (found?.isCached) return found.handle;
  const { planSeccomp } = door.part("seccomp");
  return send(door, "handle", { op: "compileSeccomp", handle: found?.handle ?? null, profile: planSeccomp(profile) }).handle;
}
