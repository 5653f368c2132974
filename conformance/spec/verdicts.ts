/**
 * Computes the verdict on each sentence of the specification from the tests' outcomes and from bindings.ts.
 */
import { bindings } from "./bindings.js";
import { allSentences } from "./extract.js";
import type { Outcome } from "../../test/integration/harness/suite.js";
import type { Sentence } from "./extract.js";
import type { Claim } from "./sentence.js";

export type Verdict =
  /** All of its tests passed. */
  | "pass"
  /** At least one of its tests failed. */
  | "fail"
  /** It has no test. */
  | "untested"
  /** A test was skipped, because this host lacks something. */
  | "skip"
  /** It does not bind the runtime (bindings.ts). */
  | "other";

export interface Judgement {
  key: string;
  keyword: string;
  /** The titles of its tests; or whom the sentence binds. */
  subject: string;
  verdict: Verdict;
  /** The reason for a failure or skip. */
  detail: string;
}

/** build/conformance/spec/<runtime>.json, and for the guest build/conformance/guest/<boot>/spec/<runtime>.json */
export interface RuntimeJudgements {
  /** The first line of `--version`; undefined after a partial run. */
  version?: string;
  judgements: Judgement[];
}

/** The harness's error (suite.ts) if the test itself passed, but the runtime left something on the host. */
const leak = "the test left something behind";

/** Leaks in any test violate these sentences. They do not count against the sentences that the test is about. */
const leakSentences = ["runtime.md > Errors > 1", "runtime.md > Lifecycle > 17", "runtime.md > Delete > 4"];

interface Found {
  /** sentence -> the titles of its tests */
  claims: ReadonlyMap<string, string[]>;
  /** title -> outcome of the test, if it has run */
  outcomes: ReadonlyMap<string, Outcome>;
  leaks: string[];
}

function read(lines: readonly (Claim | Outcome)[]): Found {
  const claims = new Map<string, string[]>();
  const outcomes = new Map<string, Outcome>();
  for (const line of lines) {
    if ("claim" in line) for (const key of line.keys) claims.set(key, [...(claims.get(key) ?? []), line.claim]);
    else outcomes.set(line.name, line.detail.startsWith(leak) ? { ...line, outcome: "pass" } : line);
  }
  const leaks = lines.flatMap((line) => ("claim" in line || !line.detail.startsWith(leak) ? [] : [`${line.name}: ${line.detail}`]));
  return { claims, outcomes, leaks };
}

/**
 * @param folder the folder with the specification's text
 * @param lines the tests' results: claims and outcomes
 * @throws if a test or a binding names an unknown sentence, or both name the same one
 */
export function judge(folder: string, lines: readonly (Claim | Outcome)[]): Judgement[] {
  const sentences = allSentences(folder);
  const { claims, outcomes, leaks } = read(lines);
  const known = new Set(sentences.map(({ key }) => key));
  for (const key of [...claims.keys(), ...Object.keys(bindings)]) {
    if (!known.has(key)) throw new Error(`no sentence "${key}" in the specification`);
    if (claims.has(key) && key in bindings) throw new Error(`sentence "${key}" has a test and binds somebody else`);
  }
  return sentences.map((sentence) => {
    const judgement = judgeOne(sentence, claims.get(sentence.key) ?? [], outcomes);
    const [first] = leakSentences.includes(sentence.key) ? leaks : [];
    return first !== undefined && judgement.verdict === "pass" ? { ...judgement, verdict: "fail", detail: first } : judgement;
  });
}

/** Judges a partial run: returns the verdicts only on sentences whose tests have all run. */
export function judgePart(folder: string, lines: readonly (Claim | Outcome)[]): Judgement[] {
  const { claims, outcomes } = read(lines);
  return judge(folder, lines).filter(({ key }) => claims.get(key)?.every((subject) => outcomes.has(subject)));
}

function judgeOne({ key, keyword, line }: Sentence, subjects: readonly string[], outcomes: ReadonlyMap<string, Outcome>): Judgement {
  const bound = bindings[key];
  if (bound !== undefined) return { key, keyword, subject: bound, verdict: "other", detail: "" };
  if (subjects.length === 0) return { key, keyword, subject: "", verdict: "untested", detail: line };
  const found = subjects.map((subject) => outcomes.get(subject));
  const base = { key, keyword, subject: subjects.join("; ") };
  const missing = found.findIndex((outcome) => outcome === undefined);
  if (missing >= 0) return { ...base, verdict: "fail", detail: `the test "${subjects[missing]}" has not run` };
  const failed = found.find((outcome) => outcome?.outcome === "fail");
  if (failed) return { ...base, verdict: "fail", detail: failed.detail };
  const skipped = found.find((outcome) => outcome?.outcome === "skip");
  return skipped ? { ...base, verdict: "skip", detail: skipped.detail } : { ...base, verdict: "pass", detail: "" };
}
