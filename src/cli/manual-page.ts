/** Renders the table as the plain text that `help` prints. */

import { commandGrammar, commandNames, programGrammar } from "./grammars.js";
import type { CommandName } from "./grammars.js";
import { COMMON_EXIT_STATUS, commandManual, programManual } from "./manuals.js";
import { argumentsSynopsis, paragraphs, spelled, visible } from "./prose.js";
import type { Grammar, Manual } from "./table.js";

const COLUMNS = 90;
const INDENT = "       ";

/** The page of the program itself. */
export function programPage(): string {
  const grammar = programGrammar();
  const manual = programManual();
  const commands = commandNames().map((name) => `${name.padEnd(12)}${commandManual(name).summary}`);
  return page([
    ["NAME", [`tsrunc - ${manual.summary}`]],
    ["SYNOPSIS", [`tsrunc ${argumentsSynopsis(grammar)}`]],
    ["DESCRIPTION", description(manual)],
    ["COMMANDS", commands],
    ["OPTIONS", options(grammar, manual)],
    ...ending(manual),
  ]);
}

/** The page of one command. */
export function commandPage(command: CommandName): string {
  const grammar = commandGrammar(command);
  const manual = commandManual(command);
  return page([
    ["NAME", [`tsrunc ${command} - ${manual.summary}`]],
    ["SYNOPSIS", [`tsrunc ${command} ${argumentsSynopsis(grammar)}`]],
    ["DESCRIPTION", description(manual)],
    ["OPTIONS", options(grammar, manual)],
    ...ending(manual),
  ]);
}

type Section = readonly [title: string, lines: readonly string[]];

function page(sections: readonly Section[]): string {
  return sections
    .map(([title, lines]) => `${title}:\n${lines.map((line) => (line === "" ? "\n" : `${INDENT}${line}\n`)).join("")}`)
    .join("\n");
}

function description({ description }: Manual): string[] {
  return paragraphs(description).flatMap((paragraph, at) => [...(at > 0 ? [""] : []), ...wrap(paragraph, COLUMNS - INDENT.length)]);
}

function options(grammar: Grammar, manual: Manual): string[] {
  return visible(grammar.flags).flatMap((flag) => {
    const lines = wrap(paragraphs(manual.flags[flag.name] ?? "").join(" "), COLUMNS - 2 * INDENT.length);
    return [spelled(flag), ...lines.map((line) => `${INDENT}${line}`)];
  });
}

function ending({ exitStatus, example }: Manual): Section[] {
  return [
    ["EXIT STATUS", exitStatus ?? COMMON_EXIT_STATUS],
    ["EXAMPLE", example],
  ];
}

/** Wraps a paragraph at the number of columns; longer words get a line of their own. */
export function wrap(paragraph: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of paragraph.split(" ")) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= columns) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
