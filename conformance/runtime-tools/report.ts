/**
 * Writes the comparison of runtimes: verdicts.json from the results of the runs in build/, and RUNTIME-TOOLS.md from that.
 * With --check it writes nothing, and fails where a run of one of our hosts had other verdicts than those stored, or where the
 * Markdown is out of date.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { reasons } from "./reasons.ts";
import type { RuntimeResults } from "./results.ts";
import type { Verdict } from "./verdict.ts";

/** runtime -> its version and the outcome of each program */
type Verdicts = Record<string, { version: string; outcomes: Record<string, Verdict["outcome"]> }>;

const results = "build/conformance/runtime-tools";
const verdictsFile = "conformance/runtime-tools/verdicts.json";
const tableFile = "conformance/RUNTIME-TOOLS.md";
const ours = ["tsrunc", "tsrunc-node"];
const runtimes = [...ours, "runc", "crun"];

function freshVerdicts(): Verdicts {
  const fresh: Verdicts = {};
  for (const runtime of runtimes) {
    const file = `${results}/${runtime}.json`;
    if (!existsSync(file)) continue;
    const { version, programs } = JSON.parse(readFileSync(file, "utf8")) as RuntimeResults;
    fresh[runtime] = { version, outcomes: Object.fromEntries(programs.map(({ name, outcome }) => [name, outcome])) };
  }
  return fresh;
}

/** The version of our own hosts changes with every release, which says nothing about the verdicts. */
function heading(verdicts: Verdicts, runtime: string): string {
  return ours.includes(runtime) ? runtime : (verdicts[runtime]?.version.replace(" version ", " ").split("+")[0] ?? runtime);
}

function table(verdicts: Verdicts): string {
  const columns = runtimes.filter((runtime) => verdicts[runtime]);
  const programs = Object.keys(verdicts[columns[0] ?? ""]?.outcomes ?? {}).sort();
  const outcome = (runtime: string, program: string): string => {
    const found = verdicts[runtime]?.outcomes[program] ?? "-";
    return found === "pass" && reasons[program] !== undefined ? "pass (!)" : found;
  };
  const count = (runtime: string): string => `${programs.filter((program) => verdicts[runtime]?.outcomes[program] === "pass").length}`;
  const lines = [
    "# OCI runtime-tools",
    "",
    "Written by `conformance/compare`: the 58 validation programs of [OCI runtime-tools](https://github.com/opencontainers/runtime-tools)",
    "(260e151b8552), run as the [README](README.md) says, on a host with hybrid cgroups, without AppArmor, SELinux and CAP_SYS_RESOURCE.",
    "What cannot pass has a reason: the *host* lacks something, the *suite* is wrong, or the *spec* (runtime-spec 1.3.0) demands the contrary.",
    "`pass (!)` is a pass in spite of that.",
    "",
    `| program | ${columns.map((runtime) => heading(verdicts, runtime)).join(" | ")} | why it cannot pass |`,
    `|---|${columns.map(() => "---|").join("")}---|`,
    ...programs.map((program) => {
      const reason = reasons[program];
      const why = reason === undefined ? "" : `*${reason.kind}*: ${reason.why.replaceAll("|", "\\|")}`;
      return `| ${program} | ${columns.map((runtime) => outcome(runtime, program)).join(" | ")} | ${why} |`;
    }),
    `| **pass, of ${programs.length}** | ${columns.map((runtime) => `**${count(runtime)}**`).join(" | ")} | |`,
  ];
  return `${lines.join("\n")}\n`;
}

/** What a run of our hosts found otherwise than is stored. */
function changes(stored: Verdicts, fresh: Verdicts): string[] {
  return ours.flatMap((runtime) =>
    Object.entries(fresh[runtime]?.outcomes ?? {})
      .filter(([program, outcome]) => stored[runtime]?.outcomes[program] !== outcome && !reasons[program]?.racy)
      .map(([program, outcome]) => `${runtime}: ${program}: ${outcome}, stored is ${stored[runtime]?.outcomes[program] ?? "nothing"}`),
  );
}

const stored = existsSync(verdictsFile) ? (JSON.parse(readFileSync(verdictsFile, "utf8")) as Verdicts) : {};
if (process.argv.includes("--check")) {
  const found = changes(stored, freshVerdicts());
  if (!existsSync(tableFile) || readFileSync(tableFile, "utf8") !== table(stored))
    found.push(`${tableFile} is not what ${verdictsFile} gives`);
  for (const line of found) console.log(`out of date, run conformance/compare: ${line}`);
  process.exitCode = found.length > 0 ? 1 : 0;
} else {
  const verdicts = { ...stored, ...freshVerdicts() };
  writeFileSync(verdictsFile, `${JSON.stringify(verdicts, null, 2)}\n`);
  writeFileSync(tableFile, table(verdicts));
}
