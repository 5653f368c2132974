/** `delete ID`: destroys a container and removes its state. */

import { deleteContainer } from "../../runtime/runtime.js";
import type { CommandCall } from "../command.js";
import { EXIT_STATUS } from "../exit-status.js";

export function run({ args, switches, late, context: getContext }: CommandCall): number {
  const [id = ""] = args;
  const context = getContext();
  const remove = (id: string): void => deleteContainer(context, id, { force: switches.has("force") });
  if (switches.has("regex")) late().forMatching("delete", context, id, remove);
  else remove(id);
  return EXIT_STATUS.success;
}
