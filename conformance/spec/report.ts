/**
 * Writes the comparison of runtimes by the specification: verdicts.json from the results of the runs in build/, and SPECIFICATION.md from
 * that. With --check it writes nothing, and fails if a run of tsrunc or tsrunc-node had verdicts that differ from the stored ones, or if
 * the Markdown is out of date.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { guestResults, heading, hostResults, ours, runtimes } from "../results.js";
import type { Judgement, RuntimeJudgements, Verdict } from "./verdicts.js";

interface SentenceVerdicts {
  key: string;
  keyword: string;
  subject: string;
  /** runtime -> the verdict on this host */
  verdicts: Record<string, Verdict>;
  /** runtime -> the verdict in the guest, for sentences that are tested there */
  guest?: Record<string, Verdict>;
}

interface Verdicts {
  /** runtime -> the first line of `--version` */
  versions: Record<string, string>;
  sentences: SentenceVerdicts[];
}

const verdictsFile = "conformance/spec/verdicts.json";
const tableFile = "conformance/SPECIFICATION.md";
/** The sections that need hardware that neither this host nor the guest has. */
const hardware: readonly string[] = ["config-linux.md > IntelRdt"];
const verdictTexts: Record<Verdict, string> = { pass: "pass", fail: "**fail**", untested: "**no test**", skip: "-", other: "" };

/** Merges the results of the last runs into the stored verdicts. */
function merged(stored: Verdicts): Verdicts {
  const versions = { ...stored.versions };
  const sentences = new Map(stored.sentences.map((sentence) => [sentence.key, sentence]));
  const keys = new Set<string>();
  const put = (machine: "verdicts" | "guest", runtime: string, { key, keyword, subject, verdict }: Judgement): void => {
    const before = sentences.get(key);
    const own = { ...before?.[machine], [runtime]: verdict };
    sentences.set(key, { verdicts: {}, ...before, key, keyword, subject, [machine]: own });
  };
  for (const runtime of runtimes) {
    const host = hostResults<RuntimeJudgements>("spec", runtime);
    if (host?.version !== undefined) versions[runtime] = host.version;
    for (const judgement of host?.judgements ?? []) {
      keys.add(judgement.key);
      put("verdicts", runtime, judgement);
    }
    for (const { judgements } of guestResults<RuntimeJudgements>("spec", runtime))
      for (const judgement of judgements) put("guest", runtime, judgement);
  }
  // Use the order of the last run, which drops sentences that no longer exist.
  const order = keys.size > 0 ? [...keys] : stored.sentences.map(({ key }) => key);
  return { versions, sentences: order.flatMap((key) => sentences.get(key) ?? []) };
}

/** The verdict on a sentence: the guest's if this host skipped it. */
function verdictOf({ verdicts, guest }: SentenceVerdicts, runtime: string): { verdict: Verdict; inGuest: boolean } {
  const verdict = verdicts[runtime] ?? "untested";
  const shown = verdict === "skip" ? guest?.[runtime] : undefined;
  return { verdict: shown ?? verdict, inGuest: shown !== undefined };
}

function cell(sentence: SentenceVerdicts, runtime: string): string {
  const { verdict, inGuest } = verdictOf(sentence, runtime);
  return `${verdictTexts[verdict]}${inGuest ? " (guest)" : ""}`;
}

