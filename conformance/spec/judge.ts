/**
 * Prints and stores the verdicts; see `judge`. Arguments: the folder with the specification's text, then the arguments of `judge`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { judge, judgePart } from "./verdicts.js";
import type { Outcome } from "../../test/integration/harness/suite.js";
import type { Claim } from "./sentence.js";
import type { Judgement, RuntimeJudgements, Verdict } from "./verdicts.js";

const [folder = "", results = "", target = "", version = ""] = process.argv.slice(2);

function firstLine(text: string): string {
  return (text.split("\n")[0] ?? "").slice(0, 300);
}

const lines = readFileSync(results, "utf8")
  .split("\n")
  .filter((line) => line !== "")
  .map((line) => JSON.parse(line) as Claim | Outcome);
const part = version === "--part";
const judgements = part ? judgePart(folder, lines) : judge(folder, lines);
writeFileSync(target, `${JSON.stringify({ ...(!part && { version }), judgements } satisfies RuntimeJudgements, null, 2)}\n`);

const withVerdict = (verdict: Verdict): Judgement[] => judgements.filter((judgement) => judgement.verdict === verdict);
for (const { key, detail } of withVerdict("untested")) console.log(`not ok ${key}: no test: ${firstLine(detail)}`);
for (const { key, subject, detail } of withVerdict("fail")) console.log(`not ok ${key}: ${subject}\n  ${firstLine(detail)}`);
for (const { key, detail } of withVerdict("skip")) console.log(`skipped ${key}: ${firstLine(detail)}`);
const failed = withVerdict("fail").length + withVerdict("untested").length;
const skipped = withVerdict("skip").length;
console.log(`# ${part ? "" : `${version}: `}${judgements.length} sentences, ${withVerdict("other").length} of them bind others`);
console.log(`${withVerdict("pass").length} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(failed > 0 ? 1 : 0);
