/** `resume ID`: thaws a paused container. */

import { resumeContainer } from "../../runtime/runtime.js";
import type { CommandCall } from "../command.js";
import { EXIT_STATUS } from "../exit-status.js";

export function run({ args, context }: CommandCall): number {
  resumeContainer(context(), args[0] ?? "");
  return EXIT_STATUS.success;
}
