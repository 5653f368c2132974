/** `--regex`: the same for every container whose id matches. */

import { isRuntimeError, messageOf } from "../runtime/errors.js";
import { containerIds } from "../runtime/runtime.js";
import type { RuntimeContext } from "../runtime/runtime.js";
import { compileExtendedRegex } from "./extended-regex.js";
import { usageError } from "./usage.js";

/**
 * Does `act` for every container whose id matches, anywhere in it, as crun does: one that fails is a warning, and none is no error.
 * An empty expression, which would match them all, is refused: more likely a variable of a script is not set.
 * @param subject the command, for errors
 */
export function forMatching(subject: string, context: RuntimeContext, pattern: string, act: (id: string) => void): void {
  const regex = compile(subject, pattern);
  for (const id of containerIds(context).filter((id) => regex.test(id))) {
    try {
      act(id);
    } catch (error) {
      if (!isRuntimeError(error)) throw error;
      context.log("warning", messageOf(error));
    }
  }
}

function compile(subject: string, pattern: string): RegExp {
  if (pattern === "") throw usageError(subject, 'the regular expression is empty: "." matches every container');
  try {
    return compileExtendedRegex(pattern);
  } catch (error) {
    throw usageError(subject, `the regular expression ${JSON.stringify(pattern)} is not valid: ${messageOf(error)}`);
  }
}
