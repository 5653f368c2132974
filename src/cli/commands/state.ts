/** `state ID`: prints a container's state as JSON. */

import { containerState } from "../../runtime/runtime.js";
import type { CommandCall } from "../command.js";
import { EXIT_STATUS } from "../exit-status.js";

export function run({ door, args, context }: CommandCall): number {
  door.write(1, `${JSON.stringify(containerState(context(), args[0] ?? ""), null, 2)}\n`);
  return EXIT_STATUS.success;
}
