/** Shared by all renderings of the table. */

import type { Argument, Flag, Grammar } from "./table.js";

/** The paragraphs of a text in the table, one line each. */
export function paragraphs(text: string): string[] {
  return text
    .trim()
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.replaceAll(/\s+/g, " ").trim());
}

/** The flags that are not hidden. */
export function visible(flags: readonly Flag[]): Flag[] {
  return flags.filter(({ hidden }) => !hidden);
}

/** A flag with its value, as a list of options shows it: `-b, --bundle DIR`. */
export function spelled({ name, short, value }: Flag): string {
  return `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`;
}

/** The synopsis of a command without its name: `[OPTIONS] ID [SIGNAL]`. */
export function argumentsSynopsis(grammar: Grammar): string {
  return ["[OPTIONS]", ...grammar.arguments.map(argumentSynopsis)].join(" ");
}

function argumentSynopsis({ placeholder, choices, optional, repeatable }: Argument): string {
  const name = `${choices ? choices.join("|") : placeholder}${repeatable ? "..." : ""}`;
  return optional ? `[${name}]` : name;
}
