import type { Grammar, Manual } from "../table.js";
import { createFlagTexts, createFlags, newContainerId } from "./shared.js";

export function grammar(): Grammar {
  return { arguments: [newContainerId()], flags: createFlags() };
}

export function manual(): Manual {
  return {
    summary: "make a container that waits to be started",
    description: `
      Sets the container up completely (namespaces, mounts, cgroups, hooks) and stops before its program runs. A missing
      program fails here already; a missing working directory is made. When anything fails, no process, cgroup, mount, unit or
      state is left. What was made in the root file system stays, such as mount points, and so do controllers that were enabled
      in cgroups above.`,
    flags: createFlagTexts(),
    example: ["tsrunc create --bundle /containers/web --pid-file /run/web.pid web", "tsrunc start web"],
  };
}
