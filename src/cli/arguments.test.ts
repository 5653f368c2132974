import t from "tap";
import { checkArguments, parseArguments } from "./arguments.js";
import { commandGrammar, programGrammar } from "./grammars.js";
import type { Grammar } from "./table.js";

const run = (...argv: string[]) => parseArguments(argv, "run", commandGrammar("run"));
const kill = (...argv: string[]) => parseArguments(argv, "kill", commandGrammar("kill"));
const program = (...argv: string[]) => parseArguments(argv, "tsrunc", programGrammar());

/** A command with everything that a row of the table can have. */
const made: Grammar = {
  arguments: [
    { name: "action", placeholder: "ACTION", choices: ["add", "remove"] },
    { name: "argument", placeholder: "ARGUMENT", optional: true, repeatable: true },
  ],
  flagsEndEarly: true,
  flags: [
    { name: "env", short: "e", value: "NAME=VALUE", repeatable: true },
    { name: "form", value: "FORM", choices: ["table", "json"], excludes: ["quiet", "env"] },
    { name: "quiet" },
    { name: "quaint", hidden: true },
  ],
};
const parse = (...argv: string[]) => parseArguments(argv, "make", made);

t.test("a value follows its flag or an equals sign, after one dash or two", async (t) => {
  for (const argv of [["--bundle", "/b"], ["--bundle=/b"], ["-bundle", "/b"], ["-bundle=/b"], ["-b", "/b"], ["-b=/b"]]) {
    t.match(run(...argv, "c1"), { values: { bundle: "/b" }, rest: ["c1"] }, argv.join(" "));
  }
});

t.test("switches are given or not, or true or false", async (t) => {
  t.same([...run("-detach", "--keep", "-no-subreaper", "c1").switches].sort(), ["detach", "keep", "no-subreaper"]);
  t.same([...run("-d", "--keep=false", "c1").switches], ["detach"]);
  t.throws(() => run("--keep=maybe", "c1"), { message: 'run: flag "--keep" is true or false, not "maybe"' });
});

t.test("arguments are never mistaken for values of switches, nor for numbers", async (t) => {
  t.same(run("--detach", "true").rest, ["true"]);
  t.same(kill("0x10", "09").rest, ["0x10", "09"]);
  t.same(run("--pid-file", "007", "c1").values, { "pid-file": "007" });
});

t.test("of a repeated flag the last value counts", async (t) => {
  t.same(program("--root", "/a", "--root=/b", "list").values, { root: "/b" });
});

t.test("global flags end at the command", async (t) => {
  t.match(program("--debug", "run", "--detach", "c1"), { rest: ["run", "--detach", "c1"] });
});

t.test("flags may follow arguments, and -- ends them", async (t) => {
  t.match(kill("c1", "--all"), { rest: ["c1"] });
  t.same(kill("--", "--all").rest, ["--all"]);
  t.same(kill("c1", "--", "--all", "-9", "--").rest, ["c1", "--all", "-9", "--"]);
  t.same(kill("c1", "-").rest, ["c1", "-"]);
});

t.test("a value may begin with a dash or be empty", async (t) => {
  t.same(run("--bundle", "-x", "c1").values, { bundle: "-x" });
  t.same(run("--bundle=", "c1").values, { bundle: "" });
});

t.test("an unknown flag is named, with the nearest one", async (t) => {
  t.throws(() => run("--bundel", "/b"), {
    code: "invalidArgument",
    message: 'run: unknown flag "--bundel", did you mean "--bundle"?',
  });
  t.throws(() => run("--xyzzy=1"), { message: 'run: unknown flag "--xyzzy"' });
  t.throws(() => run("-x"), { message: 'run: unknown flag "-x"' });
  t.throws(() => run("-dk"), { message: /unknown flag "-dk"/ });
});

t.test("a flag without its value is named", async (t) => {
  t.throws(() => program("--root"), { message: "tsrunc: flag needs an argument: --root" });
});

t.test("names of Object.prototype are no flags", async (t) => {
  for (const name of ["constructor", "__proto__", "toString"]) t.throws(() => run(`--${name}=1`), { code: "invalidArgument" }, name);
});

t.test("a missing argument is named, and so is the first that is too many", async (t) => {
  const kill = commandGrammar("kill").arguments;
  t.throws(() => checkArguments("kill", [], kill), { message: "kill: missing container ID", code: "invalidArgument" });
  t.doesNotThrow(() => checkArguments("kill", ["a"], kill));
  t.doesNotThrow(() => checkArguments("kill", ["a", "TERM"], kill));
  t.throws(() => checkArguments("kill", ["a", "TERM", "c", "d"], kill), { message: 'kill: unexpected argument "c"' });
  t.throws(() => checkArguments("list", ["a"], commandGrammar("list").arguments), { message: 'list: unexpected argument "a"' });
});

t.test("every value of a repeatable flag counts, in order", async (t) => {
  t.same(parse("-e", "A=1", "--env=B=-e", "--env", "").lists, { env: ["A=1", "B=-e", ""] });
  t.same(parse("--quiet").lists, {});
});

t.test("the arguments of another program are left alone", async (t) => {
  t.match(parse("--quiet", "add", "--quiet=maybe", "--", "-x"), { rest: ["add", "--quiet=maybe", "--", "-x"] });
  t.same(parse("--", "add", "-x").rest, ["add", "-x"]);
});

t.test("a value or an argument that is not among the choices is refused", async (t) => {
  t.throws(() => parse("--form=xml"), { message: 'make: flag "--form" is table or json, not "xml"', code: "invalidArgument" });
  t.throws(() => parse("--form="), { message: 'make: flag "--form" is table or json, not ""' });
  t.match(parse("--form", "json"), { values: { form: "json" } });
  t.throws(() => checkArguments("make", ["change"], made.arguments), { message: 'make: action is add or remove, not "change"' });
  t.doesNotThrow(() => checkArguments("make", ["remove", "b", "c", "d"], made.arguments));
});

t.test("flags that exclude each other are both named", async (t) => {
  for (const argv of [
    ["--form=json", "--quiet"],
    ["--quiet", "--form=json"],
  ])
    t.throws(() => parse(...argv), { message: 'make: flags "--form" and "--quiet" exclude each other', code: "invalidArgument" });
  t.throws(() => parse("-e", "", "--form=json"), { message: 'make: flags "--form" and "--env" exclude each other' });
  t.match(parse("--form=json", "--quiet=false"), { values: { form: "json" } });
});

t.test("a hidden flag is accepted and never suggested", async (t) => {
  t.ok(parse("--quaint").switches.has("quaint"));
  t.throws(() => parse("--quain"), { message: /unknown flag "--quain"$/ });
});
