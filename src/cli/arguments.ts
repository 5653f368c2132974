/** Command line arguments as flags and the rest. Flags may have one dash or two, whatever their length, as callers of runc write them. */

import minimist from "minimist";
import type { CommandArguments, Flag } from "./commands.js";
import { suggestion } from "./suggestion.js";
import { usageError } from "./usage.js";

/** Arguments taken apart. */
export interface ParsedArguments {
  /** By the flag's long name; of a repeated flag the last value. */
  values: Record<string, string>;
  switches: Set<string>;
  rest: string[];
}

export interface Grammar {
  /** Who is asked, for errors: `create`. */
  subject: string;
  flags: readonly Flag[];
  /** Whatever follows the first argument that is no flag is left alone. */
  stopsEarly: boolean;
}

/** @throws RuntimeError that names an unknown flag, with the nearest known one, or one that lacks its value. */
export function parseArguments(argv: readonly string[], grammar: Grammar): ParsedArguments {
  const { normal, given: flags, rest } = normalize(argv, grammar);
  const parsed = minimist(normal, {
    stopEarly: grammar.stopsEarly,
    // Only of those that are given: minimist does its work for each.
    boolean: flags.filter(({ value }) => !value).map(({ name }) => name),
    string: ["_", ...flags.filter(({ value }) => value).map(({ name }) => name)],
  });
  const result: ParsedArguments = { values: {}, switches: new Set(), rest: [...parsed._, ...rest] };
  for (const { name, value } of flags) {
    const given: unknown = parsed[name];
    const last: unknown = Array.isArray(given) ? given[given.length - 1] : given;
    if (value && typeof last === "string") result.values[name] = last;
    else if (!value && last === true) result.switches.add(name);
  }
  return result;
}

/** @throws RuntimeError that names the argument that is missing, or the first that is too many. */
export function checkArguments(subject: string, args: readonly string[], { names, required }: CommandArguments): void {
  if (args.length < required) throw usageError(subject, `missing ${names[args.length]}`);
  const surplus = args[names.length];
  if (surplus !== undefined) throw usageError(subject, `unexpected argument ${JSON.stringify(surplus)}`);
}

/**
 * Every flag by its long name with two dashes and its value attached, so that nothing is left to guess: minimist would read `-detach` as seven
 * letters and take a container named `true` for the value of a switch before it. `rest` is what it is not to look at: for a command to come
 * the `--` in it is still to be seen.
 */
function normalize(argv: readonly string[], grammar: Grammar): { normal: string[]; given: Flag[]; rest: readonly string[] } {
  const normal: string[] = [];
  const given: Flag[] = [];
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] as string;
    if (argument === "--") return { normal, given, rest: argv.slice(at + 1) };
    if (!argument.startsWith("-") || argument === "-") {
      if (grammar.stopsEarly) return { normal, given, rest: argv.slice(at) };
      normal.push(argument);
      continue;
    }
    const { flag, text } = recognize(argument, grammar);
    given.push(flag);
    const equals = text.indexOf("=");
    if (equals >= 0) {
      const value = text.slice(equals + 1);
      if (!flag.value && value !== "true" && value !== "false") {
        throw usageError(grammar.subject, `flag "--${flag.name}" is true or false, not ${JSON.stringify(value)}`);
      }
      normal.push(`--${flag.name}=${value}`);
    } else if (flag.value) {
      at++;
      const value = argv[at];
      if (value === undefined) throw usageError(grammar.subject, `flag "--${flag.name}" requires an argument`);
      normal.push(`--${flag.name}=${value}`);
    } else {
      normal.push(`--${flag.name}=true`);
    }
  }
  return { normal, given, rest: [] };
}

function recognize(argument: string, { subject, flags }: Grammar): { flag: Flag; text: string } {
  const text = argument.replace(/^--?/, "");
  const name = text.split("=", 1)[0] as string;
  const flag = flags.find((candidate) => candidate.name === name || candidate.short === name);
  if (flag) return { flag, text };
  const names = flags.map((candidate) => candidate.name);
  throw usageError(subject, `unknown flag "${argument.split("=", 1)[0]}"${suggestion(name, names, "--")}`);
}
