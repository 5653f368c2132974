/** `kill ID [SIGNAL]`: sends a signal to a container. */

import { killContainer } from "../../runtime/runtime.js";
import type { CommandCall } from "../command.js";
import { EXIT_STATUS } from "../exit-status.js";

export function run({ args, switches, context }: CommandCall): number {
  killContainer(context(), args[0] ?? "", { signal: args[1] ?? "TERM", all: switches.has("all") });
  return EXIT_STATUS.success;
}
