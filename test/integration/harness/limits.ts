/**
 * Starts containers with resource limits, and reads the limits from their cgroups.
 */
import { cgroupDirectory, hierarchyOf, readCgroup } from "./cgroups.js";
import type { Config, Resources } from "./config.js";
import type { Context } from "./context.js";

/** Starts a container with these resources. Returns the PID of its init. */
export async function limited(c: Context, resources: Resources, args?: string[]): Promise<number> {
  const config = (config: Config): unknown => Object.assign(config.linux.resources, resources);
  await c.createAndStart(c.bundle({ ...(args && { args }), config: (spec) => void config(spec) }));
  return (await c.state()).pid;
}

/** Reads the controller's v1 file, or its v2 file if the controller is on v2. */
export function limit(pid: number, controller: string, version1: string, version2 = version1): string | undefined {
  const onVersion1 = hierarchyOf(controller) !== undefined;
  return readCgroup(cgroupDirectory(pid, controller), onVersion1 ? version1 : version2);
}
