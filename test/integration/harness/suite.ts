/**
 * Declares tests. A test runs with a new context; then the suite checks that it left nothing behind, cleans up if it did, and compares
 * the outcome with the known differences of the runtime. Assertions throw; tap only counts and prints.
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
/** Run only tests whose names contain one of these; if undefined, run all. */
const only = process.env["TSRUNC_TEST_ONLY"]?.split("\n");
const slowMilliseconds = 120_000 * slowness;

/** On other runtimes a test only has to show that it can pass, and some race, so it gets several tries. On tsrunc it must always pass. */
const tries = isTsrunc ? 1 : Number(process.env["TSRUNC_TEST_TRIES"] ?? (resultsFile === undefined ? 3 : 1));

/** The cache of seccomp filters in tsrunc's --root, which stays after `delete`. */
const seccompCache = "#seccomp";

/** Finds state left in --root, and files left in TMPDIR. Lock files (their names begin with a dot) may stay. */
function leftFiles(context: Context): string[] {
  const found: string[] = [];
  if (existsSync(context.root))
    for (const name of readdirSync(context.root)) if (!name.startsWith(".") && name !== seccompCache) found.push(`state left: ${name}`);
  for (const name of readdirSync(context.temporary)) found.push(`temporary file left: ${name}`);
  return found;
}

/** Removes what a test left, so that the next one starts clean. */
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
    // already ended
  }
}

function removeCgroup(cgroup: string): void {
  try {
    rmdirSync(cgroup);
  } catch {
    // busy until its processes are reaped; the next round tries again
  }
}

function removeDirectory(context: Context): void {
  // A failed test may leave a mount below; never delete files through it.
  const mounted = [...snapshot().mounts.values()].some((line) => line.split(" ")[4]?.startsWith(`${context.directory}/`));
  if (!mounted) rmSync(context.directory, { recursive: true, force: true });
}

/** Formats an error's message and its position in the test file. */
function formatError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const places = (error.stack ?? "").split("\n").filter((line) => /^ +at .*\.test\.ts:/.test(line));
  return [error.message, ...places].join("\n");
}

function timeLimit(): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`the test took longer than ${slowMilliseconds / 1000} s`)), slowMilliseconds).unref();
  });
}

/** A test's context, with a snapshot of the host from before the test. */
class TestRun {
  readonly before = snapshot();
  readonly context = new Context();

  /** Runs the deferred actions, compares the host with the snapshot and cleans up. Returns the errors. */
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
  const run = new TestRun();
  const errors: unknown[] = [];
  try {
    await Promise.race([body(run.context), timeLimit()]);
  } catch (error) {
    errors.push(error);
  }
  return [...errors, ...(await run.finish())];
}

/** Makes up to `count` attempts, until one passes or is skipped. An attempt returns its errors. */
export async function tryUpTo(count: number, makeAttempt: () => Promise<unknown[]>): Promise<{ errors: unknown[]; failures: unknown[][] }> {
  const failures: unknown[][] = [];
  for (;;) {
    const errors = await makeAttempt();
    if (errors.length === 0 || failures.length + 1 === count || errors.some((error) => error instanceof Skip)) return { errors, failures };
    failures.push(errors);
  }
}

/** The outcome of a test, as written to `TSRUNC_TEST_RESULTS`. */
export interface Outcome {
  file: string;
  name: string;
  outcome: "pass" | "fail" | "skip";
  /** The first error, or the reason for skipping. */
  detail: string;
}

function record(name: string, outcome: Outcome["outcome"], detail: string): void {
  if (resultsFile === undefined) return;
  const line: Outcome = { file, name, outcome, detail };
  appendFileSync(resultsFile, `${JSON.stringify(line)}\n`);
}

/**
 * Declares a test; `name` is a sentence. Tests run in the order of their declarations.
 */
export function test(name: string, body: (context: Context) => Promise<void>): void {
  if (isSelected(name)) judge(name, () => attempt(body));
}

function isSelected(name: string): boolean {
  return only === undefined || only.some((part) => name.includes(part));
}

/** Runs a test in tap and judges its outcome. `makeAttempt` returns the errors of one attempt. */
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
    record(name, errors.length > 0 ? "fail" : "pass", errors.length > 0 ? formatError(errors[0]) : "");
    for (const error of errors) report.comment(formatError(error));
    if (errors.length > 0 && difference !== undefined) {
      report.pass(`fails as expected: ${difference.reason}`);
    } else if (errors.length > 0) {
      report.fail("failed", { diagnostic: false });
    } else if (difference !== undefined && !difference.racy) {
      report.comment(`passes, but is listed as a difference: ${difference.reason}`);
      report.fail("failed", { diagnostic: false });
    } else {
      for (const [error] of failures) report.comment(`raced: ${formatError(error)}`);
      report.pass("passed");
    }
  });
}

/** Declares a test that shares a subject with others. */
export type SharingTest<T> = (name: string, body: (context: Context, subject: T) => Promise<void>) => void;

/**
 * Declares tests that share a subject that is slow to start, such as a daemon. The first test that runs starts it. After the last, an
 * additional test runs the actions that `start` deferred, and fails if anything is left behind. If the start fails, all of the tests fail.
 */
export function sharing<T>(subject: string, start: (context: Context) => Promise<T>, declare: (test: SharingTest<T>) => void): void {
  let run: TestRun | undefined;
  let started: Promise<T> | undefined;
  let declared = false;
  const begin = (): Promise<T> => {
    run ??= new TestRun();
    started ??= start(run.context);
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
  if (declared) judge(`${subject} ends and leaves nothing behind`, async () => (await run?.finish()) ?? []);
}

/**
 * Declares a test only on hosts with one of these cgroup modes. On other hosts it is not even counted as skipped.
 */
export function testOn(modes: readonly CgroupMode[], name: string, body: (context: Context) => Promise<void>): void {
  if (modes.includes(cgroupMode())) test(name, body);
}
