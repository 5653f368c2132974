/** Takes the measurements. Each is one run of timer.c, in which the subjects take turns. */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { startClients } from "./clients.mjs";
import { commandEnvironment } from "./workspace.mjs";

/**
 * @typedef {object} Summary
 * @property {number} count
 * @property {number} medianMilliseconds
 * @property {number} p10Milliseconds
 * @property {number} p90Milliseconds
 * @property {number} peakKibibytes the largest ru_maxrss of the commands
 */

const slowRounds = 40;
/** Joining a cgroup is cheap for some time after an RCU grace period; this pause is long enough for the effect to end. */
const idleMicroseconds = 50_000;

/**
 * @typedef {object} Plan
 * @property {import("./workspace.mjs").Workspace} workspace
 * @property {number} rounds
 * @property {string[]} [only] the measures to take, by the names of their first steps; default all
 * @property {boolean} clients whether podman and Docker are measured too
 * @property {AbortSignal} signal
 */

/**
 * Fills `measures` and `failures` of each subject that is not absent.
 * @param {Plan} context
 */
export async function measureAll(context, subjects) {
  const { workspace } = context;
  const present = subjects.filter(({ absent }) => absent === undefined);
  const runtimes = present.filter(({ kind }) => kind === "runtime");
  const containers = present.filter(({ kind }) => kind !== "node");
  // Enough rounds for the largest ru_maxrss, see `summarise`.
  await measure({ ...context, rounds: Math.max(context.rounds, 20) }, present, (subject) => run(workspace, subject));
  await measure(context, containers, (subject) => ({ ...run(workspace, subject, "idleRun"), idle: idleMicroseconds }));
  await measure(context, runtimes, (subject) => lifecycle(workspace, subject));
  for (const [name, bundle] of [
    ["dockerRun", workspace.bundles.docker],
    ["unconfinedRun", workspace.bundles.dockerUnconfined],
    ["userNamespaceRun", workspace.bundles.userNamespace],
  ]) {
    await measure(context, runtimes, (subject) => run(workspace, subject, name, bundle));
  }
  if (context.clients) await measureClients(context, runtimes);
  const unified = { ...context, wrapper: onUnified(workspace) };
  await measure(unified, containers, (subject) => run(workspace, subject, "unifiedRun"));
  await measure(unified, containers, (subject) => ({ ...run(workspace, subject, "unifiedIdleRun"), idle: idleMicroseconds }));
  await measure(context, runtimes, (subject) => ({ steps: [step("version", [subject.command, "--version"])] }));
  const created = ["state", "ps", "exec", "execDetached", "execTerminal", "kill"].some((name) => wanted(context, name))
    ? createEach(context, runtimes)
    : [];
  await measure(context, created, (subject) => ({ steps: [step("state", base(workspace, subject, "state"))] }));
  // JSON, because crun does not run ps(1) for a table.
  await measure(context, created, (subject) => ({ steps: [step("ps", base(workspace, subject, "ps", "--format", "json"))] }));
  await measure(context, created, (subject) => ({ steps: [step("exec", [...base(workspace, subject, "exec"), "/bin/true"])] }));
  await measure(context, created, (subject) => ({
    steps: [step("execDetached", [...base(workspace, subject, "exec", "--detach"), "/bin/true"])],
  }));
  // The time includes the helper that makes the terminal, for every subject.
  await measure(context, created, (subject) => ({
    steps: [step("execTerminal", [workspace.terminal, ...base(workspace, subject, "exec", "--tty"), "/bin/true"])],
  }));
  await measure(context, created, (subject) => ({ steps: [step("kill", [...base(workspace, subject, "kill"), "0"])] }));
  deleteEach(context, created);
  if (wanted(context, "list")) await measureList(context, runtimes);
}

