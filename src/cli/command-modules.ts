/** The commands' modules by name. Those that are run all the time are part of the core; the others are loaded when they are asked for. */

import type { CommandModule } from "./command.js";
import * as create from "./commands/create.js";
import * as deletion from "./commands/delete.js";
import * as exec from "./commands/exec.js";
import * as kill from "./commands/kill.js";
import * as list from "./commands/list.js";
import * as run from "./commands/run.js";
import * as start from "./commands/start.js";
import * as state from "./commands/state.js";
import type { CommandName } from "./grammars.js";
import type { LateCommandName, LateParts } from "./late-commands.js";

const modules: Readonly<Record<Exclude<CommandName, LateCommandName>, CommandModule>> = {
  create,
  delete: deletion,
  exec,
  kill,
  list,
  run,
  start,
  state,
};

/** @param loadLate gives the exports of src/cli/late-commands.ts */
export function commandModule(name: CommandName, loadLate: () => Pick<LateParts, "lateCommands">): CommandModule {
  return isEarly(name) ? modules[name] : loadLate().lateCommands[name];
}

function isEarly(name: CommandName): name is keyof typeof modules {
  return Object.hasOwn(modules, name);
}
