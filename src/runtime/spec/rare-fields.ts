/** Fields that few configurations have: their rules and their part of the plan are loaded only for those (src/runtime/rare.ts). */

import type { Spec } from "./generated/spec-types.js";

/** What annotations of crun begin with that a runtime acts on (crun-annotations.ts). */
export const CRUN_PREFIX = "run.oci.";
/** What annotations begin with that are properties of systemd's unit (src/runtime/plan/systemd-properties.ts). */
export const SYSTEMD_PREFIX = "org.systemd.property.";

/** Whether a configuration has one of them. */
export function hasRareFields({ process, linux, annotations }: Spec): boolean {
  return (
    hasAnnotation(annotations, CRUN_PREFIX) ||
    (process?.scheduler ??
      process?.ioPriority ??
      process?.execCPUAffinity ??
      linux?.personality ??
      linux?.memoryPolicy ??
      linux?.timeOffsets) !== undefined
  );
}

/** Whether the name of an annotation begins so: most are the managers' own and of no interest. */
export function hasAnnotation(annotations: Spec["annotations"], prefix: string): boolean {
  for (const name in annotations) if (name.startsWith(prefix)) return true;
  return false;
}
