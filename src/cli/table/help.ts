import type { Grammar, Manual } from "../table.js";

export function grammar(): Grammar {
  return { arguments: [{ name: "command", placeholder: "COMMAND", optional: true }], flags: [] };
}

export function manual(): Manual {
  return {
    summary: "print a manual page",
    description: `
      Prints the page of a command, or of the program.`,
    flags: {},
    example: ["tsrunc help run"],
  };
}
