/** `kill ID [SIGNAL]`: sends a signal to a container. */

import { killContainer } from "../../runtime/runtime.js";
import { parseSignal } from "../../runtime/signals.js";
import type { CommandCall } from "../command.js";
import { EXIT_STATUS } from "../exit-status.js";

export function run(call: CommandCall): number {
  const [id = "", signal = "TERM"] = call.args;
  const context = call.context();
  const kill = (id: string): void => killContainer(context, id, { signal, all: call.switches.has("all") });
  if (call.switches.has("regex")) {
    parseSignal(signal); // an invalid signal is an error before any container is touched
    call.late().forMatching("kill", context, id, kill);
  } else {
    kill(id);
  }
  return EXIT_STATUS.success;
}
