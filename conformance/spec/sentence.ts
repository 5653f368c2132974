/**
 * Declares tests of the specification's sentences. A test has a title in our own words, and the keys of the sentences that it tests
 * (`document > section > ordinal`, see extract.ts).
 */
import { appendFileSync } from "node:fs";
import { resultsFile } from "../../test/integration/harness/environment.js";
import { test } from "../../test/integration/harness/suite.js";
import type { Context } from "../../test/integration/harness/context.js";

/** A line of the results file, beside those from suite.ts: which sentences a test is about. */
export interface Claim {
  claim: string;
  keys: string[];
}

/**
 * Declares a test.
 * @param at the sentences, as ordinals by section: `{ "runtime.md > Delete": [2, 3] }`
 * @param subject the behaviour of a runtime that obeys them; the title of the test
 */
export function sentence(at: Readonly<Record<string, readonly number[]>>, subject: string, body: (c: Context) => Promise<void>): void {
  const keys = Object.entries(at).flatMap(([section, ordinals]) => ordinals.map((ordinal) => `${section} > ${ordinal}`));
  const line: Claim = { claim: subject, keys };
  if (resultsFile !== undefined) appendFileSync(resultsFile, `${JSON.stringify(line)}\n`);
  test(subject, body);
}
