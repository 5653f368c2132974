/**
 * Where the time of one `run` goes: the system calls of the runtime and its container, cut into phases. The phases are told
 * from the calls alone, so they hold for every runtime that makes the container with one clone. Traced with `perf trace`,
 * which makes a command two to three times slower, or else with strace (more): read the shares, not the times.
 */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { run } from "./measure.mjs";
import { parsePerfTrace, parseStrace } from "./trace.mjs";
import { commandEnvironment, outputDirectory } from "./workspace.mjs";

const tracedRuns = 15;

/** What begins a phase, in order of time: the first call that matches ends the phase before. Given: the call, the one before, the phases begun. */
const runtimePhases = [
  { name: "load, read the configuration, plan", begins: () => true },
  { name: "state directory and cgroups", begins: ({ call }) => /^mkdir(at)?$/.test(call) },
  { name: "clone", begins: isClone },
  { name: "while the container runs", begins: (_, previous) => isClone(previous) },
  {
    name: "take down",
    begins: ({ call }) => /^(rmdir|unlinkat)$/.test(call),
  },
];
const containerPhases = [
  { name: "join, prepare", begins: () => true },
  { name: "mounts and devices", begins: ({ call }) => /^(mount|fsopen|open_tree|move_mount)$/.test(call) },
  { name: "root switch, masks, process attributes", begins: ({ call }) => call === "pivot_root" },
  // not the exec of a runtime's own init, which comes before the root is switched
  { name: "program", begins: ({ call }, _, begun) => begun === 3 && /^execve(at)?$/.test(call) },
];

/**
 * Writes profile-NAME.md (phases, dearest calls) and profile-NAME.trace (the last raw trace, with strace's decoded arguments
 * where strace is installed) to the output directory.
 * @returns {Promise<string>} the Markdown
 */
export async function writeProfile(workspace, subjects, name, signal) {
  const subject = subjects.find((candidate) => candidate.name === name);
  if (!subject)
    throw new Error(`profile "${name}": no such subject; there are ${subjects.map((known) => known.name).join(", ")}`);
  if (subject.absent !== undefined) throw new Error(`profile "${name}": ${subject.absent}`);
  const command = run(workspace, subject).steps[0].split("\t").slice(2);
  const tracer = await pickTracer(workspace);
  const runs = [];
  for (let i = 0; i < tracedRuns; i++) {
    signal.throwIfAborted();
    runs.push(analyse(await trace(workspace, tracer, command)));
  }
  const rawFile = join(outputDirectory, `profile-${name}.trace`);
  const raw = tracers.find((candidate) => candidate.name === "strace" && isInstalled(candidate)) ?? tracer;
  await trace(workspace, raw, command, rawFile);
  const markdown = render(subject, tracer, runs);
  writeFileSync(join(outputDirectory, `profile-${name}.md`), markdown);
  return markdown;
}

const tracers = [
  { name: "perf trace", program: "perf", options: (file) => ["trace", "-T", "-o", file, "--"], parse: parsePerfTrace },
  { name: "strace", program: "strace", options: (file) => ["-f", "-ttt", "-T", "-o", file, "--"], parse: parseStrace },
];

function isInstalled({ program }) {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).error === undefined;
}

/** perf may be installed and yet not be allowed to, or not fit the kernel: it has to trace something first. */
async function pickTracer(workspace) {
  for (const tracer of tracers.filter(isInstalled)) {
    try {
      if ((await trace(workspace, tracer, ["/bin/true"])).length > 0) return tracer;
    } catch {
      continue; // the next one may work
    }
  }
  throw new Error("trace a run: neither perf nor strace works here (Debian: linux-perf, strace)");
}

async function trace(workspace, tracer, command, file = join(workspace.directory, "trace")) {
  const child = spawn(tracer.program, [...tracer.options(file), ...command], {
    stdio: ["ignore", "ignore", "inherit"],
    env: commandEnvironment,
  });
  const [status] = await once(child, "close");
  if (status !== 0) throw new Error(`trace "${command.join(" ")}" with ${tracer.name}: exit status ${status}`);
  return tracer.parse(readFileSync(file, "utf8"));
}

