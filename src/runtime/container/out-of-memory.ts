/** Errors that come of the OOM killer. */

import type { RuntimeContext } from "./context.js";
import { RuntimeError, isRuntimeError } from "../errors.js";
import { askText } from "../native.js";
import type { ContainerRecord } from "./record.js";

/** An error of starting a container; where its first process was killed for want of memory, one that says so with limit and usage. */
export function explainOom({ door }: RuntimeContext, { cgroups }: ContainerRecord, error: unknown): unknown {
  if (!isRuntimeError(error) || error.code !== "finished") return error;
  const text = askText(door, { op: "outOfMemory", cgroups: cgroups.map(({ path }) => path) });
  return text === "" ? error : new RuntimeError(text, { code: "other" }, error);
}
