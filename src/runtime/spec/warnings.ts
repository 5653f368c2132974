/** What is worth telling about a configuration that is carried out nevertheless. */

import { inDocumentOrder, type Fault } from "./fault.js";
import type { Spec } from "./generated/spec-types.js";
import { runRules, subjectOf, type CheckContext } from "./rule.js";
import { capabilityWarnings } from "./rules/capabilities.js";
import { mountWarnings } from "./rules/mounts.js";

/** The warnings for a configuration that `check` found no fault in; to log, never to fail on (runtime.md, "Warnings"). */
export function warningsOf(spec: Spec, context: CheckContext): Fault[] {
  return inDocumentOrder(spec, runRules([capabilityWarnings, mountWarnings], subjectOf(spec, context)));
}
