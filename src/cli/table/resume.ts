import type { Grammar, Manual } from "../table.js";
import { containerId } from "./shared.js";

export function grammar(): Grammar {
  return { arguments: [containerId("paused")], flags: [] };
}

export function manual(): Manual {
  return {
    summary: "let a paused container go on",
    description: `
      Thaws the cgroup of a container that tsrunc pause has frozen. Refused while a cgroup above it is frozen, because the container
      would not go on.`,
    flags: {},
    example: ["tsrunc resume web"],
  };
}
