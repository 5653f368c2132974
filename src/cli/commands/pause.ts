/** `pause ID`: freezes all processes of a container. */

import { pauseContainer } from "../../runtime/runtime.js";
import type { CommandCall } from "../command.js";
import { EXIT_STATUS } from "../exit-status.js";

export function run({ args, context }: CommandCall): number {
  pauseContainer(context(), args[0] ?? "");
  return EXIT_STATUS.success;
}
