/**
 * Declares a test: runs it with a fresh context, proves that it left nothing behind, cleans up if it did, and weighs the outcome
 * against the known differences of the runtime. Assertions throw; tap only counts and prints.
 */
import t from "tap";
import { appendFileSync, existsSync, readdirSync, rmSync, rmdirSync } from "node:fs";
import { basename } from "node:path";
import { spawnSync } from "node:child_process";
import { Context, Skip } from "./context.js";
import { cgroupMode } from "./cgroups.js";
import type { CgroupMode } from "./cgroups.js";
import { differences, settledDifferences, snapshot } from "./leaks.js";
import { isTsrunc, resultsFile, slowness } from "./environment.js";
import { loadExpected } from "./expected.js";
import type { Snapshot } from "./leaks.js";

const file = basename(process.argv[1] ?? "").replace(/\.test\.mjs$/, "");
const expected = loadExpected();
/** Parts of the names of the tests to run; undefined runs all. */
const only = process.env["TSRUNC_TEST_ONLY"]?.split("\n");
const slowMilliseconds = 120_000 * slowness;

/** A test is run on another runtime to show that it can pass, and there it races now and then. On ours it must pass each time. */
const tries = isTsrunc ? 1 : Number(process.env["TSRUNC_TEST_TRIES"] ?? (resultsFile === undefined ? 3 : 1));

/** What tsrunc keeps in --root between containers. */
const kept = "#seccomp";

/** State left in --root, and files left in TMPDIR. A lock file or an empty folder is no container. */
function leftFiles(context: Context): string[] {
  const found: string[] = [];
  if (existsSync(context.root))
    for (const name of readdirSync(context.root)) if (!name.startsWith(".") && name !== kept) found.push(`state left: ${name}`);
  for (const name of readdirSync(context.temporary)) found.push(`temporary file left: ${name}`);
  return found;
}

/** Takes back what a test left, so that the next one starts clean. */
async function clean(before: Snapshot): Promise<void> {
  for (let round = 0; round < 5; round++) {
    const after = snapshot();
    for (const pid of after.processes.keys()) if (!before.processes.has(pid)) killProcess(pid);
    const mounts = [...after.mounts].filter(([id]) => !before.mounts.has(id)).map(([, line]) => line.split(" ")[4] ?? "");
    for (const target of mounts.reverse()) spawnSync("umount", ["-l", target.replaceAll("\\040", " ")]);
    const cgroups = [...after.cgroups].filter((cgroup) => !before.cgroups.has(cgroup)).sort((a, b) => b.length - a.length);
    for (const cgroup of cgroups) removeCgroup(cgroup);
    if (differences(before, snapshot()).length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it ended by itself
  }
}

function removeCgroup(cgroup: string): void {
  try {
    rmdirSync(cgroup);
  } catch {
    // busy until its processes are reaped: the next round tries again
  }
}

function removeDirectory(context: Context): void {
  // After a failure a mount may be left below: never remove through it.
  const mounted = [...snapshot().mounts.values()].some((line) => line.split(" ")[4]?.startsWith(`${context.directory}/`));
  if (!mounted) rmSync(context.directory, { recursive: true, force: true });
}

/** The message and where in the test file it arose. */
function inWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const places = (error.stack ?? "").split("\n").filter((line) => /^ +at .*\.test\.ts:/.test(line));
  return [error.message, ...places].join("\n");
}

function timeLimit(): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`the test took longer than ${slowMilliseconds / 1000} s`)), slowMilliseconds).unref();
  });
}

/** A context and the state of the host before it. */
class Trial {
  readonly before = snapshot();
  readonly context = new Context();

  /** Runs what was deferred, compares the host with before and cleans up. Returns the errors. */
  async finish(): Promise<unknown[]> {
    const errors = await this.context.finish();
    const left = [...(await settledDifferences(this.before)), ...leftFiles(this.context)];
    if (left.length > 0) {
      errors.push(new Error(`the test left something behind:\n${left.join("\n")}`));
      await clean(this.before);
    }
    removeDirectory(this.context);
    return errors;
  }
}