/** `list` with 200 running containers; with ten if there are few rounds or the subject is slow. */
async function measureList(context, runtimes) {
  const { workspace, signal } = context;
  const filled = runtimes.filter((subject) => {
    subject.listed = subject.slow || context.rounds < slowRounds ? 10 : 200;
    for (let index = 0; index < subject.listed; index += 1) {
      signal.throwIfAborted();
      const id = `${workspace.containerId(subject.name)}-${index}`;
      const argv = [subject.command, "--root", workspace.listRoot(subject.name), "run", "-d", "--bundle", workspace.bundles.sleeping, id];
      const error = runQuietly(workspace, argv);
      if (error !== undefined) subject.failures.list = error;
      if (error !== undefined) return false;
    }
    return true;
  });
  await measure(context, filled, (subject) => ({
    steps: [step("list", [subject.command, "--root", workspace.listRoot(subject.name), "list"])],
  }));
  for (const { name, command } of runtimes) workspace.removeContainers(command, workspace.listRoot(name));
}

/** The commands of podman and Docker, with at most 40 rounds because they are slow. */
async function measureClients(context, runtimes) {
  const clients = await startClients(context.workspace, runtimes);
  const fewer = { ...context, rounds: Math.min(slowRounds, context.rounds) };
  try {
    for (const name of ["podmanRun", "podmanExec", "dockerRun"]) {
      const commandOf = clients[name];
      if (commandOf) await measure(fewer, runtimes, (subject) => ({ steps: [step(`${name}Client`, commandOf(subject))] }));
    }
  } finally {
    await clients.stop();
  }
}

/** Runs a command with only cgroup v2 at /sys/fs/cgroup, as on most hosts today, and with memlock.c, which crun needs there. */
const onUnified = ({ memlock }) => [
  "unshare",
  "--mount",
  "--propagation",
  "private",
  "sh",
  "-ec",
  'umount --recursive /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec "$@"',
  "sh",
  memlock,
];

/** A subject's `run` to completion; for bare Node, its start. */
export function run(workspace, subject, name = "run", bundle = workspace.bundles.plain) {
  if (subject.kind === "node") return { steps: [step(name, [subject.command, "-e", "0"])] };
  if (subject.kind === "floor")
    return { steps: [step(name, [subject.command, workspace.bundles.rootfs, workspace.containerId(subject.name)])] };
  return { steps: [step(name, base(workspace, subject, "run", "--bundle", bundle))] };
}

/** Calls `delete` once the process has ended and has been reaped, as a manager would. */
function lifecycle(workspace, subject) {
  const pidFile = join(workspace.directory, "pid");
  return {
    steps: [
      step("create", base(workspace, subject, "create", "--bundle", workspace.bundles.plain, "--pid-file", pidFile)),
      step("start", base(workspace, subject, "start")),
      `reap\t${pidFile}`,
      step("delete", base(workspace, subject, "delete", "--force")),
    ],
  };
}

function base(workspace, { command, name }, verb, ...options) {
  return [command, "--root", workspace.stateRoot(name), verb, ...options, workspace.containerId(name)];
}

function step(name, argv) {
  return ["step", name, ...argv].join("\t");
}

function wanted({ only }, name) {
  return only === undefined || only.includes(name);
}

/** Tries each subject's job once, then measures the subjects whose job worked. */
async function measure(context, subjects, jobOf) {
  const working = [];
  for (const subject of subjects) {
    const job = jobOf(subject);
    if (!wanted(context, nameOf(job))) return;
    const trial = await runTimer(context, [{ subject, job, rounds: 1 }], 1);
    if (trial.error === undefined)
      working.push({ subject, job, rounds: subject.slow ? Math.min(slowRounds, context.rounds) : context.rounds });
    else subject.failures[nameOf(job)] = trial.error;
  }
  if (working.length === 0) return;
  const { samples, error } = await runTimer(context, working, context.rounds);
  if (error !== undefined) throw new Error(`measure "${nameOf(working[0].job)}": ${error}`);
  for (const { subject } of working) Object.assign(subject.measures, summariseSteps(samples.get(subject.name)));
}

/** Name of a job: that of its first step. */
function nameOf(job) {
  return job.steps[0].split("\t")[1];
}

