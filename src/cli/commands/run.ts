/** `run ID`: creates and starts a container, and waits for it unless detached. */

import { runContainer } from "../../runtime/runtime.js";
import type { CommandCall } from "../command.js";
import { createOptions } from "../create-options.js";

export function run(call: CommandCall): number {
  const { args, switches } = call;
  return runContainer(call.context(), args[0] ?? "", {
    ...createOptions("run", call),
    detach: switches.has("detach"),
    keep: switches.has("keep"),
    subreaper: !switches.has("no-subreaper"),
  });
}
