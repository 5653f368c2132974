/** Compares the measurements with the project's own targets. */

/**
 * @typedef {object} Target
 * @property {string} name
 * @property {number | undefined} value undefined if not measured
 * @property {number | undefined} limit in `unit`; undefined if the other side was not measured
 * @property {string} unit
 * @property {"met" | "missed" | "not measured"} verdict
 */

/** @returns {Target[]} */
export function judgeTargets(subjects) {
  const by = (name) => subjects.find((subject) => subject.name === name);
  const milliseconds = (name, measure = "run") => by(name)?.measures[measure]?.medianMilliseconds;
  const peak = (name) => by(name)?.measures.run?.peakKibibytes;
  const plus = (...terms) => (terms.includes(undefined) ? undefined : terms.reduce((sum, term) => sum + term, 0));
  const times = (factor, value) => (value === undefined ? undefined : factor * value);
  const bytes = by("tsrunc")?.bytes;
  return [
    judge("run of tsrunc, at most 0.6 x crun's", milliseconds("tsrunc"), times(0.6, milliseconds("crun")), "ms"),
    judge("exec of tsrunc, at most 0.6 x crun's", milliseconds("tsrunc", "exec"), times(0.6, milliseconds("crun", "exec")), "ms"),
    judge(
      "exec -t of tsrunc, at most 0.6 x crun's",
      milliseconds("tsrunc", "execTerminal"),
      times(0.6, milliseconds("crun", "execTerminal")),
      "ms",
    ),
    ...["state", "kill"].map((name) =>
      judge(`${name} of tsrunc, at most 0.5 x crun's`, milliseconds("tsrunc", name), times(0.5, milliseconds("crun", name)), "ms"),
    ),
    judge(
      `list of tsrunc with ${by("tsrunc")?.listed ?? 200} containers, at most 0.5 x crun's`,
      milliseconds("tsrunc", "list"),
      times(0.5, milliseconds("crun", "list")),
      "ms",
    ),
    judge("run of tsrunc, at most 1.7 x the floor", milliseconds("tsrunc"), times(1.7, milliseconds("floor")), "ms"),
    ...[
      ["dockerRun", "with Docker's default configuration"],
      ["userNamespaceRun", "in a user namespace"],
      ["unifiedRun", "on cgroup v2"],
    ].map(([measure, kind]) =>
      judge(
        `run of tsrunc ${kind}, at most 0.6 x crun's`,
        milliseconds("tsrunc", measure),
        times(0.6, milliseconds("crun", measure)),
        "ms",
      ),
    ),
    ...[
      ["podmanRunClient", "podman run --rm"],
      ["podmanExecClient", "podman exec"],
      ["dockerRunClient", "docker run --rm"],
    ]
      .filter(([measure]) => by("crun")?.measures[measure])
      .map(([measure, command]) =>
        judge(`${command} with tsrunc, at most with crun`, milliseconds("tsrunc", measure), milliseconds("crun", measure), "ms"),
      ),
    judge(
      "a seccomp profile that is cached, at most 0.3 ms",
      plus(milliseconds("tsrunc", "dockerRun"), times(-1, milliseconds("tsrunc", "unconfinedRun"))),
      0.3,
      "ms",
    ),
    // The complete command line costs 380 KiB of pages beside those in use. The goal is to get back to crun's peak.
    judge("peak RSS of tsrunc's run, at most 1.1 x crun's", peak("tsrunc"), times(1.1, peak("crun")), "KiB"),
    judge(
      "run of tsrunc-node, at most tsrunc's + bare Node's start + 15 ms",
      milliseconds("tsrunc-node"),
      plus(milliseconds("tsrunc"), milliseconds("node -e 0"), 15),
      "ms",
    ),
    judge("size of tsrunc, with all commands at most 6 MB", bytes ? bytes / 1e6 : undefined, 6, "MB"),
  ];
}

/**
 * Counts what does not depend on the load of the machine: whether each of our measures was taken, and the targets that are not times.
 * @returns {{passed: number, failed: number}}
 */
export function countOutcome(subjects, targets) {
  const ours = subjects.filter(({ name, kind }) => kind === "floor" || name.startsWith("tsrunc"));
  const untimed = targets.filter(({ unit }) => unit !== "ms");
  const taken = ours.flatMap(({ measures }) => Object.keys(measures)).length;
  const missing = ours.flatMap(({ absent, failures }) => (absent === undefined ? Object.keys(failures) : [absent])).length;
  const met = untimed.filter(({ verdict }) => verdict === "met").length;
  return { passed: taken + met, failed: missing + untimed.length - met };
}

function judge(name, value, limit, unit) {
  if (value === undefined || limit === undefined) return { name, value, limit, unit, verdict: "not measured" };
  return { name, value, limit, unit, verdict: value <= limit ? "met" : "missed" };
}
