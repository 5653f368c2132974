/**
 * kill -9 of the runtime at any moment: `list` goes on working, `delete -f` cleans up whatever is left, and the id is free again.
 */
import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync } from "node:fs";
import { test } from "./harness/suite.js";
import { binaries, isTsrunc, runtimeName } from "./harness/environment.js";
import { describe, until } from "./harness/execute.js";
import { differences, snapshot } from "./harness/leaks.js";
import { setNamespace } from "./harness/config.js";
import type { Config } from "./harness/config.js";
import type { Bundle, Context, State } from "./harness/context.js";
import type { Snapshot } from "./harness/leaks.js";

/** A command under attack: how it is called, and what must be there before. */
interface Victim {
  command: string;
  args(bundle: Bundle, id: string): string[];
  before?(c: Context, bundle: Bundle, id: string): Promise<void>;
  /** The program of the container. */
  program: string[];
  moments: number;
}

const victims: Victim[] = [
  { command: "create", args: (bundle, id) => ["create", "-b", bundle.directory, id], program: ["probe", "wait"], moments: 24 },
  { command: "run", args: (bundle, id) => ["run", "-b", bundle.directory, id], program: ["true"], moments: 24 },
  { command: "run --detach", args: (bundle, id) => ["run", "-d", "-b", bundle.directory, id], program: ["probe", "wait"], moments: 12 },
  {
    command: "start",
    args: (_, id) => ["start", id],
    before: async (c, bundle, id) => void (await c.create(bundle, [], { id })),
    program: ["probe", "wait"],
    moments: 12,
  },
  {
    command: "delete --force",
    args: (_, id) => ["delete", "-f", id],
    before: async (c, bundle, id) => void (await c.createAndStart(bundle, [], { id })),
    program: ["probe", "wait"],
    moments: 12,
  },
];

/** Runs a command and kills it `microseconds` after its start. Returns "killed" or "exited N". */
async function killAfter(c: Context, microseconds: number, args: readonly string[]): Promise<string> {
  const file = c.file("outcome", "");
  const outcome = openSync(file, "w");
  const started = await c.startBelow([`${binaries}/killafter`, String(microseconds)], args, {
    descriptors: [outcome],
  });
  closeSync(outcome);
  await started.wait();
  return readFileSync(file, "utf8").trim();
}

/** After the kill: everything works, and nothing stays once the container is deleted. */
async function recover(c: Context, id: string, before: Snapshot, moment: string): Promise<void> {
  const list = await c.runtime(["list", "-f", "json"]);
  assert.equal(list.status, 0, `${moment}: ${describe(list)}`);
  const states = (JSON.parse(list.stdout) ?? []) as State[];
  assert.ok(states.length <= 1, `${moment}: ${list.stdout}`);
  const quiet = await c.runtime(["list", "-q"]);
  assert.equal(quiet.status, 0, `${moment}: ${describe(quiet)}`);
  const removed = await c.runtime(["delete", "-f", id]);
  assert.equal(removed.status, 0, `${moment}: ${describe(removed)}`);
  try {
    await until("nothing is left", () => differences(before, snapshot()).length === 0, 3);
  } catch {
    assert.fail(`${moment}: after delete -f is left:\n${differences(before, snapshot()).join("\n")}`);
  }
  const gone = await c.runtime(["state", id]);
  assert.match(gone.stderr, /container does not exist/, `${moment}: ${describe(gone)}`);
}

for (const { command, args, before, program, moments } of victims) {
  test(`${command} killed at ${moments} moments`, async (c) => {
    const bundle = c.bundle({ args: program });
    const host = snapshot();
    // How long it takes undisturbed: the median of three.
    const durations: number[] = [];
    for (let round = 0; round < 3; round++) {
      const id = c.otherId(`sample${round}`);
      await before?.(c, bundle, id);
      const begin = process.hrtime.bigint();
      assert.equal((await c.runtime(args(bundle, id))).status, 0);
      durations.push(Number(process.hrtime.bigint() - begin) / 1000);
      await c.ok(["delete", "-f", id]);
    }
    let [, duration = 0] = durations.sort((a, b) => a - b);
    let killed = 0;
    for (let index = 0; index < moments; index++) {
      const id = c.otherId(String(index));
      await before?.(c, bundle, id);
      const microseconds = Math.round((duration * (index + 0.5)) / moments);
      const outcome = await killAfter(c, microseconds, args(bundle, id));
      if (outcome === "killed") killed += 1;
      // Measured with the cost of our own spawning, and on a machine that was busier then: aim earlier.
      else duration *= 0.8;
      await recover(c, id, host, `${command} ${outcome} after ${microseconds} of ${Math.round(duration)} us`);
    }
    assert.ok(killed > 0, "every kill came too late");
    // An id that was in the middle of something is free again.
    await c.ok(["run", "-b", c.bundle({ args: ["true"] }).directory, c.otherId("0")]);
  });
}

