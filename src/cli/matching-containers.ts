/** `--regex`: runs an action for every container whose id matches. */

import { isRuntimeError, messageOf } from "../runtime/errors.js";
import { containerIds } from "../runtime/runtime.js";
import type { RuntimeContext } from "../runtime/runtime.js";
import { compileExtendedRegex } from "./extended-regex.js";
import { usageError } from "./usage.js";

/**
 * Runs `act` for every container whose id contains a match, as in crun. A failure is a warning, and it is no error if no id matches.
 * An empty expression would match all containers and is refused, because it is probably an unset variable of a script.
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
