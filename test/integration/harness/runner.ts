/**
 * Runs the bundled test files one after another, each in its own Node process, and adds up the results from tap.
 * Arguments: the folder of the bundles, then filters (see test/integration/run).
 */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { mustWork, runtimeName, slowness, suiteDirectory } from "./environment.js";
import { expectedFiles, loadExpected } from "./expected.js";

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  names: string[];
}

const verbose = process.env["TSRUNC_TEST_VERBOSE"] === "1";
const fileLimitMilliseconds = 600_000 * slowness;

/** Runs one file, and prints the failed tests with their diagnostics (in verbose mode, all tests). */
async function runFile(folder: string, file: string, only: readonly string[]): Promise<Tally> {
  const tally: Tally = { passed: 0, failed: 0, skipped: 0, names: [] };
  const subject = file.replace(/\.test\.mjs$/, "");
  const child = spawn(process.execPath, ["--enable-source-maps", `${folder}/${file}`], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...process.env,
      TAP_BAIL: "0",
      TAP_TIMEOUT: String(fileLimitMilliseconds / 1000),
      ...(only.length > 0 && { TSRUNC_TEST_ONLY: only.join("\n") }),
    },
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), fileLimitMilliseconds);
  const ended = new Promise<number | null>((resolve) => child.once("close", (status) => resolve(status)));
  let details: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const result = /^(not )?ok \d+ - (.*?)(?: # time=([\d.]+)ms)?(?: \{)?$/.exec(line);
    if (!result) {
      details.push(line);
      continue;
    }
    const name = `${subject} > ${result[2]}`;
    tally.names.push(name);
    const skipped = details.find((detail) => detail.includes(" # SKIP "))?.replace(/^.* # SKIP /, "");
    if (result[1]) {
      tally.failed += 1;
      console.log(`not ok ${name}\n${details.filter((detail) => detail.startsWith("    #")).join("\n")}`);
    } else if (skipped === undefined) {
      tally.passed += 1;
      const raced = details.filter((detail) => detail.includes("# raced: ")).length;
      if (raced > 0) console.log(`ok ${name}, but only at attempt ${raced + 1}`);
      if (verbose) console.log(`ok ${name} (${Math.round(Number(result[3] ?? 0))} ms)`);
    } else {
      tally.skipped += 1;
      console.log(`skipped ${name}: ${skipped}`);
    }
    details = [];
  }
  const status = await ended;
  clearTimeout(timer);
  if (status !== 0 && tally.failed === 0) {
    tally.failed += 1;
    console.log(`not ok ${subject}: the file ended with status ${status}\n${details.join("\n")}`);
  }
  return tally;
}

interface Selected {
  file: string;
  /** Run only tests whose names contain one of these; if empty, run all. */
  only: string[];
}

/** Applies the filters: `lifecycle` selects files, `lifecycle:kill` selects tests in such files. Each file runs once. */
function selection(files: string[], filters: string[]): Selected[] {
  if (filters.length === 0) return files.map((file) => ({ file, only: [] }));
  const parsed = filters.map((filter) => {
    const [part = "", only] = filter.split(/:(.*)/s);
    return { part, only };
  });
  return files.flatMap((file) => {
    const matching = parsed.filter(({ part }) => file.includes(part));
    if (matching.length === 0) return [];
    const parts = matching.map(({ only }) => only).filter((only) => only !== undefined);
    return [{ file, only: parts.length === matching.length ? parts : [] }];
  });
}

/** Finds filters that select no test, which are mistyped or out of date. */
function unmatchedFilters(filters: string[], names: string[]): string[] {
  return filters.filter((filter) => {
    const [part = "", only = ""] = filter.split(/:(.*)/s);
    return !names.some((name) => {
      const [file = "", test = ""] = name.split(/ > (.*)/s);
      return `${file}.test.mjs`.includes(part) && test.includes(only);
    });
  });
}

/** Finds listed differences whose test no longer exists. */
function staleDifferences(names: string[]): string[] {
  return [...loadExpected().keys()].filter((name) => !names.includes(name));
}

const [folder = "", ...filters] = process.argv.slice(2);
const files = readdirSync(folder)
  .filter((name) => name.endsWith(".test.mjs"))
  .sort();
const total: Tally = { passed: 0, failed: 0, skipped: 0, names: [] };
const begin = Date.now();
for (const { file, only } of selection(files, filters)) {
  const started = Date.now();
  const tally = await runFile(folder, file, only);
  total.passed += tally.passed;
  total.failed += tally.failed;
  total.skipped += tally.skipped;
  total.names.push(...tally.names);
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  console.log(
    `# ${file.replace(/\.test\.mjs$/, "")}: ${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped, ${seconds} s`,
  );
}
if (filters.length === 0) {
  for (const name of staleDifferences(total.names)) {
    total.failed += 1;
    console.log(`not ok ${expectedFiles().join(" or ")} lists a test that does not exist: ${name}`);
  }
}
for (const filter of unmatchedFilters(filters, total.names)) {
  total.failed += 1;
  console.log(`not ok no test of ${suiteDirectory} is selected by "${filter}"`);
}
console.log(`# ${runtimeName}: ${((Date.now() - begin) / 1000).toFixed(1)} s${mustWork ? ", tests must work" : ""}`);
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
process.exit(total.failed > 0 ? 1 : 0);
