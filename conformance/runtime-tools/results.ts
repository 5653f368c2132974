/**
 * What a run of the suite leaves for the comparison.
 */
import type { Verdict } from "./verdict.js";

export interface ProgramResult extends Verdict {
  name: string;
  /** It passed where reasons.ts expects a failure, or the other way round. */
  unexpected: boolean;
  seconds: number;
}

/** build/conformance/runtime-tools/<runtime>.json, and for the guest build/conformance/guest/<boot>/runtime-tools/<runtime>.json */
export interface RuntimeResults {
  /** The first line of `--version`. */
  version: string;
  /** Sorted by name. */
  programs: ProgramResult[];
}
