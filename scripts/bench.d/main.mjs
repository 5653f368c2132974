/** The main program of `scripts/bench`. It must run in a private mount namespace (see ../bench). */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { outputDirectory } from "./compile.mjs";
import { describeHost, hideUnified } from "./host.mjs";
import { measureAll } from "./measure.mjs";
import { writeProfile } from "./profile.mjs";
import { renderReport } from "./report.mjs";
import { countOutcome, judgeTargets } from "./targets.mjs";
import { findSubjects } from "./subjects.mjs";
import { prepareWorkspace } from "./workspace.mjs";

const help = `usage: scripts/bench [OPTION...]
       scripts/bench --profile[=SUBJECT]

Times tsrunc, tsrunc-node, runc, crun and the floor (the kernel work alone) in turns, on one bundle that runs /bin/true.

  -n, --rounds N         rounds of each measurement (default 100); tsrunc-node gets at most 40
      --also NAME=PATH   measure this runtime too (repeatable)
      --only NAME,...    only these measures: run, idleRun, create, dockerRun, unconfinedRun, userNamespaceRun, unifiedRun,
                         unifiedIdleRun, version, state, ps, exec, execDetached, execTerminal, kill, list
      --note TEXT        add this text to the report
      --clients          also measure podman run --rm, podman exec and docker run --rm with each runtime (podmanRunClient,
                         podmanExecClient, dockerRunClient), which takes minutes; uses the Docker from test/integration/prepare
      --keep-unified     keep the v2 hierarchy of a hybrid host mounted; crun 1.8 then refuses to run
      --count            print "N passed, N failed" as the last line: measures of tsrunc and the floor, and targets that are not times
      --profile SUBJECT  instead of a table, write the timeline of one "run" of SUBJECT (default tsrunc) to build/bench/
  -h, --help             this text
`;

/** @returns {{rounds: number, also: {name: string, path: string}[], only?: string[], note?: string, clients: boolean, keepUnified: boolean, count: boolean, profile?: string}} */
function readOptions(argv) {
  // a bare `--profile` means tsrunc
  const args = argv.map((arg, index) => (arg === "--profile" && (argv[index + 1] ?? "-").startsWith("-") ? "--profile=tsrunc" : arg));
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: "string", short: "n", default: "100" },
      also: { type: "string", multiple: true, default: [] },
      only: { type: "string" },
      note: { type: "string" },
      clients: { type: "boolean", default: false },
      "keep-unified": { type: "boolean", default: false },
      count: { type: "boolean", default: false },
      profile: { type: "string" },
    },
  });
  if (!/^[1-9][0-9]{0,4}$/.test(values.rounds)) throw new Error(`read --rounds "${values.rounds}": not a number from 1 to 99999`);
  const also = values.also.map((text) => {
    const [, name, path] = /^([\w.-]+)=(.+)$/.exec(text) ?? [];
    if (!name) throw new Error(`read --also "${text}": not NAME=PATH`);
    return { name, path };
  });
  const { only, note, clients, count, profile } = values;
  return {
    rounds: Number(values.rounds),
    also,
    only: only?.split(","),
    note,
    clients,
    keepUnified: values["keep-unified"],
    count,
    profile,
  };
}

async function main() {
  if (process.argv[2] === "--help") {
    process.stdout.write(help);
    return;
  }
  const options = readOptions(process.argv.slice(2));
  if (process.getuid() !== 0) throw new Error("start the benchmark: it needs root");
  if (!options.keepUnified) hideUnified();
  const workspace = prepareWorkspace();
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
  }
  let subjects = [];
  try {
    subjects = findSubjects(workspace, options.also);
    if (options.profile !== undefined) {
      process.stdout.write(await writeProfile(workspace, subjects, options.profile, stop.signal));
      return;
    }
    const host = describeHost(); // before measuring, which would raise the load
    await measureAll({ workspace, rounds: options.rounds, only: options.only, clients: options.clients, signal: stop.signal }, subjects);
    const result = {
      date: new Date().toISOString(),
      host,
      rounds: options.rounds,
      note: options.note,
      subjects: subjects.map(({ command: _, ...subject }) => subject),
      targets: judgeTargets(subjects),
    };
    const markdown = renderReport(result);
    writeFileSync(join(outputDirectory, "result.json"), `${JSON.stringify(result, null, 2)}\n`);
    writeFileSync(join(outputDirectory, "result.md"), markdown);
    process.stdout.write(markdown);
    if (options.count) {
      const { passed, failed } = countOutcome(subjects, result.targets);
      process.stdout.write(`${passed} passed, ${failed} failed\n`);
      if (failed > 0) process.exitCode = 1;
    }
  } finally {
    workspace.remove(subjects);
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
}
