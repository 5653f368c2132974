import t from "tap";
import { checkArguments, parseArguments } from "./arguments.js";
import { commandArguments, commandFlags, globalFlags } from "./commands.js";

const run = (...argv: string[]) => parseArguments(argv, { subject: "run", flags: commandFlags("run"), stopsEarly: false });
const kill = (...argv: string[]) => parseArguments(argv, { subject: "kill", flags: commandFlags("kill"), stopsEarly: false });
const program = (...argv: string[]) => parseArguments(argv, { subject: "tsrunc", flags: globalFlags(), stopsEarly: true });

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
  t.throws(() => program("--root"), { message: 'tsrunc: flag "--root" requires an argument' });
});

t.test("names of Object.prototype are no flags", async (t) => {
  for (const name of ["constructor", "__proto__", "toString"]) t.throws(() => run(`--${name}=1`), { code: "invalidArgument" }, name);
});

t.test("a missing argument is named, and so is the first that is too many", async (t) => {
  const kill = commandArguments("kill");
  t.throws(() => checkArguments("kill", [], kill), { message: "kill: missing container ID", code: "invalidArgument" });
  t.doesNotThrow(() => checkArguments("kill", ["a"], kill));
  t.doesNotThrow(() => checkArguments("kill", ["a", "TERM"], kill));
  t.throws(() => checkArguments("kill", ["a", "TERM", "c", "d"], kill), { message: 'kill: unexpected argument "c"' });
  t.throws(() => checkArguments("list", ["a"], commandArguments("list")), { message: 'list: unexpected argument "a"' });
});
