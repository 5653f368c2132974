/** The table as docs/cli.md: command, flag, what it does, and the test that shows it; made by scripts/generate-cli.mjs. */

import { commandGrammar, commandNames, programGrammar } from "./grammars.js";
import { commandManual, programManual } from "./manuals.js";
import { argumentsSynopsis, paragraphs, spelled } from "./prose.js";
import type { Grammar, Manual } from "./table.js";
import { tests } from "./tests.js";

export function reference(): string {
  const sections = [
    section("tsrunc", "", programGrammar(), programManual()),
    ...commandNames().map((name) => section(`tsrunc ${name}`, name, commandGrammar(name), commandManual(name))),
  ];
  return `# Command line

Made by \`scripts/generate-cli.mjs\` from \`src/cli/table\`: do not edit. Every command and flag is the same in both hosts, the static program and Node.js.
Hidden flags are accepted because callers pass them. \`file > test\` names the test in test/integration that shows it.

${sections.join("\n")}`;
}

/** @param command empty for the program */
function section(call: string, command: string, grammar: Grammar, manual: Manual): string {
  const rows = grammar.flags
    .filter(({ name }) => name !== "help")
    .map((flag) => [
      `\`${spelled(flag)}\``,
      `${flag.hidden ? "Hidden. " : ""}${paragraphs(manual.flags[flag.name] ?? "").join(" ")}${flag.repeatable ? " May be repeated." : ""}`,
      tests[`${command} --${flag.name}`.trim()] ?? "",
    ]);
  if (command !== "") rows.unshift(["", paragraphs(manual.description).join(" "), tests[command] ?? ""]);
  return `## ${call} ${argumentsSynopsis(grammar)}

${capitalized(manual.summary)}.

${table([["flag", "what it does", "test"], ["---", "---", "---"], ...rows])}`;
}

function table(rows: readonly (readonly string[])[]): string {
  return rows.map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`).join("");
}

function capitalized(line: string): string {
  return `${line.charAt(0).toUpperCase()}${line.slice(1)}`;
}
