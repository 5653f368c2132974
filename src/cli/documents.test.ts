import { readFileSync, readdirSync } from "node:fs";
import t from "tap";
import { TEST_LISTS, documents } from "./documents.js";
import { commandGrammar, commandNames, programGrammar } from "./grammars.js";
import { commandPage, programPage, wrap } from "./manual-page.js";
import { paragraphs, visible } from "./prose.js";
import { hostsOf } from "./test-hosts.js";
import { shownBy } from "./shown-by.js";

const lists = { guest: readFileSync(TEST_LISTS.guest, "utf8"), failsOnNode: readFileSync(TEST_LISTS.failsOnNode, "utf8") };

t.test("what is committed is what ./scripts/generate-cli.mjs makes of the table", async (t) => {
  const made = documents(lists);
  for (const [path, text] of Object.entries(made)) t.ok(readFileSync(path, "utf8") === text, `${path}: run ./scripts/generate-cli.mjs`);
  const pages = readdirSync("docs/man").map((name) => `docs/man/${name}`);
  t.same(
    pages.sort(),
    Object.keys(made)
      .filter((path) => path.startsWith("docs/man/"))
      .sort(),
  );
});

t.test("help, man page and docs/cli.md name every flag of the grammar, and only docs/cli.md the hidden ones", async (t) => {
  const made = documents(lists);
  const reference = (made["docs/cli.md"] ?? "").split("\n## ");
  const rows = [
    { name: "tsrunc", grammar: programGrammar(), help: programPage() },
    ...commandNames().map((name) => ({ name: `tsrunc-${name}`, grammar: commandGrammar(name), help: commandPage(name) })),
  ];
  for (const [at, { name, grammar, help }] of rows.entries()) {
    const man = (made[`docs/man/${name}.8`] ?? "").replaceAll("\\", "");
    const inHelp = [...help.matchAll(/^ {7}(?:-\w, )?--([\w-]+)(?: \S+)?$/gm)].map(([, flag]) => flag);
    const inMan = [...man.matchAll(/^\.TP\n(?:fB-\wfR, )?fB--([\w-]+)fR/gm)].map(([, flag]) => flag);
    const inReference = [...(reference[at + 1] ?? "").matchAll(/^\| `(?:-\w, )?--([\w-]+)/gm)].map(([, flag]) => flag);
    const shown = visible(grammar.flags).map((flag) => flag.name);
    t.same(inHelp, shown, `help of ${name}`);
    t.same(inMan, shown, `man page of ${name}`);
    t.same(
      [...inReference, "help"],
      grammar.flags.map((flag) => flag.name),
      `docs/cli.md on ${name}`,
    );
  }
});

t.test("the help fits a terminal", async (t) => {
  for (const page of [programPage(), ...commandNames().map(commandPage)])
    for (const line of page.split("\n")) t.ok(line.length <= 100, line);
  t.same(wrap("aa bb cccccc d", 5), ["aa bb", "cccccc", "d"]);
  t.same(paragraphs("\n  One\n  paragraph.\n\n  Two. "), ["One paragraph.", "Two."]);
});

t.test("the tests that docs/cli.md names exist, for commands and flags that exist", async (t) => {
  const known = [
    ...programGrammar().flags.map(({ name }) => `--${name}`),
    ...commandNames().flatMap((name) => [name, ...commandGrammar(name).flags.map((flag) => `${name} --${flag.name}`)]),
  ];
  for (const [about, test] of Object.entries(shownBy)) {
    t.ok(known.includes(about), about);
    const [file, title = ""] = test.split(" > ");
    t.ok(readFileSync(`test/integration/${file}.test.ts`, "utf8").includes(`test(${JSON.stringify(title)}`), `${about}: ${test}`);
  }
});

t.test("every command and every flag has a test", async (t) => {
  const named = [
    ...programGrammar().flags.map(({ name }) => `--${name}`),
    ...commandNames().flatMap((name) => [name, ...commandGrammar(name).flags.map((flag) => `${name} --${flag.name}`)]),
  ];
  t.same(
    named.filter((name) => !name.endsWith("--help") && shownBy[name] === undefined),
    [],
  );
});

t.test("the tests that docs/cli.md names run on a host, and those of files that need systemd only where it is", async (t) => {
  for (const test of Object.values(shownBy)) {
    const { hosts, needsGuest } = hostsOf(test, lists);
    t.ok(hosts.length > 0, `${test}: no line of ${TEST_LISTS.guest} selects it`);
    const text = readFileSync(`test/integration/${test.split(" > ", 1)[0]}.test.ts`, "utf8");
    if (!needsGuest) t.notMatch(text, /import \{[^}]*\btest\b[^}]*\} from "\.\/harness\/systemd\.js"/, test);
  }
});
