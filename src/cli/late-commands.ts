/** The modules of the commands that few calls run, with the texts of the manual; a script of its own in the static program (scripts/bundle.mjs). */

import type { CommandModule } from "./command.js";
import * as completion from "./commands/completion.js";
import * as events from "./commands/events.js";
import * as features from "./commands/features.js";
import * as help from "./commands/help.js";
import * as pause from "./commands/pause.js";
import * as ps from "./commands/ps.js";
import * as resume from "./commands/resume.js";
import * as spec from "./commands/spec.js";
import * as update from "./commands/update.js";

export type LateCommandName = "completion" | "events" | "features" | "help" | "pause" | "ps" | "resume" | "spec" | "update";

/** The exports of this module. */
export interface LateCommands {
  lateCommands: Readonly<Record<LateCommandName, CommandModule>>;
}

export const lateCommands: LateCommands["lateCommands"] = { completion, events, features, help, pause, ps, resume, spec, update };
