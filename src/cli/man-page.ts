/** The table as manual pages in roff (man(7), section 8): docs/man, made by scripts/generate-cli.mjs. */

import { commandGrammar, commandNames, programGrammar } from "./grammars.js";
import type { CommandName } from "./grammars.js";
import { COMMON_EXIT_STATUS, commandManual, programManual } from "./manuals.js";
import { argumentsSynopsis, paragraphs, visible } from "./prose.js";
import type { Flag, Grammar, Manual } from "./table.js";

/** tsrunc(8). */
export function programManPage(): string {
  const grammar = programGrammar();
  const manual = programManual();
  return page("tsrunc", manual.summary, [
    ...opening("tsrunc", grammar, manual),
    [
      "COMMANDS",
      commandNames().flatMap((name) => [".TP", `.BR ${escape(pageName(name))} (8)`, text(`${capitalized(commandManual(name).summary)}.`)]),
    ],
    ...ending(grammar, manual),
    ["SEE ALSO", [".BR runc (8)"]],
  ]);
}

/** tsrunc-NAME(8). */
export function commandManPage(name: CommandName): string {
  const grammar = commandGrammar(name);
  const manual = commandManual(name);
  return page(pageName(name), manual.summary, [
    ...opening(`tsrunc ${name}`, grammar, manual),
    ...ending(grammar, manual),
    ["SEE ALSO", [".BR tsrunc (8)"]],
  ]);
}

export function pageName(name: CommandName): string {
  return `tsrunc-${name}`;
}

type Section = readonly [title: string, lines: readonly string[]];

function page(name: string, summary: string, sections: readonly Section[]): string {
  const lines = [
    '.\\" Made by scripts/generate-cli.mjs from src/cli/table.',
    // No date: the same table makes the same page.
    `.TH ${escape(name.toUpperCase())} 8 "" tsrunc "System Administration"`,
    ".SH NAME",
    `${escape(name)} \\- ${text(summary)}`,
    ...sections.flatMap(([title, content]) => [`.SH ${title}`, ...content]),
  ];
  return `${lines.join("\n")}\n`;
}

function opening(call: string, grammar: Grammar, manual: Manual): Section[] {
  return [
    ["SYNOPSIS", [`.B ${escape(call)}`, escape(argumentsSynopsis(grammar))]],
    ["DESCRIPTION", paragraphs(manual.description).flatMap((paragraph, at) => [...(at > 0 ? [".PP"] : []), text(paragraph)])],
  ];
}

function ending(grammar: Grammar, { flags, exitStatus, example }: Manual): Section[] {
  return [
    ["OPTIONS", visible(grammar.flags).flatMap((flag) => [".TP", spelled(flag), ...paragraphs(flags[flag.name] ?? "").map(text)])],
    ["EXIT STATUS", [".nf", ...(exitStatus ?? COMMON_EXIT_STATUS).map(text), ".fi"]],
    ["EXAMPLE", [".nf", ...example.map(escape), ".fi"]],
  ];
}

function spelled({ name, short, value }: Flag): string {
  const names = `${short === undefined ? "" : `\\fB\\-${short}\\fR, `}\\fB\\-\\-${escape(name)}\\fR`;
  return value === undefined ? names : `${names} \\fI${escape(value)}\\fR`;
}

/** A line of prose: a flag in it keeps its dashes, a word's hyphen is a hyphen. */
function text(line: string): string {
  return protect(
    line
      .replaceAll("\\", "\\e")
      .replaceAll(/(^|[^\w])(--?)(?=[a-z])/g, (_, before: string, dashes: string) => `${before}${dashes.replaceAll("-", "\\-")}`),
  );
}

/** Characters as they are to be typed. */
function escape(line: string): string {
  return protect(
    line.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("~", "\\(ti").replaceAll("^", "\\(ha").replaceAll("`", "\\(ga"),
  );
}

/** A line that begins with a dot or a quote would be a request. */
function protect(line: string): string {
  return /^[.']/.test(line) ? `\\&${line}` : line;
}

function capitalized(line: string): string {
  return `${line.charAt(0).toUpperCase()}${line.slice(1)}`;
}
