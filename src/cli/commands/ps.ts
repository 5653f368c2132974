/** `ps ID [PS-OPTION...]`: prints the processes of a container. */

import { containerProcesses, processTable } from "../../runtime/runtime.js";
import type { CommandCall } from "../command.js";
import { EXIT_STATUS } from "../exit-status.js";

export function run({ door, values, args, context }: CommandCall): number {
  const [id = "", ...psArgs] = args;
  if (values["format"] === "json") door.write(1, `${JSON.stringify(containerProcesses(context(), id))}\n`);
  else door.write(1, processTable(context(), id, { args: psArgs, searchPath: door.env["PATH"] }));
  return EXIT_STATUS.success;
}
