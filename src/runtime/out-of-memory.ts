/** Errors that come of the OOM killer. */

import type { RuntimeContext } from "./context.js";
import { RuntimeError, isRuntimeError } from "./errors.js";
import { askText } from "./native.js";
import type { ContainerRecord } from "./state/store.js";

/** An error of starting a container; where its first process was killed for want of memory, one that says so with limit and usage. */
export function explainOom({ host }: RuntimeContext, { cgroups }: ContainerRecord, error: unknown): unknown {
  if (!isRuntimeError(error) || error.code !== "finished") return error;
  const text = askText(host, { op: "outOfMemory", cgroups: cgroups.paths });
  return text === "" ? error : new RuntimeError(text, { code: "other" }, error);
}
