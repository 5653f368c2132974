/** Fields that few configurations have: their rules and their part of the plan are loaded only for those (src/runtime/rare.ts). */

import type { Spec } from "./generated/spec-types.js";

/** Whether a configuration has one of them. */
export function hasRareFields({ process, linux }: Spec): boolean {
  return (
    (process?.scheduler ??
      process?.ioPriority ??
      process?.execCPUAffinity ??
      linux?.personality ??
      linux?.memoryPolicy ??
      linux?.timeOffsets) !== undefined
  );
}