/** @returns {Promise<{samples: Map<string, {step: string, nanoseconds: number, kibibytes: number}[]>, error?: string}>} */
async function runTimer({ workspace, signal, wrapper = [] }, entries, rounds) {
  signal.throwIfAborted();
  const plan = join(workspace.directory, "plan");
  const errors = join(workspace.directory, "errors");
  const jobs = entries.map(({ subject, job, rounds: own }) => [`job\t${subject.name}\t${own}\t${job.idle ?? 0}`, ...job.steps].join("\n"));
  writeFileSync(plan, [`rounds\t${rounds}`, ...jobs, ""].join("\n"));
  const errorFile = openSync(errors, "w");
  const [command, ...options] = [...wrapper, workspace.timer, plan];
  const child = spawn(command, options, { stdio: ["ignore", "pipe", errorFile], env: commandEnvironment });
  closeSync(errorFile);
  // the timer lets the current command finish: a killed runtime would leave its container behind
  const stop = () => child.kill("SIGTERM");
  signal.addEventListener("abort", stop);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
  const [status] = await once(child, "close");
  signal.removeEventListener("abort", stop);
  signal.throwIfAborted();
  const samples = new Map(entries.map(({ subject }) => [subject.name, []]));
  for (const line of output.split("\n").slice(0, -1)) {
    const [name, stepName, nanoseconds, kibibytes] = line.split("\t");
    samples.get(name).push({ step: stepName, nanoseconds: Number(nanoseconds), kibibytes: Number(kibibytes) });
  }
  return status === 0 ? { samples } : { samples, error: firstCause(readFileSync(errors, "utf8")) };
}

/** The failed command's error output, or the timer's own line if there is none. */
function firstCause(errors) {
  const lines = errors.trim().split("\n");
  const own = lines.filter((line) => !line.startsWith("timer: "));
  return (own.length > 0 ? own : lines).join("\n");
}

/** One summary per step, and for a job of several steps one of their sum, `lifecycle`. */
function summariseSteps(samples) {
  const names = [...new Set(samples.map((sample) => sample.step))];
  const ofStep = new Map(names.map((name) => [name, samples.filter((sample) => sample.step === name)]));
  if (names.length > 1) ofStep.set("lifecycle", sumByRound(names.map((name) => ofStep.get(name))));
  return Object.fromEntries([...ofStep].map(([name, own]) => [name, summarise(own)]));
}

function sumByRound([first, ...others]) {
  return first.map(({ nanoseconds, kibibytes }, round) => ({
    nanoseconds: others.reduce((sum, own) => sum + own[round].nanoseconds, nanoseconds),
    kibibytes: Math.max(kibibytes, ...others.map((own) => own[round].kibibytes)),
  }));
}

function summarise(samples) {
  const times = samples.map((sample) => sample.nanoseconds / 1e6).sort((a, b) => a - b);
  const memory = samples.map((sample) => sample.kibibytes).sort((a, b) => a - b);
  return {
    count: samples.length,
    medianMilliseconds: quantile(times, 0.5),
    p10Milliseconds: quantile(times, 0.1),
    p90Milliseconds: quantile(times, 0.9),
    // Each CPU may hold back 32 pages of the kernel's count (percpu_counter), so ru_maxrss falls short by a part that differs from run to run.
    peakKibibytes: Math.max(...memory),
  };
}

function quantile(sorted, fraction) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))];
}

/** Creates one container with each runtime for `state`, `ps` and `exec`. */
function createEach({ workspace, signal }, runtimes) {
  return runtimes.filter((subject) => {
    signal.throwIfAborted();
    const error = runQuietly(workspace, base(workspace, subject, "create", "--bundle", workspace.bundles.plain));
    if (error !== undefined) subject.failures.state = error;
    return error === undefined;
  });
}

function deleteEach({ workspace }, created) {
  for (const subject of created) {
    const error = runQuietly(workspace, base(workspace, subject, "delete", "--force"));
    if (error !== undefined) throw new Error(`delete the container of "${subject.name}": ${error}`);
  }
}

/**
 * Runs a command without a pipe, because the container that it creates would keep the pipe open.
 * @returns {string | undefined} what it wrote to stderr, when it failed
 */
function runQuietly(workspace, [command, ...options]) {
  const errors = join(workspace.directory, "errors");
  const errorFile = openSync(errors, "w");
  const { status, error } = spawnSync(command, options, {
    stdio: ["ignore", "ignore", errorFile],
    env: commandEnvironment,
  });
  closeSync(errorFile);
  return status === 0 ? undefined : readFileSync(errors, "utf8").trim() || (error?.message ?? `exit status ${status}`);
}
