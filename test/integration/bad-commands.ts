/** Wrong calls of all commands for the table of bad-input.cases.ts: ids, signals, expressions, and flags before the command. */
import { isTsrunc } from "./harness/environment.js";
import type { BadInput } from "./bad-input.cases.js";

/** `{id}` and `{dir}` in an argument stand for the container's id and the test's directory. */
function call(name: string, message: string, ...args: string[]): BadInput {
  return { name, message, prepare: (c) => ({ args: args.map((arg) => arg.replace("{id}", c.id).replace("{dir}", c.directory)) }) };
}

/** A call on a running container. */
function running(name: string, message: string, ...args: string[]): BadInput {
  return {
    name,
    message,
    prepare: async (c) => {
      await c.createAndStart(c.bundle());
      return { args: args.map((arg) => arg.replace("{id}", c.id)) };
    },
  };
}

const badId =
  'use the id "a/b": invalid container ID format: allowed are 1 to 240 letters, digits and the characters _ + - . (but not "." and "..")';

/** Commands with a container, and what follows its id. */
const withId: readonly (readonly [command: string, ...rest: string[]])[] = [
  ["state"],
  ["start"],
  ["kill", "TERM"],
  ["delete"],
  ["pause"],
  ["resume"],
  ["ps"],
  ["events", "--stats"],
  ["update", "--pids-limit", "5"],
  ["checkpoint"],
  ["restore"],
];

const ids: BadInput[] = [
  ...withId.map(([command, ...rest]) => call(`${command} of an id with a slash`, `${command} "a/b": ${badId}`, command, "a/b", ...rest)),
  { ...call("exec in an id with a slash", `exec failed: ${badId}`, "exec", "a/b", "true"), status: 255 },
  call("kill --all of an unknown id", 'kill "{id}": container does not exist', "kill", "--all", "{id}"),
  { ...call("exec in an unknown id", "exec failed: container does not exist", "exec", "{id}", "true"), status: 255 },
];

const signals: BadInput[] = ["", "SIGSIGTERM"].map((signal) =>
  running(
    `the signal ${JSON.stringify(signal)}`,
    `kill "{id}": use the signal ${JSON.stringify(signal)}: unknown signal`,
    "kill",
    "{id}",
    signal,
  ),
);

const expressions: BadInput[] = (
  [
    ["*", 'there is nothing before "*" to repeat'],
    ["[z-a]", "a range or a number of repetitions is out of order"],
    ["[[:nosuch:]]", 'there is no class "nosuch"'],
    ["a\\", "it ends with a backslash"],
    ["a{32768}", '"{32768}" is more than 32767 repetitions'],
    ["a)", 'a ")" closes nothing'],
  ] as const
).map(([expression, fault]) =>
  call(
    `kill --regex ${expression}`,
    `kill: the regular expression ${JSON.stringify(expression)} is not valid: ${fault}`,
    "kill",
    "--regex",
    expression,
  ),
);

const beforeTheCommand: BadInput[] = [
  call("a state directory without a name", "use the state directory: it is empty", "--root", "", "list"),
  call(
    "a state directory that is the root",
    'use the state directory "/": the root of the file system cannot hold states',
    "--root",
    "/",
    "list",
  ),
  call("--rootless maybe", 'tsrunc: flag "--rootless" is true or false or auto, not "maybe"', "--rootless", "maybe", "list"),
  call("--debug no", 'tsrunc: flag "--debug" is true or false, not "no"', "--debug=no", "list"),
  call("a log format in upper case", 'tsrunc: flag "--log-format" is text or json, not "JSON"', "--log-format", "JSON", "list"),
  // runc logs nowhere then.
  ...(isTsrunc ? [call("a log file without a name", 'tsrunc: flag "--log" names no file: ""', "--log=", "list")] : []),
];

const others: BadInput[] = [
  call(
    "delete --regex with a bracket that is open",
    'delete: the regular expression "[a" is not valid: a "[" is not closed',
    "delete",
    "--force",
    "--regex",
    "[a",
  ),
  call(
    "create in a bundle without a name",
    'create "{id}": open directory "": ENOENT (no such file or directory)',
    "create",
    "-b",
    "",
    "{id}",
  ),
  call("a switch that is neither true nor false", 'delete: flag "--force" is true or false, not "x"', "delete", "--force=x", "{id}"),
  call("an unknown flag of events", 'events: unknown flag "-x"', "events", "-x", "{id}"),
  call("an unknown flag of pause", 'pause: unknown flag "--force"', "pause", "--force", "{id}"),
  call("an unknown flag of ps", 'ps: unknown flag "-x"', "ps", "-x", "{id}"),
  call("an empty list format", 'list: flag "--format" is table or json, not ""', "list", "--format="),
  call("an unknown flag of completion", 'completion: unknown flag "--fish"', "completion", "--fish"),
];

export const badCommands: BadInput[] = [...ids, ...signals, ...expressions, ...beforeTheCommand, ...others];
