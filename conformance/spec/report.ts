/**
 * Writes the comparison of runtimes by the specification: verdicts.json from the results of the runs in build/, and SPECIFICATION.md from
 * that. With --check it writes nothing, and fails where a run of one of our hosts had other verdicts than those stored, or where the
 * Markdown is out of date.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { RuntimeJudgements, Verdict } from "./verdicts.ts";

interface Verdicts {
  /** runtime -> the first line of `--version` */
  versions: Record<string, string>;
  sentences: { key: string; keyword: string; subject: string; verdicts: Record<string, Verdict> }[];
}

const results = "build/conformance/spec";
const verdictsFile = "conformance/spec/verdicts.json";
const tableFile = "conformance/SPECIFICATION.md";
const ours = ["tsrunc", "tsrunc-node"];
const runtimes = [...ours, "runc", "crun"];
const words: Record<Verdict, string> = { pass: "pass", fail: "**fail**", untested: "**no test**", skip: "-", other: "" };

function merged(stored: Verdicts): Verdicts {
  const versions = { ...stored.versions };
  const sentences = new Map(stored.sentences.map((sentence) => [sentence.key, sentence]));
  const keys = new Set<string>();
  for (const runtime of runtimes) {
    const file = `${results}/${runtime}.json`;
    if (!existsSync(file)) continue;
    const { version, judgements } = JSON.parse(readFileSync(file, "utf8")) as RuntimeJudgements;
    versions[runtime] = version;
    for (const { key, keyword, subject, verdict } of judgements) {
      keys.add(key);
      sentences.set(key, { key, keyword, subject, verdicts: { ...sentences.get(key)?.verdicts, [runtime]: verdict } });
    }
  }
  // In the order of the last run, without sentences that are gone.
  return { versions, sentences: [...keys].flatMap((key) => sentences.get(key) ?? []) };
}

function heading(versions: Record<string, string>, runtime: string): string {
  return ours.includes(runtime) ? runtime : (versions[runtime]?.replace(" version ", " ").split("+")[0] ?? runtime);
}

function table({ versions, sentences }: Verdicts): string {
  const columns = runtimes.filter((runtime) => versions[runtime]);
  const count = (runtime: string, ...wanted: Verdict[]): number =>
    sentences.filter(({ verdicts }) => wanted.includes(verdicts[runtime] ?? "untested")).length;
  const lines = [
    "# The specification, sentence by sentence",
    "",
    "Written by `conformance/compare`: every MUST, MUST NOT, SHALL and REQUIRED of the OCI runtime-spec 1.3.0 (runtime, config and features, with",
    "their Linux parts), what a runtime does that heeds it, in our words, and the verdicts of the tests in conformance/spec on a host with",
    "hybrid cgroups, without resctrl. `-` is what this host cannot show; a sentence in italics binds somebody else. How it is run and counted:",
    "[README](README.md).",
    "",
    `| | ${columns.map((runtime) => heading(versions, runtime)).join(" | ")} |`,
    `|---|${columns.map(() => "---|").join("")}`,
    `| pass | ${columns.map((runtime) => count(runtime, "pass")).join(" | ")} |`,
    `| fail | ${columns.map((runtime) => count(runtime, "fail", "untested")).join(" | ")} |`,
    `| not shown by this host | ${columns.map((runtime) => count(runtime, "skip")).join(" | ")} |`,
    `| bind somebody else | ${columns.map((runtime) => count(runtime, "other")).join(" | ")} |`,
  ];
  let section = "";
  for (const { key, keyword, subject, verdicts } of sentences) {
    const parts = key.split(" > ");
    const at = parts.slice(0, -1).join(", ");
    if (at !== section) {
      section = at;
      lines.push("", `## ${at}`, "", `| | | subject | ${columns.join(" | ")} |`, `|---|---|---|${columns.map(() => "---|").join("")}`);
    }
    const binds = Object.values(verdicts).includes("other");
    const text = subject.replaceAll("|", "\\|");
    const cells = columns.map((runtime) => words[verdicts[runtime] ?? "untested"]).join(" | ");
    lines.push(`| ${parts.at(-1)} | ${keyword} | ${binds ? `*binds ${text}*` : text} | ${cells} |`);
  }
  return `${lines.join("\n")}\n`;
}

/** What a run of our hosts found otherwise than is stored. */
function changes(stored: Verdicts, fresh: Verdicts): string[] {
  const before = new Map(stored.sentences.map((sentence) => [sentence.key, sentence]));
  return fresh.sentences.flatMap(({ key, subject, verdicts }) =>
    ours
      .filter((runtime) => before.get(key)?.verdicts[runtime] !== verdicts[runtime] || before.get(key)?.subject !== subject)
      .map((runtime) => `${runtime}: ${key}: ${verdicts[runtime]}, stored is ${before.get(key)?.verdicts[runtime] ?? "nothing"}`),
  );
}

const nothing: Verdicts = { versions: {}, sentences: [] };
const stored = existsSync(verdictsFile) ? (JSON.parse(readFileSync(verdictsFile, "utf8")) as Verdicts) : nothing;
const fresh = merged(stored);
if (process.argv.includes("--check")) {
  const found = changes(stored, fresh);
  if (!existsSync(tableFile) || readFileSync(tableFile, "utf8") !== table(stored))
    found.push(`${tableFile} is not what ${verdictsFile} gives`);
  for (const line of found) console.log(`out of date, run conformance/compare: ${line}`);
  process.exitCode = found.length > 0 ? 1 : 0;
} else {
  writeFileSync(verdictsFile, `${JSON.stringify(fresh, null, 2)}\n`);
  writeFileSync(tableFile, table(fresh));
}
