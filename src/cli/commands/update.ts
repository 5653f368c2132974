/** `update ID`: changes the limits of a container. */

import type { Door } from "../../door.js";
import { withOperation } from "../../runtime/errors.js";
import { askText } from "../../runtime/native.js";
import { updateContainer } from "../../runtime/runtime.js";
import type { UpdateOptions } from "../../runtime/runtime.js";
import type { CommandCall } from "../command.js";
import { EXIT_STATUS } from "../exit-status.js";
import { limitFlagName, limitsOf } from "../limit-flags.js";

/** Longer resources are a mistake or an attempt to exhaust memory. */
const MAX_BYTES = 16 * 1024 * 1024;

const PLACE = "/linux/resources";

export function run({ door, global, values, args, context }: CommandCall): number {
  const id = args[0] ?? "";
  const file = values["resources"];
  const options: UpdateOptions = {
    ...(file === undefined
      ? { resources: limitsOf(values), name: "flags", nameOf: limitFlagName }
      : { resources: readResources(door, id, file), name: file === "-" ? "stdin" : file, nameOf: placeInFile }),
    l3CacheSchema: values["l3-cache-schema"],
    memBwSchema: values["mem-bw-schema"],
    rootless: global.rootless,
    runtimeDirectory: door.env["XDG_RUNTIME_DIR"],
  };
  updateContainer(context(), id, options);
  return EXIT_STATUS.success;
}

function readResources(door: Door, id: string, file: string): string {
  try {
    if (file === "-") return askText(door, { op: "readStdin", maxBytes: MAX_BYTES });
    return askText(door, { op: "readInput", path: file, maxBytes: MAX_BYTES });
  } catch (error) {
    throw withOperation(`update ${JSON.stringify(id)}`, error);
  }
}

/** Converts a pointer in config.json to one in the file. */
function placeInFile(pointer: string): string {
  return pointer.startsWith(PLACE) ? pointer.slice(PLACE.length) : pointer;
}
