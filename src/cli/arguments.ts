/** Command line arguments as flags and the rest. Flags may have one dash or two, whatever their length, as callers of runc write them. */

import type { Arity, Flag } from "./commands.js";
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

/**
 * Takes flags with one dash or two, `--flag=value` and `--flag value`. By hand: libraries take `-detach` for seven letters, and a
 * container named `true` for the value of a switch before it.
 * @throws RuntimeError that names an unknown flag, with the nearest known one, or one that lacks its value.
 */
export function parseArguments(argv: readonly string[], grammar: Grammar): ParsedArguments {
  const parsed: ParsedArguments = { values: {}, switches: new Set(), rest: [] };
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] as string;
    if (argument === "--") return withRest(parsed, argv.slice(at + 1));
    if (!argument.startsWith("-") || argument === "-") {
      // A `--` among what is left alone is for whoever reads that.
      if (grammar.stopsEarly) return withRest(parsed, argv.slice(at));
      parsed.rest.push(argument);
      continue;
    }
    const { flag, text } = recognize(argument, grammar);
    const equals = text.indexOf("=");
    const attached = equals < 0 ? undefined : text.slice(equals + 1);
    if (!flag.value) {
      setSwitch(parsed.switches, flag.name, attached ?? "true", grammar);
      continue;
    }
    const value = attached ?? argv[++at];
    if (value === undefined) throw usageError(grammar.subject, `flag "--${flag.name}" requires an argument`);
    parsed.values[flag.name] = value;
  }
  return parsed;
}

function withRest(parsed: ParsedArguments, more: readonly string[]): ParsedArguments {
  parsed.rest.push(...more);
  return parsed;
}

function setSwitch(switches: Set<string>, name: string, value: string, { subject }: Grammar): void {
  if (value !== "true" && value !== "false") throw usageError(subject, `flag "--${name}" is true or false, not ${JSON.stringify(value)}`);
  if (value === "true") switches.add(name);
  else switches.delete(name);
}

/** @throws RuntimeError when there are too few arguments or too many. */
export function checkArity(subject: string, args: readonly string[], { least, most }: Arity): void {
  if (args.length >= least && args.length <= most) return;
  const wanted = least === most ? `exactly ${least}` : `${least} to ${most}`;
  throw usageError(subject, `requires ${wanted} argument${most === 1 ? "" : "s"}, got ${args.length}`);
}

function recognize(argument: string, { subject, flags }: Grammar): { flag: Flag; text: string } {
  const text = argument.slice(argument.startsWith("--") ? 2 : 1);
  const equals = text.indexOf("=");
  const name = equals < 0 ? text : text.slice(0, equals);
  const flag = flags.find((candidate) => candidate.name === name || candidate.short === name);
  if (flag) return { flag, text };
  const names = flags.map((candidate) => candidate.name);
  throw usageError(subject, `unknown flag "${argument.split("=", 1)[0]}"${suggestion(name, names, "--")}`);
}
