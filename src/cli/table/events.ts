import type { Grammar, Manual } from "../table.js";
import { containerId } from "./shared.js";

export function grammar(): Grammar {
  return {
    arguments: [containerId()],
    flags: [{ name: "interval", value: "DURATION" }, { name: "stats" }],
  };
}

export function manual(): Manual {
  return {
    summary: "print what a container uses, and when it runs out of memory",
    description: `
      Prints one JSON object a line, with the members type, id and data. At each interval type is stats, and data has what the
      cgroups of the container count: cpu, cpuset, memory, pids, blkio and hugetlb. Times are in nanoseconds, amounts in bytes.
      At once when memory runs out, type is oom. Ends when the container stops, when nobody reads the output any more, or by
      a signal.`,
    flags: {
      interval: "Time between two statistics, such as 500ms, 5s (default) or 1m30s.",
      stats: "Print the statistics once, now.",
    },
    example: ["tsrunc events --stats web", "tsrunc events --interval 1s web | grep --line-buffered oom"],
  };
}
