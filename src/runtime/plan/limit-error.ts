/** The error for a limit that cannot be applied. */

import { RuntimeError } from "../errors.js";

/** @param pointer JSON pointer of the field */
export function refused(pointer: string, cause: string): RuntimeError {
  return new RuntimeError(cause, { code: "unsupported", operation: pointer, path: pointer });
}
