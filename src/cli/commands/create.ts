/** `create ID`: creates a container that waits for `start`. */

import { createContainer } from "../../runtime/runtime.js";
import type { CommandCall } from "../command.js";
import { createOptions } from "../create-options.js";
import { EXIT_STATUS } from "../exit-status.js";

export function run(call: CommandCall): number {
  createContainer(call.context(), call.args[0] ?? "", createOptions("create", call));
  return EXIT_STATUS.success;
}
