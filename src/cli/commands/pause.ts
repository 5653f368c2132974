/** `pause ID`: stops all processes of a container where they are. */

import { pauseContainer } from "../../runtime/runtime.js";
import type { CommandCall } from "../command.js";
import { EXIT_STATUS } from "../exit-status.js";

export function run({ args, context }: CommandCall): number {
  pauseContainer(context(), args[0] ?? "");
  return EXIT_STATUS.success;
}
