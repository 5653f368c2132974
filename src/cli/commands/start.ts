/** `start ID`: runs the program of a created container. */

import { startContainer } from "../../runtime/runtime.js";
import type { CommandCall } from "../command.js";
import { EXIT_STATUS } from "../exit-status.js";

export function run({ door, args, context }: CommandCall): number {
  startContainer(context(), args[0] ?? "", { notifySocket: door.env["NOTIFY_SOCKET"] });
  return EXIT_STATUS.success;
}
