/** The result as Markdown. */

const columns = [
  ["run", "`run`"],
  ["idleRun", "`run` after 50 ms of rest"],
  ["create", "`create`"],
  ["start", "`start`"],
  ["delete", "`delete`"],
  ["lifecycle", "the three"],
  ["version", "`--version`"],
  ["state", "`state`"],
];

const kinds = [
  ["run", "as `spec` writes it"],
  ["dockerRun", "as Docker does, seccomp included"],
  ["unconfinedRun", "as Docker does, without seccomp"],
  ["userNamespaceRun", "in a user namespace"],
  ["unifiedRun", "on cgroup v2"],
];

/** @returns {string} a complete Markdown document */
export function renderReport({ date, host, rounds, subjects, targets }) {
  const present = subjects.filter(({ absent }) => absent === undefined);
  const sections = [
    "# Benchmark",
    `${date.slice(0, 10)}, ${host.kernel}, ${host.cpus} x ${host.cpu}, ${host.memoryMebibytes} MiB. Cgroups: ${host.cgroups}. Load before: ${host.load.toFixed(1)}${host.load > host.cpus / 2 ? " (a busy machine: read ratios, not times)" : ""}.`,
    "One bundle for all: busybox, the config.json of `tsrunc spec` with ociVersion 1.0.2 and no terminal, `/bin/true`. Wall-clock medians in milliseconds from before the fork to wait4; " +
      `the subjects take turns in random order; ${rounds} rounds (${slowCounts(present, rounds)}). Peak RSS: ru_maxrss of \`run\`, the runtime and all it waited for.`,
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
        .filter(({ kind }) => kind === "runtime")
        .map((subject) => [
          subject.name,
          ...kinds.map(([key]) => (subject.measures[key] ? milliseconds(subject.measures[key].medianMilliseconds) : "")),
        ]),
    ),
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
    ...notes(subjects),
  ];
  return `${sections.join("\n\n")}\n`;
}

function slowCounts(subjects, rounds) {
  const slow = subjects.filter((subject) => subject.measures.run && subject.measures.run.count < rounds);
  return slow.map(({ name, measures }) => `${name}: ${measures.run.count}`).join(", ") || "all of them";
}

function ratios(subjects) {
  const floor = subjects.find(({ kind }) => kind === "floor");
  const crun = subjects.find(({ name }) => name === "crun");
  const rows = subjects
    .filter(({ kind, measures }) => kind !== "node" && measures.run)
    .map(({ name, measures }) => [
      name,
      ratio(measures.run, crun?.measures.run),
      ratio(measures.run, floor?.measures.run),
      ratio(measures.idleRun, crun?.measures.idleRun),
      ratio(measures.idleRun, floor?.measures.idleRun),
    ]);
  return table(["", "/ crun", "/ floor", "after rest: / crun", "after rest: / floor"], rows);
}

/** What could not be measured is said, never left out. */
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
