/** Fields that few configurations have: their rules and their part of the plan are loaded only for those (src/runtime/rare.ts). */

import type { Spec } from "./generated/spec-types.js";

/** Prefix of crun's annotations (crun-annotations.ts). */
export const CRUN_PREFIX = "run.oci.";
/** Prefix of annotations that are properties of the systemd unit (src/runtime/plan/systemd-annotations.ts). */
export const SYSTEMD_PREFIX = "org.systemd.property.";

/** Whether a configuration has a rare field. */
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

/** Whether an annotation has the prefix. Most annotations are the managers' own. */
export function hasAnnotation(annotations: Spec["annotations"], prefix: string): boolean {
  for (const name in annotations) if (name.startsWith(prefix)) return true;
  return false;
}
