/**
 * Shows where one `run` spends its time: divides the system calls of the runtime and its container into phases. Only system calls mark
 * the phases, so this works for every runtime that makes the container with one clone and switches the root with pivot_root.
 *
 * It needs two traces. For the times, strace stops (by a seccomp filter) only at the few calls that delimit phases, which slows the run
 * little. For the calls in each phase, `perf trace` records every call, which makes the run two to three times slower.
 */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { run } from "./measure.mjs";
import { parsePerfTrace, parseStrace } from "./trace.mjs";
import { outputDirectory } from "./compile.mjs";
import { commandEnvironment } from "./workspace.mjs";

const tracedRuns = 25;
/** fsopen(2) alone marks the new mount API: stopping at its dozens of other calls would distort the times. */
const phaseCalls = "execve,execveat,clone,clone3,vfork,mkdir,mkdirat,mount,fsopen,pivot_root,rmdir,unlinkat,exit,exit_group";

const tracers = {
  phases: {
    name: "strace",
    program: "strace",
    options: (file) => ["-f", "--seccomp-bpf", "-ttt", "-T", "-e", `trace=${phaseCalls}`, "-o", file, "--"],
    parse: parseStrace,
  },
  calls: {
    name: "perf trace",
    program: "perf",
    options: (file) => ["trace", "-T", "-o", file, "--"],
    parse: parsePerfTrace,
  },
  /** Decodes paths and structures, for people to read. */
  everything: {
    name: "strace",
    program: "strace",
    options: (file) => ["-f", "-ttt", "-T", "-s", "96", "-o", file, "--"],
    parse: parseStrace,
  },
};

/**
 * Writes profile-NAME.md (phases, most expensive calls) and profile-NAME.trace (every call, decoded) to the output directory.
 * If perf does not work, strace counts the calls.
 * @returns {Promise<string>} the Markdown
 */
export async function writeProfile(workspace, subjects, name, signal) {
  const subject = subjects.find((candidate) => candidate.name === name && candidate.kind !== "node");
  const names = subjects.filter(({ kind }) => kind !== "node").map((known) => known.name);
  if (!subject) throw new Error(`profile "${name}": no such subject; there are ${names.join(", ")}`);
  if (subject.absent !== undefined) throw new Error(`profile "${name}": ${subject.absent}`);
  const command = run(workspace, subject).steps[0].split("\t").slice(2);
  await trace(workspace, tracers.everything, command, join(outputDirectory, `profile-${name}.trace`));
  const callTracer = (await works(workspace, tracers.calls)) ? tracers.calls : tracers.everything;
  const light = [];
  const full = [];
  for (let i = 0; i < tracedRuns; i++) {
    signal.throwIfAborted();
    light.push(phasesOf(await trace(workspace, tracers.phases, command)));
    full.push(countCalls(await trace(workspace, callTracer, command)));
  }
  const markdown = render(subject, callTracer, { light, full });
  writeFileSync(join(outputDirectory, `profile-${name}.md`), markdown);
  return markdown;
}

/** An installed perf may lack the permission to trace, or not match the kernel. */
async function works(workspace, tracer) {
  if (spawnSync(tracer.program, ["--version"], { stdio: "ignore" }).error) return false;
  try {
    return (await trace(workspace, tracer, ["/bin/true"])).length > 0;
  } catch {
    return false; // the caller falls back to strace
  }
}

async function trace(workspace, tracer, command, file = join(workspace.directory, "trace")) {
  const argv = [...tracer.options(file), ...command];
  const child = spawn(tracer.program, argv, { stdio: ["ignore", "ignore", "inherit"], env: commandEnvironment });
  const [status] = await once(child, "close").catch((error) => [error.message]);
  if (status !== 0) throw new Error(`trace "${command.join(" ")}" with ${tracer.name}: ${status}`);
  return tracer.parse(readFileSync(file, "utf8"));
}

/**
 * Divides one trace into phases. A phase lasts until the next phase of the same process begins.
 * @returns {{key: string, process: number, from: number, to: number}[]} milliseconds
 */
