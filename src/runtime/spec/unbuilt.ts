/**
 * The fields of the specification that this version of tsrunc does not carry out. Each is refused by name: a container
 * without its seccomp profile is not the one that was asked for. An empty value asks for nothing and passes.
 */

import { inDocumentOrder, Words, type Fault, type Report } from "./fault.js";
import type { Spec } from "./generated/spec-types.js";
import { runRules, subjectOf, type CheckContext, type Rules } from "./rule.js";

const notYet = "nothing: not supported by this version of tsrunc";
const otherPlatform = "nothing: it configures a container of another platform, this runtime is for Linux";

/** The refusals as rules; the names all begin with `unsupported-`. */
export const unbuiltRules: Rules = {
  "unsupported-platform": ({ spec }, report) => {
    for (const platform of ["solaris", "windows", "vm", "zos", "freebsd"] as const) {
      if (spec[platform] !== undefined) report(`/${platform}`, new Words("a section"), otherPlatform);
    }
    if (spec.process?.commandLine) report("/process/commandLine", new Words("a command line"), otherPlatform);
  },

  "unsupported-linux": ({ spec: { linux } }, report) => {
    if (linux === undefined) return;
    const refuse = refuser("/linux", report);
    if (linux.seccomp !== undefined) refuse("seccomp", "a seccomp profile");
  },
};

/** All fields that ask for what this version cannot do, in the order of the document. */
export function unbuilt(spec: Spec, context: CheckContext): Fault[] {
  return inDocumentOrder(spec, runRules([unbuiltRules], subjectOf(spec, context)));
}

/** Whether a fault is one of `unbuilt`. */
export function isUnbuilt({ rule }: Fault): boolean {
  return rule in unbuiltRules;
}

/** Found is told in words: a profile of a thousand lines says less. */
function refuser(section: string, report: Report): (member: string, found: string) => void {
  return (member, found) => {
    report(`${section}/${member}`, new Words(found), notYet);
  };
}
