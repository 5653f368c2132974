/** Errors of whoever called the program. */

import { RuntimeError } from "../runtime/errors.js";

/** @param subject the program or command that was called wrongly */
export function usageError(subject: string, cause: string): RuntimeError {
  return new RuntimeError(cause, { code: "invalidArgument", operation: subject });
}
