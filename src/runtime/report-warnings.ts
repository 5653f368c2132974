/** Passes warnings to the caller of the library. */

import type { RuntimeContext } from "./container/context.js";
import type { Warning } from "./generated/plan.js";
import type { PlanFindings } from "./plan/findings.js";
import type { Spec } from "./spec/generated/spec-types.js";
import { warningsOf } from "./warnings.js";

/** Logs the warnings about a configuration (runtime.md#warnings). */
export function warnOf(context: RuntimeContext, spec: Spec, findings: PlanFindings): void {
  warn(context, warningsOf(spec, findings));
}

/** Logs each warning as one message. */
export function warn(context: RuntimeContext, warnings: readonly Warning[]): void {
  for (const warning of warnings) context.log("warning", `config.json: ${warning.pointer}: ${warning.message}`, warning);
}
