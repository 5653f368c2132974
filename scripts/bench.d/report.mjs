/** Renders the result as Markdown. */

const columns = [
  ["run", "`run`"],
  ["idleRun", "`run` after 50 ms idle"],
  ["create", "`create`"],
  ["start", "`start`"],
  ["delete", "`delete`"],
  ["lifecycle", "create + start + delete"],
  ["version", "`--version`"],
  ["state", "`state`"],
  ["ps", "`ps -f json`"],
  ["exec", "`exec`"],
  ["execDetached", "`exec -d`"],
  ["execTerminal", "`exec -t`"],
  ["kill", "`kill 0`"],
  ["list", "`list`"],
];

const kinds = [
  ["run", "as `spec` writes it"],
  ["dockerRun", "as Docker does, seccomp included"],
  ["unconfinedRun", "as Docker does, without seccomp"],
  ["userNamespaceRun", "in a user namespace"],
  ["unifiedRun", "on cgroup v2"],
  ["unifiedIdleRun", "on cgroup v2 after 50 ms idle"],
];

const clientCommands = [
  ["podmanRunClient", "`podman run --rm`"],
  ["podmanExecClient", "`podman exec`"],
  ["dockerRunClient", "`docker run --rm`"],
];

const pretendedMemlock =
  "On cgroup v2 crun raises RLIMIT_MEMLOCK, which is not permitted here and which BPF does not need since Linux 5.11. So there a seccomp filter, " +
  "the same for all subjects, reports success (memlock.c).";

/** @returns {string} a complete Markdown document */
export function renderReport({ date, host, rounds, note, subjects, targets }) {
  const present = subjects.filter(({ absent }) => absent === undefined);
  const sections = [
    "# Benchmark",
    ...(note === undefined ? [] : [note]),
    `${date.slice(0, 10)}, ${host.kernel}, ${host.cpus} x ${host.cpu}, ${host.memoryMebibytes} MiB. Cgroups: ${host.cgroups}. Load before: ${host.load.toFixed(1)}${host.load > host.cpus / 2 ? " (a busy machine: read ratios, not times)" : ""}.`,
    "One bundle for all: busybox, the config.json of `tsrunc spec` with ociVersion 1.0.2 and no terminal, `/bin/true`. Wall-clock medians in milliseconds from before the fork to wait4; " +
      `the subjects take turns in random order; ${rounds} rounds (${slowCounts(present, rounds)}). At least 20 rounds of \`run\`. Peak RSS: the largest ru_maxrss of \`run\`, the runtime and all it waited for.${listedCounts(present)}`,
    table(
      ["", ...columns.map(([, title]) => title), "peak RSS of `run`, KiB", "executable, kB"],
      present.map((subject) => [
        subject.name,
        ...columns.map(([key]) => (subject.measures[key] ? milliseconds(subject.measures[key].medianMilliseconds) : "")),
        subject.measures.run ? `${subject.measures.run.peakKibibytes}` : "",
        `${Math.round(subject.bytes / 1000)}`,
      ]),
    ),
    "Spread, 10th to 90th percentile:",
    table(
      ["", ...columns.map(([, title]) => title)],
      present.map((subject) => [subject.name, ...columns.map(([key]) => spread(subject.measures[key]))]),
    ),
    "`run` of other containers:",
    table(
      ["", ...kinds.map(([, title]) => title)],
      present
        .filter(({ kind }) => kind !== "node")
        .map((subject) => [
          subject.name,
          ...kinds.map(([key]) => (subject.measures[key] ? milliseconds(subject.measures[key].medianMilliseconds) : "")),
        ]),
    ),
    ...clientTable(present),
    "Ratios of `run`:",
    ratios(present),
    "Targets:",
    table(
      ["target", "measured", "limit", "verdict"],
      targets.map(({ name, value, limit, unit, verdict }) => [name, quantity(value, unit), quantity(limit, unit), verdict]),
    ),
    `Versions: ${present
      .filter(({ kind }) => kind !== "floor")
      .map(({ name, version }) => `${name}: ${version}`)
      .join("; ")}.`,
    ...(host.memlock === "raised" ? [] : [pretendedMemlock]),
    ...notes(subjects),
  ];
  return `${sections.join("\n\n")}\n`;
}

/** The clients' commands with each runtime, if they were measured. */
function clientTable(present) {
  const measured = present.filter(({ measures }) => clientCommands.some(([key]) => measures[key]));
  if (measured.length === 0) return [];
  const cell = (summary) => (summary ? `${milliseconds(summary.medianMilliseconds)} (${spread(summary)})` : "");
  const rows = measured.map((subject) => [subject.name, ...clientCommands.map(([key]) => cell(subject.measures[key]))]);
  return ["Clients with each runtime, median and spread:", table(["", ...clientCommands.map(([, title]) => title)], rows)];
}

function slowCounts(subjects, rounds) {
  const slow = subjects.filter((subject) => subject.measures.run && subject.measures.run.count < rounds);
  return slow.map(({ name, measures }) => `${name}: ${measures.run.count}`).join(", ") || "all of them";
}

/** States the number of containers, which is lower with few rounds and for slow subjects. */
function listedCounts(subjects) {
  const counts = subjects.filter(({ measures }) => measures.list).map(({ name, listed }) => `${name}: ${listed}`);
  return counts.length === 0 ? "" : ` Containers that \`list\` shows: ${counts.join(", ")}.`;
}

function ratios(subjects) {
  const floor = subjects.find(({ kind }) => kind === "floor");
  const crun = subjects.find(({ name }) => name === "crun");
  const measured = [
    ["run", ""],
    ["idleRun", "after idling: "],
    ["unifiedRun", "on cgroup v2: "],
    ["unifiedIdleRun", "on cgroup v2 after idling: "],
  ].filter(([key]) => subjects.some(({ kind, measures }) => kind === "runtime" && measures[key]));
  const rows = subjects
    .filter(({ kind }) => kind !== "node")
    .map(({ name, measures }) => [
      name,
      ...measured.flatMap(([key]) => [crun, floor].map((other) => ratio(measures[key], other?.measures[key]))),
    ]);
  return table(["", ...measured.flatMap(([, title]) => [`${title}/ crun`, `${title}/ floor`])], rows);
}

/** Lists what could not be measured, with the reasons. */
function notes(subjects) {
  const absent = subjects
    .filter((subject) => subject.absent !== undefined)
    .map(({ name, absent: reason }) => `- ${name}: absent (${reason})`);
  const failed = subjects.flatMap(({ name, failures }) =>
    Object.entries(failures).map(([measure, reason]) => `- ${name}: \`${measure}\` failed: ${reason.replaceAll("\n", " / ")}`),
  );
  const lines = [...absent, ...failed];
  return lines.length === 0 ? [] : [`Not measured:\n\n${lines.join("\n")}`];
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}

function milliseconds(value) {
  return value.toFixed(2);
}

function spread(summary) {
  return summary ? `${milliseconds(summary.p10Milliseconds)} to ${milliseconds(summary.p90Milliseconds)}` : "";
}

function ratio(own, other) {
  return own && other ? (own.medianMilliseconds / other.medianMilliseconds).toFixed(2) : "";
}

function quantity(value, unit) {
  return value === undefined ? "" : `${unit === "KiB" ? value : value.toFixed(2)} ${unit}`;
}
