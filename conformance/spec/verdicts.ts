/**
 * The verdict on each sentence of the specification, from what the tests did and from what binds others.
 */
import { bindings } from "./bindings.js";
import { allSentences } from "./extract.js";
import type { Outcome } from "../../test/integration/harness/suite.js";
import type { Sentence } from "./extract.js";
import type { Claim } from "./sentence.js";

export type Verdict =
  /** All its tests passed; one failed; no test is about it; its tests need a host of another kind. */
  | "pass"
  | "fail"
  | "untested"
  | "skip"
  /** It binds somebody else. */
  | "other";

export interface Judgement {
  key: string;
  keyword: string;
  /** What the tests prove, in our words; or whom the sentence binds. */
  subject: string;
  verdict: Verdict;
  /** Why it failed or was skipped. */
  detail: string;
}

/** build/conformance/spec/<runtime>.json, and for the guest build/conformance/guest/<boot>/spec/<runtime>.json */
export interface RuntimeJudgements {
  /** The first line of `--version`, of a whole run. */
  version?: string;
  judgements: Judgement[];
}

/** What the harness says of a test that was right but for something that the runtime left on the host. */
const leak = "the test left something behind";

/** What is left behind by any test is against these sentences, and not against those that the test is about. */
const tidiness = ["runtime.md > Errors > 1", "runtime.md > Lifecycle > 17", "runtime.md > Delete > 4"];

interface Found {
  /** sentence -> the subjects of its tests */
  claims: ReadonlyMap<string, string[]>;
  /** subject -> how its test went, if it has run */
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
 * @param folder the specification's text
 * @param lines what the tests wrote: claims and outcomes
 * @throws where a test or a binding names a sentence that is not there, or both name one
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
    const [first] = tidiness.includes(sentence.key) ? leaks : [];
    return first !== undefined && judgement.verdict === "pass" ? { ...judgement, verdict: "fail", detail: first } : judgement;
  });
}

/** The same of a run of some tests: the verdicts on the sentences all of whose tests have run. */
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
