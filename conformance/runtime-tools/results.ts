/**
 * The results of a run, which the comparison reads.
 */
import type { Verdict } from "./verdict.js";

export interface ProgramResult extends Verdict {
  name: string;
  /** It passed although reasons.ts expects a failure, or failed although no reason is listed. */
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
