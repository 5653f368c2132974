/** Rarely used parts: modules of commands, the texts of the manual, and rarely used flags. In the static program this is a script of its own (scripts/bundle.mjs). */

import type { CommandModule } from "./command.js";
import * as checkpoint from "./commands/checkpoint.js";
import * as completion from "./commands/completion.js";
import * as events from "./commands/events.js";
import * as features from "./commands/features.js";
import * as help from "./commands/help.js";
import * as mounts from "./commands/mounts.js";
import * as pause from "./commands/pause.js";
import * as ps from "./commands/ps.js";
import * as restore from "./commands/restore.js";
import * as resume from "./commands/resume.js";
import * as spec from "./commands/spec.js";
import * as update from "./commands/update.js";
import { daemonRequest } from "./log-daemons.js";
import { forMatching } from "./matching-containers.js";

export type LateCommandName =
  "checkpoint" | "completion" | "events" | "features" | "help" | "mounts" | "pause" | "ps" | "restore" | "resume" | "spec" | "update";

/** The exports of this module. */
export interface LateParts {
  lateCommands: Readonly<Record<LateCommandName, CommandModule>>;
  forMatching: typeof forMatching;
  daemonRequest: typeof daemonRequest;
}

export { daemonRequest, forMatching };

export const lateCommands: LateParts["lateCommands"] = {
  checkpoint,
  completion,
  events,
  features,
  help,
  mounts,
  pause,
  ps,
  restore,
  resume,
  spec,
  update,
};
