/** `help [COMMAND]` and `--help`: a manual page for the program or for one command. */

import type { CommandCall } from "../command.js";
import { EXIT_STATUS } from "../exit-status.js";
import { isCommand } from "../grammars.js";
import { commandPage, programPage } from "../manual-page.js";
import { usageError } from "../usage.js";

export function run({ door, args }: CommandCall): number {
  const [command] = args;
  if (command !== undefined && !isCommand(command)) throw usageError("help", `No help topic for '${command}'`);
  door.write(1, command === undefined ? programPage() : commandPage(command));
  return EXIT_STATUS.success;
}
