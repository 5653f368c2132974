/**
 * Runs the validation programs and prints the table of verdicts; see `execute`. Arguments: the programs, default all.
 */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { spawnSync } from "node:child_process";
import { path, start } from "../../test/integration/harness/execute.js";
import { deleteContainers, removeCgroups, removeFolder } from "./leftovers.js";
import { attemptsAtRaces, races, reasons } from "./reasons.js";
import { verdictOf } from "./verdict.js";
import type { Reason } from "./reasons.js";
import type { ProgramResult, RuntimeResults } from "./results.js";

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: start this with conformance/runtime-tools/execute`);
  return value;
}

const runtime = required("RUNTIME");
const suite = required("SUITE");
const work = required("WORK");
const results = process.env["RESULTS"];
const guest = process.env["GUEST"] === "1";
const temporary = `${work}/tmp`;
const programLimitSeconds = 90;

/** The reason why a program cannot pass on this machine, if there is one. */
function reasonOf(name: string): Reason | undefined {
  const reason = reasons[name];
  return guest && reason?.kind === "host" ? undefined : reason;
}

async function runProgram(name: string): Promise<ProgramResult> {
  const attempts = name in races ? attemptsAtRaces : 1;
  for (let attempt = 1; ; attempt++) {
    const result = await attemptProgram(name, attempt);
    if (result.outcome === "pass" || attempt === attempts) return result;
  }
}

async function attemptProgram(name: string, attempt: number): Promise<ProgramResult> {
  const began = Date.now();
  const started = await start(`${suite}/bin/${name}`, [], {
    output: `${work}/${name}-${attempt}`,
    cwd: suite,
    timeoutSeconds: programLimitSeconds,
    env: { PATH: path, HOME: "/root", TMPDIR: temporary, RUNTIME: runtime },
  });
  const verdict = verdictOf(await started.wait());
  const expected = reasonOf(name);
  const unexpected = (verdict.outcome === "pass") === (expected !== undefined) && !expected?.racy;
  return { name, ...verdict, unexpected, seconds: (Date.now() - began) / 1000 };
}

/**
 * Runs the programs in parallel, because they spend most of the time waiting. Programs that use the same cgroup run one after another, and
 * racy ones at the end, when the machine is idle. The slowest start first, so that no lane has to wait for one of them.
 */
async function runAll(names: string[]): Promise<ProgramResult[]> {
  const done: ProgramResult[] = [];
  const lane = async (queue: string[]): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) done.push(await runProgram(name));
  };
  const oneCgroup = names.filter((name) => /^linux_cgroups_|^delete_(only_create_)?resources$/.test(name));
  const racing = names.filter((name) => name in races);
  const slow = ["delete", "kill", "pidfile"];
  const others = names.filter((name) => !oneCgroup.includes(name) && !racing.includes(name));
  others.sort((a, b) => Number(slow.includes(b)) - Number(slow.includes(a)));
  await Promise.all([lane(oneCgroup), lane(others), lane(others), lane(others)]);
  await lane(racing);
  return done.sort((a, b) => a.name.localeCompare(b.name));
}

function print({ name, outcome, detail, unexpected, seconds }: ProgramResult): void {
  const reason = reasonOf(name);
  const time = `${seconds.toFixed(1)} s`.padStart(6);
  const expectation = reason === undefined ? "" : `  (expected to fail: ${reason.kind}: ${reason.why})`;
  console.log(`${unexpected ? "UNEXPECTED " : ""}${outcome.padEnd(4)} ${time}  ${name}${detail === "" ? "" : `: ${detail}`}${expectation}`);
}

mkdirSync(temporary, { mode: 0o755 });
const all = readdirSync(`${suite}/bin`).sort();
const selected = process.argv.length > 2 ? process.argv.slice(2) : all;
// The guest has only a part of the programs.
const unknown = [...selected, ...(guest ? [] : Object.keys(reasons))].filter((name) => !all.includes(name));
if (unknown.length > 0) throw new Error(`no such validation program: ${unknown.join(", ")}`);
const began = Date.now();
const done = await runAll(selected);
deleteContainers(runtime);
removeFolder(temporary);
const left = removeCgroups();

for (const result of done) print(result);
for (const cgroup of left) console.log(`UNEXPECTED cgroup left that cannot be removed: ${cgroup}`);
if (results !== undefined) {
  const version = spawnSync(runtime, ["--version"], { encoding: "utf8" }).stdout.split("\n")[0] ?? "";
  const found: RuntimeResults = { version, programs: done };
  writeFileSync(results, `${JSON.stringify(found, null, 2)}\n`);
}
const passed = done.filter(({ outcome }) => outcome === "pass").length;
const failed = done.filter(({ unexpected }) => unexpected).length + left.length;
console.log(`# ${basename(runtime)}: ${passed} of ${done.length} validation programs pass, ${((Date.now() - began) / 1000).toFixed(0)} s`);
console.log(`${done.length - failed + left.length} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
