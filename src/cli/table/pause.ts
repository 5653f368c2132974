import type { Grammar, Manual } from "../table.js";
import { containerId } from "./shared.js";

export function grammar(): Grammar {
  return { arguments: [containerId("created", "running")], flags: [] };
}

export function manual(): Manual {
  return {
    summary: "stop all processes of a container where they are",
    description: `
      Freezes the cgroup of a container that runs or waits for its start, and returns when all its processes have stopped. They
      notice nothing until tsrunc resume lets them go on. Where a process cannot be stopped within ten seconds, because it waits
      for a disk or a network file system, the pause is undone.`,
    flags: {},
    example: ["tsrunc pause web", "tsrunc resume web"],
  };
}
