import { readdirSync } from "node:fs";
import t from "tap";
import { commandModule } from "./command-modules.js";
import { commandGrammar, commandNames, programGrammar } from "./grammars.js";
import type { CommandName } from "./grammars.js";
import { lateCommands } from "./late-commands.js";
import { commandManual, programManual } from "./manuals.js";

/** The rows of the table; `program` is the program itself. */
const rows = [
  { name: "program", grammar: programGrammar(), manual: programManual() },
  ...commandNames().map((name) => ({ name, grammar: commandGrammar(name), manual: commandManual(name) })),
];

t.test("every command has a row and a module, and the other way round", async (t) => {
  const files = (folder: string): string[] =>
    readdirSync(folder)
      .filter((name) => !name.includes(".test."))
      .map((name) => name.replace(".ts", ""));
  t.same(files("src/cli/commands").sort(), commandNames());
  t.same(
    files("src/cli/table")
      .filter((name) => name !== "shared")
      .sort(),
    [...commandNames(), "program"].sort(),
  );
  for (const name of commandNames()) t.type(commandModule(name, () => ({ lateCommands })).run, "function", name);
});

t.test("the manual describes the flags of the grammar, in whole sentences, and no others", async (t) => {
  for (const { name, grammar, manual } of rows) {
    t.same(Object.keys(manual.flags).sort(), grammar.flags.map((flag) => flag.name).sort(), name);
    for (const [flag, text] of Object.entries(manual.flags)) t.match(text, /^\s*[A-Z/][^]*\.$/, `${name} --${flag}`);
    t.match(manual.summary, /^[a-z].*[^.]$/, name);
    t.match(manual.description, /^\s*[A-Z][^]*\.$/, name);
    t.ok(manual.example.length > 0, name);
  }
});

t.test("what a flag does names all of its choices", async (t) => {
  for (const { name, grammar, manual } of rows) {
    for (const flag of grammar.flags) {
      for (const choice of flag.choices ?? [])
        t.match(manual.flags[flag.name], new RegExp(`\\b${choice}\\b`), `${name} --${flag.name} ${choice}`);
      if (flag.choices) t.ok(flag.value, `${name} --${flag.name} has choices, so it has a value`);
    }
  }
});

t.test("the flags of a row differ from each other, and those that they exclude are there", async (t) => {
  for (const { name, grammar } of rows) {
    const spellings = grammar.flags.flatMap((flag) => (flag.short ? [flag.name, flag.short] : [flag.name]));
    t.equal(new Set(spellings).size, spellings.length, name);
    for (const excluded of grammar.flags.flatMap(({ excludes }) => excludes ?? []))
      t.ok(spellings.includes(excluded), `${name} --${excluded}`);
  }
});

t.test("required arguments come before optional ones, and only the last may be repeated", async (t) => {
  for (const { name, grammar } of rows) {
    const { arguments: list } = grammar;
    const firstOptional = list.findIndex(({ optional }) => optional);
    t.ok(firstOptional < 0 || list.slice(firstOptional).every(({ optional }) => optional), name);
    t.notOk(
      list.slice(0, -1).some(({ repeatable }) => repeatable),
      name,
    );
  }
});

t.test("the flags are those of runc and crun", async (t) => {
  const names = (command: CommandName): string[] => commandGrammar(command).flags.map(({ name }) => name);
  const create = ["bundle", "config", "console-socket", "pidfd-socket", "pid-file", "no-pivot", "no-new-keyring", "preserve-fds"];
  t.same(names("create"), [...create, "help"]);
  t.same(names("run"), [...create, "detach", "keep", "no-subreaper", "help"]);
  t.same(names("kill"), ["all", "regex", "help"]);
  t.same(names("delete"), ["force", "regex", "help"]);
  t.same(names("list"), ["format", "quiet", "help"]);
  t.same(names("events"), ["interval", "stats", "help"]);
  t.same(names("spec"), ["bundle", "rootless", "help"]);
});
