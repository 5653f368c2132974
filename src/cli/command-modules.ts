/** The commands' modules by name. */

import type { CommandModule } from "./command.js";
import * as create from "./commands/create.js";
import * as deletion from "./commands/delete.js";
import * as features from "./commands/features.js";
import * as help from "./commands/help.js";
import * as kill from "./commands/kill.js";
import * as list from "./commands/list.js";
import * as run from "./commands/run.js";
import * as spec from "./commands/spec.js";
import * as start from "./commands/start.js";
import * as state from "./commands/state.js";

const modules: Readonly<Record<string, CommandModule>> = { create, delete: deletion, features, help, kill, list, run, spec, start, state };

/** @param name one of `commandNames` */
export function commandModule(name: string): CommandModule {
  const module = modules[name];
  if (module === undefined) throw new Error(`load command ${JSON.stringify(name)}: no such module`);
  return module;
}
