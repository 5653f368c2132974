/**
 * The fields of the specification that tsrunc does not carry out: those of other platforms. Each is refused by name. An empty value asks for
 * nothing and passes.
 */

import { inDocumentOrder, Words, type Fault } from "./fault.js";
import type { Spec } from "./generated/spec-types.js";
import { runRules, subjectOf, type CheckContext, type Rules } from "./rule.js";

const otherPlatform = "nothing: it configures a container of another platform, this runtime is for Linux";

/** The refusals as rules; the names all begin with `unsupported-`. */
export const unbuiltRules: Rules = {
  "unsupported-platform": ({ spec }, report) => {
    for (const platform of ["solaris", "windows", "vm", "zos", "freebsd"] as const) {
      if (spec[platform] !== undefined) report(`/${platform}`, new Words("a section"), otherPlatform);
    }
    if (spec.process?.commandLine) report("/process/commandLine", new Words("a command line"), otherPlatform);
  },
};

/** All fields that ask for what cannot be done, in the order of the document. */
export function unbuilt(spec: Spec, context: CheckContext): Fault[] {
  return inDocumentOrder(spec, runRules([unbuiltRules], subjectOf(spec, context)));
}

/** Whether a fault is one of `unbuilt`. */
export function isUnbuilt({ rule }: Fault): boolean {
  return rule in unbuiltRules;
}
