import type { Grammar, Manual } from "../table.js";
import { containerId } from "./shared.js";

export function grammar(): Grammar {
  return { arguments: [containerId("created")], flags: [] };
}

export function manual(): Manual {
  return {
    summary: "run the program of a created container",
    description: `
      Returns when the program runs, or says why it does not.`,
    flags: {},
    example: ["tsrunc start web"],
  };
}