function table({ versions, sentences }: Verdicts): string {
  const columns = runtimes.filter((runtime) => versions[runtime]);
  const row = (title: string, counted: (found: { verdict: Verdict; inGuest: boolean }) => boolean): string =>
    `| ${title} | ${columns.map((runtime) => sentences.filter((sentence) => counted(verdictOf(sentence, runtime))).length).join(" | ")} |`;
  const lines = [
    "# The specification, sentence by sentence",
    "",
    "Written by `conformance/compare`: every MUST, MUST NOT, SHALL and REQUIRED of the OCI runtime-spec 1.3.0 (runtime, config and features, with",
    "their Linux parts), the behaviour of a runtime that obeys it, in our words, and the verdicts of the tests in conformance/spec on a host with",
    "hybrid cgroups. If this host lacks something, the verdict is from the guest, a virtual machine with pure cgroup v2 and a disk on BFQ. `-`",
    "means that neither has it (resctrl needs a suitable processor), or that the runtime lacks an optional feature. A sentence in italics",
    "binds somebody else. The [README](README.md) says how to run the tests and how they are counted.",
    "",
    `| | ${columns.map((runtime) => heading(runtime, versions[runtime])).join(" | ")} |`,
    `|---|${columns.map(() => "---|").join("")}`,
    row("pass", ({ verdict, inGuest }) => verdict === "pass" && !inGuest),
    row("pass in the guest", ({ verdict, inGuest }) => verdict === "pass" && inGuest),
    row("fail", ({ verdict }) => verdict === "fail" || verdict === "untested"),
    row("skipped", ({ verdict }) => verdict === "skip"),
    row("bind somebody else", ({ verdict }) => verdict === "other"),
  ];
  let section = "";
  for (const sentence of sentences) {
    const { key, keyword, subject, verdicts } = sentence;
    const parts = key.split(" > ");
    const at = parts.slice(0, -1).join(", ");
    if (at !== section) {
      section = at;
      lines.push("", `## ${at}`, "", `| | | subject | ${columns.join(" | ")} |`, `|---|---|---|${columns.map(() => "---|").join("")}`);
    }
    const binds = Object.values(verdicts).includes("other");
    const text = subject.replaceAll("|", "\\|");
    const cells = columns.map((runtime) => cell(sentence, runtime)).join(" | ");
    lines.push(`| ${parts.at(-1)} | ${keyword} | ${binds ? `*binds ${text}*` : text} | ${cells} |`);
  }
  return `${lines.join("\n")}\n`;
}

/** Describes verdicts on tsrunc and tsrunc-node that differ from the stored ones. */
function changes(stored: Verdicts, fresh: Verdicts): string[] {
  const before = new Map(stored.sentences.map((sentence) => [sentence.key, sentence]));
  return fresh.sentences.flatMap((sentence) => {
    const { key, subject } = sentence;
    const old = before.get(key);
    return (["verdicts", "guest"] as const).flatMap((machine) =>
      ours
        .filter((runtime) => old?.[machine]?.[runtime] !== sentence[machine]?.[runtime] || old?.subject !== subject)
        .map((runtime) => {
          const where = machine === "guest" ? " in the guest" : "";
          return `${runtime}: ${key}: ${sentence[machine]?.[runtime]}${where}, stored is ${old?.[machine]?.[runtime] ?? "nothing"}`;
        }),
    );
  });
}

/** Describes sentences that this host skipped and that have no verdict from the guest. */
function missingInGuest({ sentences }: Verdicts): string[] {
  const due = sentences.filter(({ key }) => !hardware.includes(key.replace(/ > \d+$/, "")));
  return ours.flatMap((runtime) =>
    due
      .filter((sentence) => verdictOf(sentence, runtime).verdict === "skip")
      .map(({ key }) => `${runtime}: ${key}: the host cannot show it, and there is no verdict of the guest`),
  );
}

const noVerdicts: Verdicts = { versions: {}, sentences: [] };
const stored = existsSync(verdictsFile) ? (JSON.parse(readFileSync(verdictsFile, "utf8")) as Verdicts) : noVerdicts;
const fresh = merged(stored);
if (process.argv.includes("--check")) {
  const found = [...changes(stored, fresh), ...missingInGuest(stored)];
  if (!existsSync(tableFile) || readFileSync(tableFile, "utf8") !== table(stored))
    found.push(`${tableFile} is not what ${verdictsFile} gives`);
  for (const line of found) console.log(`out of date, run conformance/compare: ${line}`);
  process.exitCode = found.length > 0 ? 1 : 0;
} else {
  writeFileSync(verdictsFile, `${JSON.stringify(fresh, null, 2)}\n`);
  writeFileSync(tableFile, table(fresh));
}
