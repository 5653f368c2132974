/**
 * What `test/integration/run` tells the tests: the runtime under test and where things are.
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

/** `tsrunc`, `tsrunc-node`, `runc` or `crun`: the name of the file in expected/. */
export const runtimeName = basename(runtimePath);

/** Both hosts of tsrunc are one program with one behaviour. */
export const isTsrunc = runtimeName.startsWith("tsrunc");

/** A fresh directory of this run, mode 0755, removed when the run ends. */
export const workDirectory = required("TSRUNC_TEST_WORK");

/** The checkout. */
export const repository = required("TSRUNC_TEST_REPOSITORY");

/** Folder of the tests and of their `expected/`: test/integration, or another suite on this harness. */
export const suiteDirectory = process.env["TSRUNC_TEST_SUITE"] ?? `${repository}/test/integration`;

/** File that gets a line of JSON for each test that has run, whatever is expected of it. */
export const resultsFile = process.env["TSRUNC_TEST_RESULTS"];

/** Where the compiled helper programs of harness/native are. */
export const binaries = required("TSRUNC_TEST_BIN");

/** What test/integration/prepare fetched. */
export const cacheDirectory = process.env["TSRUNC_TEST_CACHE"] ?? "/var/tmp/tsrunc-test-cache";

/** What a host lacks makes a test fail, not skip. */
export const mustWork = process.env["TSRUNC_MUST_WORK"] === "1";

/** Factor for all time limits of the tests; an emulated machine is slow. */
export const slowness = Number(process.env["TSRUNC_TEST_SLOWNESS"] ?? "1");

/** Nothing else uses this machine, so whatever is new after a test came from it. */
export const exclusive = process.env["CI"] === "true";

/** In a pid namespace of its own the process id is not unique on the machine: TSRUNC_TEST_ID makes it so. Part of every container id, and so of every cgroup, socket and file that a test makes. */
export const prefix = `tsrunc-test-${process.env["TSRUNC_TEST_ID"] ?? ""}${process.pid}`;

/** A file of test/fixtures as text. */
export function fixture(name: string): string {
  return readFileSync(`${repository}/test/fixtures/${name}`, "utf8");
}
