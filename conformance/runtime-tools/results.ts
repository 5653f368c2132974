/**
 * What a run of the suite leaves for the comparison: one entry for each program, sorted by name.
 */
import type { Verdict } from "./verdict.ts";

export interface ProgramResult extends Verdict {
  name: string;
  /** It passed where reasons.ts expects a failure, or the other way round. */
  unexpected: boolean;
  seconds: number;
}
