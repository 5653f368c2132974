/** The error of a limit that cannot be carried out. */

import { RuntimeError } from "../errors.js";

/** @param pointer JSON pointer of the field that asks for it */
export function refused(pointer: string, cause: string): RuntimeError {
  return new RuntimeError(cause, { code: "unsupported", operation: pointer, path: pointer });
}
