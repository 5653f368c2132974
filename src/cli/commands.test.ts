import { readdirSync } from "node:fs";
import t from "tap";
import { commandFlags, commandNames, globalFlags } from "./commands.js";
import { flagDescription, pages } from "./manual.js";

t.test("every command has a module and a page", async (t) => {
  const modules = readdirSync("src/cli/commands").filter((name) => !name.includes(".test."));
  t.same(modules.map((name) => name.replace(".ts", "")).sort(), commandNames());
  t.same(Object.keys(pages).sort(), commandNames());
});

t.test("every flag is described, in lines that fit", async (t) => {
  for (const command of ["", ...commandNames()]) {
    for (const { name } of command === "" ? globalFlags() : commandFlags(command)) {
      const lines = flagDescription(command, name);
      t.ok(lines.length > 0 && lines.every((line) => line.length <= 80), `${command} --${name}`);
    }
  }
});

t.test("a command's flags differ from each other", async (t) => {
  for (const command of commandNames()) {
    const names = commandFlags(command).flatMap(({ name, short }) => (short ? [name, short] : [name]));
    t.equal(new Set(names).size, names.length, command);
  }
});

t.test("the flags are runc's", async (t) => {
  const names = (command: string): string[] => commandFlags(command).map(({ name }) => name);
  const create = ["bundle", "console-socket", "pidfd-socket", "pid-file", "no-pivot", "no-new-keyring", "preserve-fds"];
  t.same(names("create"), [...create, "help"]);
  t.same(names("run"), [...create, "detach", "keep", "no-subreaper", "help"]);
  t.same(names("kill"), ["all", "help"]);
  t.same(names("delete"), ["force", "help"]);
  t.same(names("list"), ["format", "quiet", "help"]);
  t.same(names("spec"), ["bundle", "rootless", "help"]);
});
