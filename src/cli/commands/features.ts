/** `features`: prints what this runtime supports. */

import { features } from "../../runtime/runtime.js";
import type { CommandCall } from "../command.js";
import { EXIT_STATUS } from "../exit-status.js";

export function run({ door }: CommandCall): number {
  door.write(1, `${JSON.stringify(features(door), null, 2)}\n`);
  return EXIT_STATUS.success;
}
