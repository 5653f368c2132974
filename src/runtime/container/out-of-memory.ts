/** Errors that the OOM killer caused. */

import type { RuntimeContext } from "./context.js";
import { RuntimeError, isRuntimeError } from "../errors.js";
import { askText } from "../native.js";
import type { ContainerRecord } from "./record.js";

/** If the OOM killer ended the container's first process: an error with limit and usage. Otherwise the given error. */
export function explainOom({ door }: RuntimeContext, { cgroups }: ContainerRecord, error: unknown): unknown {
  if (!isRuntimeError(error) || error.code !== "finished") return error;
  const text = askText(door, { op: "outOfMemory", cgroups: cgroups.map(({ path }) => path) });
  return text === "" ? error : new RuntimeError(text, { code: "other" }, error);
}
