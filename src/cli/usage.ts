/** Errors for wrong usage. */

import { RuntimeError } from "../runtime/errors.js";

/** @param subject the program or command */
export function usageError(subject: string, cause: string): RuntimeError {
  return new RuntimeError(cause, { code: "invalidArgument", operation: subject });
}
