/** The command line program: global flags, then the command's own, then the command; the only place that reports errors. */

import type { Door } from "../door.js";
import { messageOf } from "../runtime/errors.js";
import { perform } from "../runtime/native.js";
import { OCI_VERSION, defaultStateRoot, namedStateRoot } from "../runtime/runtime.js";
import type { RuntimeContext } from "../runtime/runtime.js";
import { checkArguments, parseArguments } from "./arguments.js";
import type { ParsedArguments } from "./arguments.js";
import type { CommandCall, GlobalFlags, LoadCommand } from "./command.js";
import { commandGrammar, commandNames, isCommand, programGrammar } from "./grammars.js";
import type { CommandName } from "./grammars.js";
import { EXIT_STATUS, exitStatusOf } from "./exit-status.js";
import { log } from "./log.js";
import type { LogOptions } from "./log.js";
import { withoutSecrets } from "./secrets.js";
import { suggestion } from "./suggestion.js";
import { usageError } from "./usage.js";

const PROGRAM = "tsrunc";

/**
 * Runs the program once.
 * @param load gives the module src/cli/commands/NAME.ts; called at most once
 * @returns the exit status
 */
export function main(door: Door, load: LoadCommand): number {
  const options: LogOptions = { file: undefined, format: "text", debug: false };
  try {
    return dispatch(door, load, options);
  } catch (error) {
    return fail(door, options, error);
  }
}

/** Reports an error once. A log file that cannot be written is part of what went wrong. */
function fail(door: Door, options: LogOptions, error: unknown): number {
  try {
    log(door, options, "error", messageOf(error));
  } catch (failure) {
    door.write(2, `${messageOf(failure)}\n`);
  }
  return exitStatusOf(error);
}

/** @param options filled from the flags as soon as they are known, so that later errors go where they should */
function dispatch(door: Door, load: LoadCommand, options: LogOptions): number {
  // What hosts have in place of bytes that are not UTF-8.
  const garbled = door.argv.find((argument) => argument.includes("\ufffd"));
  if (garbled !== undefined) throw usageError(PROGRAM, `argument ${JSON.stringify(garbled)} is not UTF-8`);
  const global = parseArguments(door.argv, PROGRAM, programGrammar());
  openLog(door, global.values["log"]);
  options.file = global.values["log"];
  options.debug = global.switches.has("debug");
  options.format = global.values["log-format"] === "json" ? "json" : "text";
  const flags: GlobalFlags = { rootless: rootlessFlag(global), systemdCgroup: global.switches.has("systemd-cgroup") };
  const [command, ...argv] = global.rest;

  if (global.switches.has("version")) {
    const { version, commit } = door.build;
    door.write(1, `${PROGRAM} version ${version}\ncommit: ${commit}\nspec: ${OCI_VERSION}\n`);
    return EXIT_STATUS.success;
  }
  const observed = options.debug ? logRequests(door, options) : door;
  const start = (name: CommandName, parsed: ParsedArguments): number =>
    load(name).run({
      door: observed,
      global: flags,
      values: parsed.values,
      lists: parsed.lists,
      switches: parsed.switches,
      args: parsed.rest,
      context: (root = global.values["root"]) => makeContext(observed, root, options),
    } satisfies CommandCall);

  if (command === undefined || global.switches.has("help")) return start("help", helpAbout(command));
  if (!isCommand(command)) {
    throw usageError(PROGRAM, `unknown command ${JSON.stringify(command)}${suggestion(command, commandNames())}`);
  }
  const grammar = commandGrammar(command);
  const parsed = parseArguments(argv, command, grammar);
  if (parsed.switches.has("help")) return start("help", helpAbout(command));
  checkArguments(command, parsed.rest, grammar.arguments);
  return start(command, parsed);
}

function helpAbout(command: string | undefined): ParsedArguments {
  return { values: {}, lists: {}, switches: new Set(), rest: command === undefined ? [] : [command] };
}

/** Makes the log file, so that one that cannot be written is told before anything is done. */
function openLog(door: Door, file: string | undefined): void {
  if (file !== undefined) perform(door, { op: "appendFile", path: file, text: "" });
}

function makeContext(door: Door, root: string | undefined, options: LogOptions): RuntimeContext {
  const stateRoot = root === undefined ? defaultStateRoot(door, door.env) : namedStateRoot(door, root);
  return { door, ...stateRoot, endable: true, log: (level, message) => log(door, options, level, message) };
}

function rootlessFlag({ values }: ParsedArguments): boolean | undefined {
  const when = values["rootless"] ?? "auto";
  return when === "auto" ? undefined : when === "true";
}

/** The host with every request to the native layer logged (--debug). */
function logRequests(door: Door, options: LogOptions): Door {
  return {
    argv: door.argv,
    env: door.env,
    build: door.build,
    call: (request) => {
      log(door, options, "debug", `request ${withoutSecrets(request)}`);
      return door.call(request);
    },
    write: (fd, text) => door.write(fd, text),
    part: (name) => door.part(name),
  };
}
