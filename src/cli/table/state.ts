import type { Grammar, Manual } from "../table.js";
import { containerId } from "./shared.js";

export function grammar(): Grammar {
  return { arguments: [containerId()], flags: [] };
}

export function manual(): Manual {
  return {
    summary: "print a container's state",
    description: `
      Prints JSON with the id, pid, status (creating, created, running, paused or stopped), bundle, root file system, time of
      creation, annotations and owner.`,
    flags: {},
    example: ["tsrunc state web"],
  };
}
