/** `mounts add|remove ID FILE`: changes the mounts of a container. */

import { addMounts, removeMounts } from "../../runtime/runtime.js";
import type { CommandCall } from "../command.js";
import { EXIT_STATUS } from "../exit-status.js";

export function run({ args, context }: CommandCall): number {
  const [verb, id = "", file = ""] = args;
  if (verb === "remove") removeMounts(context(), id, file);
  else addMounts(context(), id, file);
  return EXIT_STATUS.success;
}