/** One system call of a traced process. */
interface Call {
  name: string;
  /** The how manyth of its name, from 1. */
  occurrence: number;
}

/** Calls of memory and threads: Node makes as many as its collector and its compiler need that time, and nothing changes by them. */
const own = /^(brk|clock_|epoll_|futex|getrusage|madvise|mmap|mprotect|munmap|sched_)/;

/** The system calls of the runtime's own process from the first that names the state root: before it a host only starts. */
async function traceCalls(c: Context, args: readonly string[]): Promise<Call[]> {
  const trace = `${c.directory}/trace`;
  const started = await c.startBelow(["/usr/bin/strace", "-qq", "-s", "512", "-o", trace], args);
  const result = await started.wait();
  assert.equal(result.status, 0, describe(result));
  const lines = readFileSync(trace, "utf8")
    .split("\n")
    .filter((line) => /^\w+\(/.test(line));
  const occurrences = new Map<string, number>();
  const calls = lines.map((line): Call => {
    const name = line.slice(0, line.indexOf("("));
    const occurrence = (occurrences.get(name) ?? 0) + 1;
    occurrences.set(name, occurrence);
    return { name, occurrence };
  });
  // The program's arguments name the state root too.
  const first = lines.findIndex((line) => line.includes(c.root) && !line.startsWith("execve("));
  assert.ok(first >= 0, "no system call names the state root");
  return calls.slice(first).filter(({ name }) => !own.test(name));
}

/** As many moments as there are calls for the fast host; Node alone needs a quarter of a second below strace(1). */
const mostMoments = runtimeName === "tsrunc" ? 200 : 25;

/** Kills a command at each of these calls. */
async function killAtCalls(c: Context, bundle: Bundle, { command, args, before }: Victim, calls: readonly Call[]): Promise<void> {
  const host = snapshot();
  const moments = Math.min(mostMoments, calls.length);
  let killed = 0;
  for (let index = 0; index < moments; index++) {
    const id = c.otherId(String(index));
    await before?.(c, bundle, id);
    const call = calls[Math.floor((calls.length * index) / moments)];
    assert.ok(call);
    const inject = `inject=${call.name}:signal=KILL:when=${call.occurrence}`;
    const started = await c.startBelow(["/usr/bin/strace", "-qq", "-o", "/dev/null", "-e", inject], args(bundle, id));
    // strace(1) ends as its tracee does.
    if ((await started.wait()).signal === "SIGKILL") killed += 1;
    await recover(c, id, host, `${command} killed at ${call.name} number ${call.occurrence}`);
  }
  assert.ok(killed >= moments * 0.9, `only ${killed} of ${moments} were killed`);
}

// By system calls, not by time: the same moments in every run. Go's runtimes do their work in threads that change.
if (isTsrunc) {
  for (const victim of victims.filter(({ command }) => ["create", "delete --force"].includes(command))) {
    test(`${victim.command} killed at its system calls`, async (c) => {
      const bundle = c.bundle({ args: victim.program });
      const sample = c.otherId("sample");
      await victim.before?.(c, bundle, sample);
      const calls = await traceCalls(c, victim.args(bundle, sample));
      await c.ok(["delete", "-f", sample]);
      await killAtCalls(c, bundle, victim, calls);
    });
  }

  test("create killed while it writes the maps of a user namespace", async (c) => {
    const bundle = c.bundle({ config: inUserNamespace });
    const sample = c.otherId("sample");
    const victim = victims.find(({ command }) => command === "create") as Victim;
    const calls = await traceCalls(c, victim.args(bundle, sample));
    await c.ok(["delete", "-f", sample]);
    // From the clone on: the first of them is that of the container's process.
    const clone = calls.findIndex(({ name }) => name === "clone3");
    assert.ok(clone >= 0);
    await killAtCalls(c, bundle, victim, calls.slice(clone, clone + 12));
  });
}

function inUserNamespace(config: Config): void {
  setNamespace(config, "user");
  config.linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
  config.linux.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
}