/**
 * Cuts one trace into phases.
 * @returns {{phases: {key: string, wall: number, inCalls: number, calls: number}[], calls: Map<string, {milliseconds: number, count: number}>}}
 */
function analyse(events) {
  const runtime = events[0].process;
  const clone = events.find((event) => event.process === runtime && isClone(event) && event.result > 0);
  const container = clone ? initOf(events, clone) : undefined;
  const end = (process) =>
    Math.max(...events.filter((event) => event.process === process).map(({ start, duration }) => start + duration));
  const phases = cut(
    "runtime",
    runtimePhases,
    events.filter((event) => event.process === runtime),
    end(runtime),
  );
  if (container !== undefined)
    phases.push(
      ...cut(
        "container",
        containerPhases,
        events.filter((event) => event.process === container),
        end(container),
      ),
    );
  const calls = new Map();
  for (const { process, call, duration } of events) {
    const role = process === runtime ? "runtime" : process === container ? "container" : "other";
    const key = `${role}: ${call}`;
    const sum = calls.get(key) ?? { milliseconds: 0, count: 0 };
    calls.set(key, { milliseconds: sum.milliseconds + duration, count: sum.count + 1 });
  }
  return { phases, calls };
}

/** The container's first process: the one that switches the root. */
function initOf(events, clone) {
  return events.find(({ call }) => call === "pivot_root")?.process ?? clone.result;
}

function isClone(event) {
  return event !== undefined && /^(clone3?|vfork|fork)$/.test(event.call) && !/THREAD/.test(event.args);
}

function cut(role, rules, events, end) {
  const phases = [];
  let next = 0;
  events.forEach((event, index) => {
    const following = rules.findIndex(
      (rule, position) => position >= next && rule.begins(event, events[index - 1], next),
    );
    if (following >= 0) {
      phases.push({ key: `${role}: ${rules[following].name}`, start: event.start, inCalls: 0, calls: 0 });
      next = following + 1;
    }
    const phase = phases.at(-1);
    phase.inCalls += event.duration;
    phase.calls += 1;
  });
  return phases.map(({ start, ...phase }, index) => ({ ...phase, wall: (phases[index + 1]?.start ?? end) - start }));
}

function render({ name, version }, tracer, runs) {
  const keys = runs[0].phases.map(({ key }) => key);
  const phaseRows = keys.map((key) => {
    const of = runs
      .map(({ phases }) => phases.find((phase) => phase.key === key))
      .filter((phase) => phase !== undefined);
    const cell = (field) => median(of.map((phase) => phase[field]));
    return `| ${key} | ${cell("wall").toFixed(3)} | ${cell("inCalls").toFixed(3)} | ${(cell("wall") - cell("inCalls")).toFixed(3)} | ${cell("calls")} |`;
  });
  const callRows = [...runs[0].calls.keys()]
    .map((key) => {
      const of = runs.map(({ calls }) => calls.get(key) ?? { milliseconds: 0, count: 0 });
      return {
        key,
        milliseconds: median(of.map((call) => call.milliseconds)),
        count: median(of.map((call) => call.count)),
      };
    })
    .sort((a, b) => b.milliseconds - a.milliseconds)
    .slice(0, 25)
    .map(({ key, milliseconds, count }) => `| ${key} | ${milliseconds.toFixed(3)} | ${count} |`);
  return [
    `# Timeline of \`${name} run\` (${version})`,
    `Medians of ${runs.length} runs under ${tracer.name}, in milliseconds. "own" is the time between the system calls: the program's own code, ` +
      "its page faults, and what the tracer costs at each call (about 0.01). " +
      "The container's phases overlap the runtime's.",
    ["| phase | wall | in calls | own | calls |", "| --- | ---: | ---: | ---: | ---: |", ...phaseRows].join("\n"),
    ["| call | total | count |", "| --- | ---: | ---: |", ...callRows].join("\n"),
    "",
  ].join("\n\n");
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
