/**
 * The settings that `test/integration/run` passes to the tests in environment variables.
 */
import { readFileSync } from "node:fs";
import { basename } from "node:path";

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: start the tests with test/integration/run`);
  return value;
}

/** Absolute path of the runtime under test. */
export const runtimePath = required("RUNTIME");

/** `tsrunc`, `tsrunc-node`, `runc` or `crun`; also the name of the file in expected/. */
export const runtimeName = basename(runtimePath);

/** True for both hosts of tsrunc, which must behave the same. */
export const isTsrunc = runtimeName.startsWith("tsrunc");

/** A new directory for this run, mode 0755, removed when the run ends. */
export const workDirectory = required("TSRUNC_TEST_WORK");

/** The root of the checkout. */
export const repository = required("TSRUNC_TEST_REPOSITORY");

/** The folder of the tests and of `expected/`: test/integration, or another suite that uses this harness. */
export const suiteDirectory = process.env["TSRUNC_TEST_SUITE"] ?? `${repository}/test/integration`;

/** If set, each test appends a line of JSON with its actual outcome to this file, whether or not the outcome is expected. */
export const resultsFile = process.env["TSRUNC_TEST_RESULTS"];

/** The folder of the compiled helpers of harness/native. */
export const binaries = required("TSRUNC_TEST_BIN");

/** The folder into which test/integration/prepare downloads. */
export const cacheDirectory = process.env["TSRUNC_TEST_CACHE"] ?? "/var/tmp/tsrunc-test-cache";

/** A test fails instead of being skipped if the host lacks something. */
export const mustWork = process.env["TSRUNC_MUST_WORK"] === "1";

/** A factor for all time limits, for slow (emulated) machines. */
export const slowness = Number(process.env["TSRUNC_TEST_SLOWNESS"] ?? "1");

/** Nothing else uses this machine, so the leak check can attribute every change to the test. */
export const exclusive = process.env["CI"] === "true";

/**
 * Part of every container ID, and so of the name of every cgroup, socket and file that a test makes. TSRUNC_TEST_ID makes it unique on the
 * machine when the tests run in their own pid namespace, where the pid is not.
 */
export const prefix = `tsrunc-test-${process.env["TSRUNC_TEST_ID"] ?? ""}${process.pid}`;

/** Reads a file of test/fixtures. */
export function fixture(name: string): string {
  return readFileSync(`${repository}/test/fixtures/${name}`, "utf8");
}
