/** The table as docs/cli.md: command, flag, what it does, the test that shows it, and the hosts that this runs on; made by scripts/generate-cli.mjs. */

import { commandGrammar, commandNames, programGrammar } from "./grammars.js";
import { commandManual, programManual } from "./manuals.js";
import { argumentsSynopsis, paragraphs, spelled } from "./prose.js";
import type { Grammar, Manual } from "./table.js";
import { hostsOf } from "./test-hosts.js";
import type { TestLists } from "./test-hosts.js";
import { tests } from "./tests.js";

export function reference(lists: TestLists): string {
  const sections = [
    section("", { grammar: programGrammar(), manual: programManual() }, lists),
    ...commandNames().map((name) => section(name, { grammar: commandGrammar(name), manual: commandManual(name) }, lists)),
  ];
  return `# Command line

Made by \`scripts/generate-cli.mjs\` from \`src/cli/table\`: do not edit. Every command and flag is the same in both hosts, the static program and Node.js.
Hidden flags are accepted because callers pass them. \`file > test\` names the test in test/integration that shows it, and the last column the
hosts on which it runs: the static program, Node.js; in the virtual machine of \`scripts/guest\` where it needs systemd, CRIU, AppArmor or SELinux.

${sections.join("\n")}`;
}

/** @param command empty for the program */
function section(command: string, { grammar, manual }: { grammar: Grammar; manual: Manual }, lists: TestLists): string {
  const shown = (name: string): string[] => {
    const test = tests[name];
    return test === undefined ? ["", ""] : [test, hostsColumn(test, lists)];
  };
  const rows = grammar.flags
    .filter(({ name }) => name !== "help")
    .map((flag) => [
      `\`${spelled(flag)}\``,
      `${flag.hidden ? "Hidden. " : ""}${paragraphs(manual.flags[flag.name] ?? "").join(" ")}${flag.repeatable ? " May be repeated." : ""}`,
      ...shown(`${command} --${flag.name}`.trim()),
    ]);
  if (command !== "") rows.unshift(["", paragraphs(manual.description).join(" "), ...shown(command)]);
  return `## ${`tsrunc ${command}`.trim()} ${argumentsSynopsis(grammar)}

${capitalized(manual.summary)}.

${table([["flag", "what it does", "test", "hosts"], ["---", "---", "---", "---"], ...rows])}`;
}

function hostsColumn(test: string, lists: TestLists): string {
  const { hosts, needsGuest } = hostsOf(test, lists);
  return `${hosts.join(", ")}${needsGuest ? " (VM)" : ""}`;
}

function table(rows: readonly (readonly string[])[]): string {
  return rows.map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`).join("");
}

function capitalized(line: string): string {
  return `${line.charAt(0).toUpperCase()}${line.slice(1)}`;
}
