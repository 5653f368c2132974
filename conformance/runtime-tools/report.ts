/**
 * Writes the comparison of runtimes: verdicts.json from the results of the runs in build/, and RUNTIME-TOOLS.md from that.
 * With --check it writes nothing, and fails if a run of tsrunc or tsrunc-node had verdicts that differ from the stored ones, or if the
 * Markdown is out of date.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { guestResults, heading, hostResults, ours, runtimes } from "../results.js";
import { reasons } from "./reasons.js";
import type { RuntimeResults } from "./results.js";
import type { Verdict } from "./verdict.js";

type Outcomes = Record<string, Verdict["outcome"]>;

interface RuntimeVerdicts {
  version: string;
  /** program -> outcome on this host */
  outcomes: Outcomes;
  /** program -> outcome in the guest, for the programs that run there */
  guest: Outcomes;
}

/** runtime -> its verdicts */
type Verdicts = Record<string, RuntimeVerdicts>;

const verdictsFile = "conformance/runtime-tools/verdicts.json";
const tableFile = "conformance/RUNTIME-TOOLS.md";

function outcomesOf(...found: RuntimeResults[]): Outcomes {
  const programs = found.flatMap(({ programs }) => programs).sort((a, b) => a.name.localeCompare(b.name));
  return Object.fromEntries(programs.map(({ name, outcome }) => [name, outcome]));
}

/** Merges the results of the last runs into the stored verdicts. */
function merged(stored: Verdicts): Verdicts {
  const fresh: Verdicts = { ...stored };
  for (const runtime of runtimes) {
    const before = fresh[runtime] ?? { version: "", outcomes: {}, guest: {} };
    const host = hostResults<RuntimeResults>("runtime-tools", runtime);
    const guest = { ...before.guest, ...outcomesOf(...guestResults<RuntimeResults>("runtime-tools", runtime)) };
    if (host) fresh[runtime] = { version: host.version, outcomes: outcomesOf(host), guest };
    else if (stored[runtime]) fresh[runtime] = { ...before, guest };
  }
  return fresh;
}

/** The text of a cell: the guest's verdict if the host lacks what the program needs, else the host's. */
function cell({ outcomes, guest }: RuntimeVerdicts, program: string): string {
  const reason = reasons[program];
  const inGuest = reason?.kind === "host" ? guest[program] : undefined;
  if (inGuest !== undefined) return `${inGuest} (guest)`;
  const found = outcomes[program] ?? "-";
  return found === "pass" && reason !== undefined ? "pass (!)" : found;
}

function table(verdicts: Verdicts): string {
  const columns = runtimes.flatMap((runtime) => {
    const own = verdicts[runtime];
    return own ? [{ title: heading(runtime, own.version), own }] : [];
  });
  const programs = Object.keys(columns[0]?.own.outcomes ?? {}).sort();
  const count = (own: RuntimeVerdicts): number => programs.filter((program) => cell(own, program).startsWith("pass")).length;
  const lines = [
    "# OCI runtime-tools",
    "",
    "Written by `conformance/compare`: the 58 validation programs of [OCI runtime-tools](https://github.com/opencontainers/runtime-tools)",
    "(260e151b8552), run as the [README](README.md) says, on a host with hybrid cgroups, without AppArmor, SELinux and CAP_SYS_RESOURCE.",
    "The last column says why a program cannot pass there: the *host* lacks something, and the verdict is from the guest, a virtual machine",
    "that has it; current *kernels* lack it; the *suite* is wrong, or the *spec* (runtime-spec 1.3.0) demands the contrary. `pass (!)` is an",
    "unexpected pass.",
    "",
    `| program | ${columns.map(({ title }) => title).join(" | ")} | why it cannot pass |`,
    `|---|${columns.map(() => "---|").join("")}---|`,
    ...programs.map((program) => {
      const reason = reasons[program];
      const why = reason === undefined ? "" : `*${reason.kind}*: ${reason.why.replaceAll("|", "\\|")}`;
      return `| ${program} | ${columns.map(({ own }) => cell(own, program)).join(" | ")} | ${why} |`;
    }),
    `| **pass, of ${programs.length}** | ${columns.map(({ own }) => `**${count(own)}**`).join(" | ")} | |`,
  ];
  return `${lines.join("\n")}\n`;
}

/** Describes verdicts on tsrunc and tsrunc-node that differ from the stored ones. */
function changes(stored: Verdicts, fresh: Verdicts): string[] {
  return ours.flatMap((runtime) =>
    (["outcomes", "guest"] as const).flatMap((machine) => {
      const before = stored[runtime]?.[machine] ?? {};
      return Object.entries(fresh[runtime]?.[machine] ?? {})
        .filter(([program, outcome]) => before[program] !== outcome && !reasons[program]?.racy)
        .map(([program, outcome]) => {
          const where = machine === "guest" ? " in the guest" : "";
          return `${runtime}: ${program}: ${outcome}${where}, stored is ${before[program] ?? "nothing"}`;
        });
    }),
  );
}

/** Describes programs that need the guest but have no verdict from it. */
function missingInGuest(stored: Verdicts): string[] {
  const needed = Object.keys(reasons).filter((program) => reasons[program]?.kind === "host");
  return ours.flatMap((runtime) =>
    needed
      .filter((program) => stored[runtime]?.guest[program] === undefined)
      .map((program) => `${runtime}: ${program}: the host cannot show it, and there is no verdict of the guest`),
  );
}

const stored = existsSync(verdictsFile) ? (JSON.parse(readFileSync(verdictsFile, "utf8")) as Verdicts) : {};
if (process.argv.includes("--check")) {
  const found = [...changes(stored, merged(stored)), ...missingInGuest(stored)];
  if (!existsSync(tableFile) || readFileSync(tableFile, "utf8") !== table(stored))
    found.push(`${tableFile} is not what ${verdictsFile} gives`);
  for (const line of found) console.log(`out of date, run conformance/compare: ${line}`);
  process.exitCode = found.length > 0 ? 1 : 0;
} else {
  const verdicts = merged(stored);
  writeFileSync(verdictsFile, `${JSON.stringify(verdicts, null, 2)}\n`);
  writeFileSync(tableFile, table(verdicts));
}
