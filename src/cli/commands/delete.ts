/** `delete ID`: takes a container down and forgets it. */

import { deleteContainer } from "../../runtime/runtime.js";
import type { CommandCall } from "../command.js";
import { EXIT_STATUS } from "../exit-status.js";

export function run({ args, switches, context }: CommandCall): number {
  deleteContainer(context(), args[0] ?? "", { force: switches.has("force") });
  return EXIT_STATUS.success;
}
