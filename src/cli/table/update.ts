import type { Flag, Grammar, Manual } from "../table.js";
import { containerId } from "./shared.js";

export function grammar(): Grammar {
  const limits = limitFlags();
  const excludes = limits.map(({ name }) => name);
  return {
    arguments: [containerId("created", "running", "paused")],
    flags: [
      { name: "resources", short: "r", value: "FILE", excludes },
      ...limits,
      { name: "l3-cache-schema", value: "LINES" },
      { name: "mem-bw-schema", value: "LINES" },
    ],
  };
}

/** The limits that FILE may have too. */
function limitFlags(): Flag[] {
  return [
    { name: "blkio-weight", value: "N" },
    { name: "cpu-period", value: "N" },
    { name: "cpu-quota", value: "N" },
    { name: "cpu-burst", value: "N" },
    { name: "cpu-share", value: "N" },
    { name: "cpu-rt-period", value: "N" },
    { name: "cpu-rt-runtime", value: "N" },
    { name: "cpu-idle", value: "N" },
    { name: "cpuset-cpus", value: "LIST" },
    { name: "cpuset-mems", value: "LIST" },
    { name: "memory", value: "BYTES" },
    { name: "memory-reservation", value: "BYTES" },
    { name: "memory-swap", value: "BYTES" },
    { name: "pids-limit", value: "N" },
    { name: "kernel-memory", value: "BYTES", hidden: true },
    { name: "kernel-memory-tcp", value: "BYTES", hidden: true },
  ];
}

export function manual(): Manual {
  return {
    summary: "change the limits of a container",
    description: `
      Changes limits of a container that has not stopped. What is not named stays as it is, and so does what is named with 0 or
      an empty value, except --cpu-burst and --cpu-idle; -1 is no limit. BYTES is a number that may have a unit of 1024, such as 512m
      or 1.5GiB. When a value is refused, all limits are as they were before.`,
    flags: {
      resources:
        "File with the limits as JSON, in the form of linux.resources in config.json; - is standard input. Device rules are replaced as a whole. The flags of single limits cannot be given beside it.",
      "blkio-weight": "Share of the disks, 10 to 1000.",
      "cpu-period": "Length of a period in microseconds, in which the quota can be used up.",
      "cpu-quota": "Microseconds of CPU time in each period.",
      "cpu-burst": "Microseconds of unused quota that may be used in a later period; 0 is none.",
      "cpu-share": "Share of the CPUs: 2 to 262144, where 1024 is common.",
      "cpu-rt-period": "The period for real-time processes (cgroup v1).",
      "cpu-rt-runtime": "Microseconds in it that real-time processes may run (cgroup v1).",
      "cpu-idle": "With 1 the container runs only where nobody else wants a CPU, with 0 as others do.",
      "cpuset-cpus": "CPUs that may be used, such as 0-2,4.",
      "cpuset-mems": "Memory nodes that may be used.",
      memory: "Limit of memory.",
      "memory-reservation": "Memory that is left to the container when the host runs short.",
      "memory-swap": "Limit of memory and swap together.",
      "pids-limit": "Limit of the number of processes and threads.",
      "kernel-memory": "Ignored with a warning: the kernel has no such limit any more.",
      "kernel-memory-tcp": "The same.",
      "l3-cache-schema": "Lines of Intel RDT for the level 3 cache, such as L3:0=f.",
      "mem-bw-schema": "Lines of Intel RDT for memory bandwidth, such as MB:0=50.",
    },
    example: ["tsrunc update --memory 512m --cpu-quota 50000 web", `echo '{"pids":{"limit":100}}' | tsrunc update --resources - web`],
  };
}
