/** The manuals of all commands: the half of the table that people read. Loaded only by commands that print it. */

import type { CommandName } from "./grammars.js";
import type { Manual } from "./table.js";
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

const manuals: Readonly<Record<CommandName, () => Manual>> = {
  checkpoint: checkpoint.manual,
  completion: completion.manual,
  create: create.manual,
  delete: deletion.manual,
  exec: exec.manual,
  events: events.manual,
  features: features.manual,
  help: help.manual,
  kill: kill.manual,
  list: list.manual,
  mounts: mounts.manual,
  pause: pause.manual,
  ps: ps.manual,
  resume: resume.manual,
  restore: restore.manual,
  run: run.manual,
  spec: spec.manual,
  start: start.manual,
  state: state.manual,
  update: update.manual,
};

/** The exit statuses of most commands. */
export const COMMON_EXIT_STATUS: readonly string[] = ["0  success", "1  failure; the reason is on standard error"];

export function commandManual(name: CommandName): Manual {
  return withHelp(manuals[name]());
}

export function programManual(): Manual {
  return withHelp(program.manual());
}

function withHelp(manual: Manual): Manual {
  return { ...manual, flags: { ...manual.flags, help: "Print this page." } };
}
