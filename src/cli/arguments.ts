/** Parses command line arguments. Flags may have one dash or two, whatever their length, because callers of runc use both. */

import { suggestion } from "./suggestion.js";
import type { Argument, Flag, Grammar } from "./table.js";
import { usageError } from "./usage.js";

/** Parsed arguments. */
export interface ParsedArguments {
  /** Values by the flag's long name. The last value of a repeated flag counts. */
  values: Record<string, string>;
  /** All values of repeatable flags, in order. */
  lists: Record<string, string[]>;
  switches: Set<string>;
  rest: string[];
}

/**
 * @param subject the program or command, for errors: `create`
 * @throws RuntimeError on an unknown flag (with the nearest known one), a missing or invalid value, and flags that exclude each other
 */
export function parseArguments(argv: readonly string[], subject: string, grammar: Grammar): ParsedArguments {
  const parsed: ParsedArguments = { values: {}, lists: {}, switches: new Set(), rest: [] };
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] as string;
    const isFlag = argument.startsWith("-") && argument !== "-";
    if (argument === "--" || (!isFlag && grammar.flagsEndEarly)) {
      parsed.rest.push(...argv.slice(argument === "--" ? at + 1 : at));
      break;
    }
    if (!isFlag) {
      parsed.rest.push(argument);
      continue;
    }
    const { flag, value: attached } = recognize(argument, subject, grammar.flags);
    if (flag.value === undefined) {
      setSwitch(parsed.switches, flag, subject, attached);
    } else {
      const value = attached ?? argv[++at];
      // In runc's words: podman takes a runtime that says so to `restore --lsm-mount-context` for one that can restore into a pod.
      if (value === undefined) throw usageError(subject, `flag needs an argument: --${flag.name}`);
      setValue(parsed, flag, subject, value);
    }
  }
  checkExclusions(parsed, subject, grammar.flags);
  return parsed;
}

/** @throws RuntimeError on a missing argument, a surplus one, or one that is not among its choices */
export function checkArguments(subject: string, given: readonly string[], known: readonly Argument[]): void {
  const missing = known[given.length];
  if (missing && !missing.optional) throw usageError(subject, `missing ${missing.name}`);
  const surplus = given[known.length];
  if (surplus !== undefined && !known.at(-1)?.repeatable) throw usageError(subject, `unexpected argument ${JSON.stringify(surplus)}`);
  for (const [at, { name, choices }] of known.entries()) {
    const value = given[at];
    if (value !== undefined && choices) checkChoice(subject, name, value, choices);
  }
}

function setSwitch(switches: Set<string>, { name }: Flag, subject: string, value = "true"): void {
  if (value === "true") switches.add(name);
  else if (value === "false") switches.delete(name);
  else throw usageError(subject, `flag "--${name}" is true or false, not ${JSON.stringify(value)}`);
}

function setValue({ values, lists }: ParsedArguments, { name, choices, repeatable }: Flag, subject: string, value: string): void {
  if (choices) checkChoice(subject, `flag "--${name}"`, value, choices);
  values[name] = value;
  if (repeatable) (lists[name] ??= []).push(value);
}

function checkChoice(subject: string, what: string, value: string, choices: readonly string[]): void {
  if (!choices.includes(value)) throw usageError(subject, `${what} is ${choices.join(" or ")}, not ${JSON.stringify(value)}`);
}

function checkExclusions({ values, switches }: ParsedArguments, subject: string, flags: readonly Flag[]): void {
  const isGiven = (name: string): boolean => Object.hasOwn(values, name) || switches.has(name);
  for (const { name, excludes } of flags) {
    const other = excludes && isGiven(name) ? excludes.find(isGiven) : undefined;
    if (other !== undefined) throw usageError(subject, `flags "--${name}" and "--${other}" exclude each other`);
  }
}

function recognize(argument: string, subject: string, flags: readonly Flag[]): { flag: Flag; value: string | undefined } {
  const equals = argument.indexOf("=");
  const spelled = equals < 0 ? argument : argument.slice(0, equals);
  const name = spelled.replace(/^--?/, "");
  const flag = flags.find((candidate) => candidate.name === name || candidate.short === name);
  if (flag) return { flag, value: equals < 0 ? undefined : argument.slice(equals + 1) };
  const names = flags.filter(({ hidden }) => !hidden).map((candidate) => candidate.name);
  throw usageError(subject, `unknown flag "${spelled}"${suggestion(name, names, "--")}`);
}
