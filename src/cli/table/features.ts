import type { Grammar, Manual } from "../table.js";

export function grammar(): Grammar {
  return { arguments: [], flags: [] };
}

export function manual(): Manual {
  return {
    summary: "print what this runtime can do",
    description: `
      Prints the features structure of the OCI runtime specification as JSON.`,
    flags: {},
    example: ["tsrunc features"],
  };
}