async function attempt(body: (context: Context) => Promise<void>): Promise<unknown[]> {
  const trial = new Trial();
  const errors: unknown[] = [];
  try {
    await Promise.race([body(trial.context), timeLimit()]);
  } catch (error) {
    errors.push(error);
  }
  return [...errors, ...(await trial.finish())];
}

/** Attempts until one passes, is skipped, or the last has failed; an attempt returns its errors. */
export async function tryUpTo(count: number, makeAttempt: () => Promise<unknown[]>): Promise<{ errors: unknown[]; failures: unknown[][] }> {
  const failures: unknown[][] = [];
  for (;;) {
    const errors = await makeAttempt();
    if (errors.length === 0 || failures.length + 1 === count || errors.some((error) => error instanceof Skip)) return { errors, failures };
    failures.push(errors);
  }
}

/** How a test went, as `TSRUNC_TEST_RESULTS` gets it. */
export interface Outcome {
  file: string;
  name: string;
  outcome: "pass" | "fail" | "skip";
  /** The first error, or why it was skipped. */
  detail: string;
}

function record(name: string, outcome: Outcome["outcome"], detail: string): void {
  if (resultsFile === undefined) return;
  const line: Outcome = { file, name, outcome, detail };
  appendFileSync(resultsFile, `${JSON.stringify(line)}\n`);
}

/**
 * A test; `name` is a sentence. It runs after all tests declared before it.
 */
export function test(name: string, body: (context: Context) => Promise<void>): void {
  if (isSelected(name)) judge(name, () => attempt(body));
}

function isSelected(name: string): boolean {
  return only === undefined || only.some((part) => name.includes(part));
}

/** Has tap run a test; `makeAttempt` returns the errors of one attempt. */
function judge(name: string, makeAttempt: () => Promise<unknown[]>): void {
  void t.test(name, { timeout: tries * (slowMilliseconds + 60_000) }, async (report) => {
    const difference = expected.get(`${file} > ${name}`);
    const { errors, failures } = await tryUpTo(difference === undefined ? tries : 1, makeAttempt);
    const skip = errors.find((error) => error instanceof Skip);
    if (skip instanceof Skip) {
      record(name, "skip", skip.message);
      report.pass(name, { skip: skip.message });
      return;
    }
    record(name, errors.length > 0 ? "fail" : "pass", errors.length > 0 ? inWords(errors[0]) : "");
    for (const error of errors) report.comment(inWords(error));
    if (errors.length > 0 && difference !== undefined) {
      report.pass(`fails as expected: ${difference.reason}`);
    } else if (errors.length > 0) {
      report.fail("failed", { diagnostic: false });
    } else if (difference !== undefined && !difference.racy) {
      report.comment(`passes, but is listed as a difference: ${difference.reason}`);
      report.fail("failed", { diagnostic: false });
    } else {
      for (const [error] of failures) report.comment(`raced: ${inWords(error)}`);
      report.pass("passed");
    }
  });
}

/** Declares one of the tests that share a subject. */
export type SharingTest<T> = (name: string, body: (context: Context, subject: T) => Promise<void>) => void;

/**
 * Tests that share what takes long to start, such as a daemon. It is started before the first of them that runs; what `start` deferred runs
 * after the last, in a test of its own that fails when anything is left behind. If it does not start, each of the tests fails.
 */
export function sharing<T>(subject: string, start: (context: Context) => Promise<T>, declare: (test: SharingTest<T>) => void): void {
  let trial: Trial | undefined;
  let started: Promise<T> | undefined;
  let declared = false;
  const begin = (): Promise<T> => {
    trial ??= new Trial();
    started ??= start(trial.context);
    return started;
  };
  declare((name, body) => {
    if (!isSelected(name)) return;
    declared = true;
    judge(name, async () => {
      try {
        const shared = await begin();
        return await attempt((context) => body(context, shared));
      } catch (error) {
        return [error];
      }
    });
  });
  if (declared) judge(`${subject} ends and leaves nothing behind`, async () => (await trial?.finish()) ?? []);
}

/**
 * A test of what only some hosts can show, by their cgroups. On others it is not declared: there it cannot fail and is not skipped.
 */
export function testOn(modes: readonly CgroupMode[], name: string, body: (context: Context) => Promise<void>): void {
  if (modes.includes(cgroupMode())) test(name, body);
}
