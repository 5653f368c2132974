/** Completes a word of a command line, with the table that parses it. */

import { signalNames } from "../runtime/signals.js";
import type { ContainerState } from "../runtime/runtime.js";
import { commandGrammar, commandNames, isCommand, programGrammar } from "./grammars.js";
import { commandManual, programManual } from "./manuals.js";
import { paragraphs, visible } from "./prose.js";
import type { Argument, Flag, Grammar, Manual } from "./table.js";

/** The completions of a word. */
export interface Completions {
  /** The shell completes files and directories itself. */
  kind: "words" | "files" | "directories";
  /** The part of the word that is not completed: `--format=`. */
  prefix: string;
  candidates: Candidate[];
}

export interface Candidate {
  word: string;
  /** One line; may be empty. */
  description: string;
}

/** Lists the containers below a state directory; undefined is the default directory. */
export type FindContainers = (root: string | undefined) => Pick<ContainerState, "id" | "status">[];

/** @param words of the command line after the program's name; the last one, which may be empty, is being completed */
export function complete(words: readonly string[], containers: FindContainers): Completions {
  const last = words.at(-1) ?? "";
  const program = walk(words.slice(0, -1), programGrammar());
  const root = program.values["root"];
  const [command, ...rest] = program.rest;
  if (command === undefined) return completeWord(last, program, programManual(), () => containers(root));
  if (!isCommand(command)) return nothing();
  const place = walk(rest, commandGrammar(command));
  return completeWord(last, place, commandManual(command), () => containers(root));
}

/** The state of the command line before its last word. */
interface Place {
  grammar: Grammar;
  values: Record<string, string>;
  given: Flag[];
  /** The last word is the value of this flag. */
  awaits: Flag | undefined;
  flagsEnded: boolean;
  rest: readonly string[];
}

/** Like `parseArguments`, but for a line that is unfinished and may contain mistakes. */
function walk(words: readonly string[], grammar: Grammar): Place {
  const place: Place = { grammar, values: {}, given: [], awaits: undefined, flagsEnded: false, rest: [] };
  const rest: string[] = [];
  for (const [at, word] of words.entries()) {
    if (place.awaits) {
      place.values[place.awaits.name] = word;
      place.awaits = undefined;
    } else if (word === "--" && !place.flagsEnded) {
      place.flagsEnded = true;
    } else if (place.flagsEnded || !isFlag(word)) {
      rest.push(word);
      if (!grammar.flagsEndEarly) continue;
      place.flagsEnded = true;
      rest.push(...words.slice(at + 1));
      break;
    } else {
      const { name, value } = takeApart(word);
      const flag = findFlag(grammar, name);
      if (!flag) continue;
      place.given.push(flag);
      if (flag.value === undefined) continue;
      if (value === undefined) place.awaits = flag;
      else place.values[flag.name] = value;
    }
  }
  return { ...place, rest };
}

function completeWord(word: string, place: Place, manual: Manual, containers: () => ReturnType<FindContainers>): Completions {
  if (place.awaits) return completeValue(place.awaits, word, "");
  if (!place.flagsEnded && word.startsWith("-")) {
    const { name, value } = takeApart(word);
    const flag = findFlag(place.grammar, name);
    if (value === undefined) return words(word, flagCandidates(place, manual));
    return flag ? completeValue(flag, value, word.slice(0, word.length - value.length)) : nothing();
  }
  const list = place.grammar.arguments;
  const argument = list[place.rest.length] ?? (list.at(-1)?.repeatable ? list.at(-1) : undefined);
  return argument ? completeArgument(argument, word, place, containers) : nothing();
}

function completeValue({ value, choices }: Flag, word: string, prefix: string): Completions {
  const known = choices ?? (value === undefined ? ["true", "false"] : []);
  return { ...byPlaceholder(value ?? ""), prefix, candidates: matching(word, known.map(bare)) };
}

function completeArgument(
  { placeholder, choices, statuses }: Argument,
  word: string,
  { rest }: Place,
  containers: () => ReturnType<FindContainers>,
): Completions {
  if (choices) return words(word, choices.map(bare));
  switch (placeholder) {
    case "COMMAND":
      return words(
        word,
        commandNames().map((name) => ({ word: name, description: commandManual(name).summary })),
      );
    case "SIGNAL":
      return words(word, signalNames().map(bare));
    case "ID": {
      if (statuses?.length === 0) return nothing();
      const fitting = containers().filter(({ id, status }) => !rest.includes(id) && (statuses?.includes(status) ?? true));
      return words(
        word,
        fitting.map(({ id, status }) => ({ word: id, description: status })),
      );
    }
    default:
      return { ...byPlaceholder(placeholder), prefix: "", candidates: [] };
  }
}

function byPlaceholder(placeholder: string): Pick<Completions, "kind"> {
  if (placeholder === "DIR") return { kind: "directories" };
  return { kind: placeholder === "FILE" || placeholder === "SOCKET" ? "files" : "words" };
}

/** Flags that were not given and are not excluded by given ones. Short flags are offered only after a single dash. */
function flagCandidates({ grammar, given }: Place, manual: Manual): Candidate[] {
  const isUseful = ({ name, repeatable, excludes }: Flag): boolean =>
    (repeatable ?? !given.some((other) => other.name === name)) &&
    !given.some((other) => other.excludes?.includes(name) || excludes?.includes(other.name));
  return visible(grammar.flags)
    .filter(isUseful)
    .flatMap(({ name, short }) => {
      const description = firstSentence(manual.flags[name] ?? "");
      return [{ word: `--${name}`, description }, ...(short === undefined ? [] : [{ word: `-${short}`, description }])];
    });
}

function firstSentence(text: string): string {
  return (paragraphs(text)[0] ?? "").split(/[.;:](?: |$)/, 1)[0] ?? "";
}

function words(word: string, candidates: readonly Candidate[]): Completions {
  return { kind: "words", prefix: "", candidates: matching(word, candidates) };
}

function matching(word: string, candidates: readonly Candidate[]): Candidate[] {
  return candidates.filter((candidate) => candidate.word.startsWith(word));
}

function nothing(): Completions {
  return words("", []);
}

function bare(word: string): Candidate {
  return { word, description: "" };
}

function isFlag(word: string): boolean {
  return word.startsWith("-") && word !== "-";
}

function takeApart(word: string): { name: string; value: string | undefined } {
  const [, name = "", value] = /^--?([^=]*)(?:=([^]*))?$/.exec(word) ?? [];
  return { name, value };
}

function findFlag({ flags }: Grammar, name: string): Flag | undefined {
  return flags.find((flag) => flag.name === name || flag.short === name);
}
