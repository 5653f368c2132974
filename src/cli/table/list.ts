import type { Grammar, Manual } from "../table.js";

export function grammar(): Grammar {
  return {
    arguments: [],
    flags: [
      { name: "format", short: "f", value: "FORMAT", choices: ["table", "json"] },
      { name: "quiet", short: "q" },
    ],
  };
}

export function manual(): Manual {
  return {
    summary: "print all containers",
    description: `
      Prints the containers whose states are below the directory that --root names.`,
    flags: { format: "Form of the output: table (default) or json.", quiet: "Print ids alone." },
    example: ["tsrunc list --format json"],
  };
}
