/**
 * A test of sentences of the specification. What it proves is told in our own words; which sentences those are, by their keys
 * (`document > section > ordinal`, see extract.ts).
 */
import { appendFileSync } from "node:fs";
import { resultsFile } from "../../test/integration/harness/environment.js";
import { test } from "../../test/integration/harness/suite.js";
import type { Context } from "../../test/integration/harness/context.js";

/** A line of the results beside those of suite.ts: which sentences a test is about. */
export interface Claim {
  claim: string;
  keys: string[];
}

/**
 * Declares a test.
 * @param at sections with the ordinals of their sentences: `{ "runtime.md > Delete": [2, 3] }`
 * @param subject what a runtime does that heeds them
 */
export function sentence(at: Readonly<Record<string, readonly number[]>>, subject: string, body: (c: Context) => Promise<void>): void {
  const keys = Object.entries(at).flatMap(([section, ordinals]) => ordinals.map((ordinal) => `${section} > ${ordinal}`));
  const line: Claim = { claim: subject, keys };
  if (resultsFile !== undefined) appendFileSync(resultsFile, `${JSON.stringify(line)}\n`);
  test(subject, body);
}