function phasesOf(events) {
  const runtime = events[0].process;
  const pivot = events.find(({ call }) => call === "pivot_root");
  if (!pivot) throw new Error("profile the run: its trace has no pivot_root");
  const container = pivot.process;
  const first = (process, calls, after = 0) =>
    events.find((event) => event.process === process && calls.includes(event.call) && event.start >= after);
  const clone = events.findLast(({ call, start }) => ["clone", "clone3", "vfork"].includes(call) && start < pivot.start);
  const program = first(container, ["execve", "execveat"], pivot.start);
  const ends = events.filter(({ call }) => call === "exit_group");
  const end = (process) => (ends.find((event) => event.process === process) ?? events.at(-1)).start;
  const cleared = first(runtime, ["rmdir", "unlinkat"], program.start);
  const chain = (role, process, points, last) =>
    points
      .filter(([, event]) => event !== undefined)
      .map(([name, from], index, kept) => ({
        key: `${role}: ${name}`,
        process,
        from,
        to: kept[index + 1]?.[1] ?? last,
      }));
  return [
    ...chain(
      "runtime",
      runtime,
      [
        ["load, read the configuration, plan", events[0].start],
        ["state directory and cgroups", first(runtime, ["mkdir", "mkdirat"])?.start],
        ["clone", clone.start],
        ["while the container runs", clone.start + clone.duration],
        ["clean up", cleared?.start],
      ],
      end(runtime),
    ),
    ...chain(
      "container",
      container,
      [
        ["clone, join, prepare", clone.start],
        ["mounts and devices", first(container, ["mount", "fsopen"])?.start],
        ["root switch, masks, attributes, wait for start", pivot.start],
        ["program", program.start],
      ],
      end(container),
    ),
  ];
}

/**
 * @returns {{phases: {key: string, calls: number, inCalls: number}[], calls: Map<string, {milliseconds: number, count: number}>}}
 */
function countCalls(events) {
  const cuts = phasesOf(events);
  const phases = cuts.map(({ key, process, from, to }) => {
    const own = events.filter((event) => event.process === process && event.start >= from && event.start < to);
    return { key, calls: own.length, inCalls: own.reduce((sum, { duration }) => sum + duration, 0) };
  });
  const roles = new Map(cuts.map(({ key, process }) => [process, key.split(":")[0]]));
  const calls = new Map();
  for (const { process, call, duration } of events) {
    const key = `${roles.get(process) ?? "other"}: ${call}`;
    const sum = calls.get(key) ?? { milliseconds: 0, count: 0 };
    calls.set(key, { milliseconds: sum.milliseconds + duration, count: sum.count + 1 });
  }
  return { phases, calls };
}

function render({ name, version }, callTracer, { light, full }) {
  const phaseRows = light[0].map(({ key }) => {
    const wall = median(light.flatMap((phases) => phases.filter((phase) => phase.key === key)).map(({ from, to }) => to - from));
    const own = full.flatMap(({ phases }) => phases.filter((phase) => phase.key === key));
    const [calls, inCalls] = [median(own.map((phase) => phase.calls)), median(own.map((phase) => phase.inCalls))];
    return `| ${key} | ${wall.toFixed(3)} | ${calls} | ${inCalls.toFixed(3)} |`;
  });
  const callRows = [...full[0].calls.keys()]
    .map((key) => {
      const own = full.map(({ calls }) => calls.get(key) ?? { milliseconds: 0, count: 0 });
      return {
        key,
        milliseconds: median(own.map((sum) => sum.milliseconds)),
        count: median(own.map((sum) => sum.count)),
      };
    })
    .sort((a, b) => b.milliseconds - a.milliseconds)
    .slice(0, 25)
    .map(({ key, milliseconds, count }) => `| ${key} | ${count} | ${milliseconds.toFixed(3)} |`);
  return [
    `# Timeline of \`${name} run\` (${version})`,
    `Medians of ${light.length} runs, in milliseconds. "wall" is from strace, which stops only at phase boundaries. Calls and the time in them ` +
      `are from ${callTracer.name}, and include waiting and the tracer's own cost (about 0.01 a call). The container's phases run in parallel with the runtime's.`,
    ["| phase | wall | calls | in calls |", "| --- | ---: | ---: | ---: |", ...phaseRows].join("\n"),
    ["| call | count | total |", "| --- | ---: | ---: |", ...callRows].join("\n"),
    "",
  ].join("\n\n");
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
