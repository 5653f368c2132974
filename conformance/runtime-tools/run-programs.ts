/**
 * Runs the validation programs and prints the table of verdicts; see `run`. Arguments: programs, all when none is named.
 */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { path, start } from "../../test/integration/harness/execute.ts";
import { deleteContainers, removeCgroups, removeFolder } from "./leftovers.ts";
import { reasons } from "./reasons.ts";
import { verdictOf } from "./verdict.ts";
import type { ProgramResult } from "./results.ts";

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: start this with conformance/runtime-tools/run`);
  return value;
}

const runtime = required("RUNTIME");
const suite = required("SUITE");
const work = required("WORK");
const results = required("RESULTS");
const temporary = `${work}/tmp`;
const programLimitSeconds = 90;

async function runProgram(name: string): Promise<ProgramResult> {
  const began = Date.now();
  const started = await start(`${suite}/bin/${name}`, [], {
    output: `${work}/${name}`,
    cwd: suite,
    timeoutSeconds: programLimitSeconds,
    env: { PATH: path, HOME: "/root", TMPDIR: temporary, RUNTIME: runtime },
  });
  const verdict = verdictOf(await started.wait());
  const expected = reasons[name];
  const unexpected = (verdict.outcome === "pass") === (expected !== undefined);
  return { name, ...verdict, unexpected, seconds: (Date.now() - began) / 1000 };
}

/** The programs mostly wait, so they run side by side; those about cgroups share the names of cgroups, so they do not. */
async function runAll(names: string[]): Promise<ProgramResult[]> {
  const done: ProgramResult[] = [];
  const lane = async (queue: string[]): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) done.push(await runProgram(name));
  };
  const cgroups = names.filter((name) => name.startsWith("linux_cgroups_"));
  // The slowest first, so that no lane is left waiting for one of them.
  const slow = ["delete", "kill", "pidfile"];
  const others = names.filter((name) => !cgroups.includes(name)).sort((a, b) => Number(slow.includes(b)) - Number(slow.includes(a)));
  await Promise.all([lane(cgroups), lane(others), lane(others)]);
  return done.sort((a, b) => a.name.localeCompare(b.name));
}

function print({ name, outcome, detail, unexpected, seconds }: ProgramResult): void {
  const reason = reasons[name];
  const time = `${seconds.toFixed(1)} s`.padStart(6);
  const expectation = reason === undefined ? "" : `  (expected to fail: ${reason.kind}: ${reason.why})`;
  console.log(`${unexpected ? "UNEXPECTED " : ""}${outcome.padEnd(4)} ${time}  ${name}${detail === "" ? "" : `: ${detail}`}${expectation}`);
}

mkdirSync(temporary, { mode: 0o755 });
const all = readdirSync(`${suite}/bin`).sort();
const wanted = process.argv.length > 2 ? process.argv.slice(2) : all;
const unknown = [...wanted, ...Object.keys(reasons)].filter((name) => !all.includes(name));
if (unknown.length > 0) throw new Error(`no such validation program: ${unknown.join(", ")}`);
const began = Date.now();
const done = await runAll(wanted);
deleteContainers(runtime);
removeFolder(temporary);
const left = removeCgroups();

for (const result of done) print(result);
for (const cgroup of left) console.log(`UNEXPECTED cgroup left that cannot be removed: ${cgroup}`);
if (wanted === all || wanted.length === all.length) {
  writeFileSync(`${results}/${basename(runtime)}.json`, `${JSON.stringify(done, null, 2)}\n`);
}
const passed = done.filter(({ outcome }) => outcome === "pass").length;
const failed = done.filter(({ unexpected }) => unexpected).length + left.length;
console.log(`# ${basename(runtime)}: ${passed} of ${done.length} validation programs pass, ${((Date.now() - began) / 1000).toFixed(0)} s`);
console.log(`${done.length - failed + left.length} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
