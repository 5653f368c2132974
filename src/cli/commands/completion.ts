/** `completion SHELL [WORD...]`: prints a completion script, or the completions that the script requests. */

import { listContainers } from "../../runtime/runtime.js";
import type { ContainerState } from "../../runtime/runtime.js";
import type { CommandCall } from "../command.js";
import { complete } from "../completion.js";
import { answer, script } from "../completion-scripts.js";
import type { Shell } from "../completion-scripts.js";
import { EXIT_STATUS } from "../exit-status.js";

export function run(call: CommandCall): number {
  const [shell, ...words] = call.args as [Shell, ...string[]];
  const text =
    words.length === 0
      ? script(shell)
      : answer(
          shell,
          complete(words, (root) => containers(call, root)),
        );
  call.door.write(1, text);
  return EXIT_STATUS.success;
}

/** The containers; none if they cannot be listed, because a completion must not print errors. */
function containers({ context }: CommandCall, root: string | undefined): ContainerState[] {
  try {
    return listContainers({ ...context(root), log: () => undefined });
  } catch {
    return [];
  }
}
