/** The command line program: parses global flags and the command's flags, and runs the command. The only place that reports errors. */

import type { Door } from "../door.js";
import { messageOf } from "../runtime/errors.js";
import { OCI_VERSION, defaultStateRoot, namedStateRoot } from "../runtime/runtime.js";
import type { CgroupManager, RuntimeContext, RuntimeError } from "../runtime/runtime.js";
import { checkArguments, parseArguments } from "./arguments.js";
import type { ParsedArguments } from "./arguments.js";
import type { CommandCall, GlobalFlags, LoadCommand } from "./command.js";
import { commandGrammar, commandNames, isCommand, programGrammar } from "./grammars.js";
import type { CommandName } from "./grammars.js";
import { EXIT_STATUS, exitStatusOf } from "./exit-status.js";
import type { LateParts } from "./late-commands.js";
import type { LogLevel } from "./log-level.js";
import { log, logDestination, openLog } from "./log.js";
import type { LogOptions } from "./log.js";
import { withoutSecrets } from "./secrets.js";
import { suggestion } from "./suggestion.js";
import { usageError } from "./usage.js";

const PROGRAM = "tsrunc";

/**
 * Runs the program once.
 * @param load loads the module src/cli/commands/NAME.ts; called at most once
 * @param late loads src/cli/late-commands.ts
 * @returns the exit status
 */
export function main(door: Door, load: LoadCommand, late: () => LateParts): number {
  const options: LogOptions = { destination: undefined, format: "text", level: "warning" };
  try {
    return dispatch(door, { load, late }, options);
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

/** @param options filled in as soon as the flags are parsed, so that later errors go to the right log */
function dispatch(door: Door, { load, late }: { load: LoadCommand; late: () => LateParts }, options: LogOptions): number {
  // Hosts replace bytes that are not UTF-8 by this character.
  const garbled = door.argv.find((argument) => argument.includes("\ufffd"));
  if (garbled !== undefined) throw usageError(PROGRAM, `argument ${JSON.stringify(garbled)} is not UTF-8`);
  const global = parseArguments(door.argv, PROGRAM, programGrammar());
  const destination = global.values["log"] === undefined ? undefined : logDestination(global.values["log"], late);
  if (destination) openLog(door, destination);
  options.destination = destination;
  options.format = global.values["log-format"] === "json" ? "json" : "text";
  options.level = logLevel(global);
  const flags: GlobalFlags = { rootless: rootlessFlag(global), cgroupManager: cgroupManager(global) };
  const [command, ...argv] = global.rest;

  if (global.switches.has("version")) {
    const { version, commit } = door.build;
    door.write(1, `${PROGRAM} version ${version}\ncommit: ${commit}\nspec: ${OCI_VERSION}\n`);
    return EXIT_STATUS.success;
  }
  const observed = options.level === "debug" ? logRequests(door, options) : door;
  const start = (name: CommandName, parsed: ParsedArguments): number =>
    load(name).run({
      door: observed,
      global: flags,
      values: parsed.values,
      lists: parsed.lists,
      switches: parsed.switches,
      args: parsed.rest,
      late,
      context: (root = global.values["root"]) => makeContext(observed, root, (level, message) => log(door, options, level, message)),
    } satisfies CommandCall);

  if (command === undefined || global.switches.has("help")) return start("help", helpAbout(command));
  if (!isCommand(command)) {
    // runc's text for `runc foo -h`.
    if (argv[0] === "-h" || argv[0] === "--help")
      throw usageError(PROGRAM, `No help topic for '${command}'${suggestion(command, commandNames())}`);
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

function makeContext(door: Door, root: string | undefined, log: RuntimeContext["log"]): RuntimeContext {
  const stateRoot = root === undefined ? defaultStateRoot(door, door.env) : namedStateRoot(door, root);
  return { door, ...stateRoot, interruptible: true, log };
}

/** `--debug` is `--log-level debug`. */
function logLevel({ values, switches }: ParsedArguments): LogLevel {
  const level = values["log-level"] as LogLevel | undefined;
  if (!switches.has("debug")) return level ?? "warning";
  if (level !== undefined && level !== "debug") throw exclusive("debug", `log-level ${level}`);
  return "debug";
}

/** `--systemd-cgroup` is `--cgroup-manager systemd`. */
function cgroupManager({ values, switches }: ParsedArguments): CgroupManager {
  const manager = values["cgroup-manager"] as CgroupManager | undefined;
  if (!switches.has("systemd-cgroup")) return manager ?? "cgroupfs";
  if (manager !== undefined && manager !== "systemd") throw exclusive("systemd-cgroup", `cgroup-manager ${manager}`);
  return "systemd";
}

function exclusive(flag: string, other: string): RuntimeError {
  return usageError(PROGRAM, `flags "--${flag}" and "--${other}" exclude each other`);
}

function rootlessFlag({ values }: ParsedArguments): boolean | undefined {
  const when = values["rootless"] ?? "auto";
  return when === "auto" ? undefined : when === "true";
}

/** Logs every request to the native layer (--log-level debug). */
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
