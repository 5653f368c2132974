/** The grammars of all commands: the half of the table that parses argv. Built on demand, because every command starts here. */

import type { Flag, Grammar } from "./table.js";
import * as checkpoint from "./table/checkpoint.js";
import * as completion from "./table/completion.js";
import * as create from "./table/create.js";
import * as deletion from "./table/delete.js";
import * as exec from "./table/exec.js";
import * as events from "./table/events.js";
import * as features from "./table/features.js";
import * as help from "./table/help.js";
import * as kill from "./table/kill.js";
import * as list from "./table/list.js";
import * as mounts from "./table/mounts.js";
import * as pause from "./table/pause.js";
import * as program from "./table/program.js";
import * as ps from "./table/ps.js";
import * as resume from "./table/resume.js";
import * as restore from "./table/restore.js";
import * as run from "./table/run.js";
import * as spec from "./table/spec.js";
import * as start from "./table/start.js";
import * as state from "./table/state.js";
import * as update from "./table/update.js";

const grammars = {
  checkpoint: checkpoint.grammar,
  completion: completion.grammar,
  create: create.grammar,
  delete: deletion.grammar,
  exec: exec.grammar,
  events: events.grammar,
  features: features.grammar,
  help: help.grammar,
  kill: kill.grammar,
  list: list.grammar,
  mounts: mounts.grammar,
  pause: pause.grammar,
  ps: ps.grammar,
  resume: resume.grammar,
  restore: restore.grammar,
  run: run.grammar,
  spec: spec.grammar,
  start: start.grammar,
  state: state.grammar,
  update: update.grammar,
};

export type CommandName = keyof typeof grammars;

/** Sorted. */
export function commandNames(): CommandName[] {
  return Object.keys(grammars).sort() as CommandName[];
}

export function isCommand(name: string): name is CommandName {
  return Object.hasOwn(grammars, name);
}

export function commandGrammar(name: CommandName): Grammar {
  return withHelp(grammars[name]());
}

/** The flags before the command, and the command with its arguments. */
export function programGrammar(): Grammar {
  return withHelp(program.grammar());
}

function withHelp(grammar: Grammar): Grammar {
  const help: Flag = { name: "help", short: "h" };
  return { ...grammar, flags: [...grammar.flags, help] };
}
