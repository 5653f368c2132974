/** Converts the flags of `update` to resources of a configuration. */

import { parseBytes } from "./sizes.js";
import { usageError } from "./usage.js";

/** The type of a flag's value. */
type Kind = "integer" | "bytes" | "text";

interface LimitFlag {
  /** Pointer of the member below `/linux/resources`. */
  pointer: string;
  kind: Kind;
}

const FLAGS: Readonly<Record<string, LimitFlag>> = {
  "blkio-weight": { pointer: "/blockIO/weight", kind: "integer" },
  "cpu-period": { pointer: "/cpu/period", kind: "integer" },
  "cpu-quota": { pointer: "/cpu/quota", kind: "integer" },
  "cpu-burst": { pointer: "/cpu/burst", kind: "integer" },
  "cpu-share": { pointer: "/cpu/shares", kind: "integer" },
  "cpu-rt-period": { pointer: "/cpu/realtimePeriod", kind: "integer" },
  "cpu-rt-runtime": { pointer: "/cpu/realtimeRuntime", kind: "integer" },
  "cpu-idle": { pointer: "/cpu/idle", kind: "integer" },
  "cpuset-cpus": { pointer: "/cpu/cpus", kind: "text" },
  "cpuset-mems": { pointer: "/cpu/mems", kind: "text" },
  memory: { pointer: "/memory/limit", kind: "bytes" },
  "memory-reservation": { pointer: "/memory/reservation", kind: "bytes" },
  "memory-swap": { pointer: "/memory/swap", kind: "bytes" },
  "kernel-memory": { pointer: "/memory/kernel", kind: "bytes" },
  "kernel-memory-tcp": { pointer: "/memory/kernelTCP", kind: "bytes" },
  "pids-limit": { pointer: "/pids/limit", kind: "integer" },
};

/** The names of the flags. */
export function limitFlagNames(): string[] {
  return Object.keys(FLAGS);
}

/** The flag for a field of the resources, such as `--memory`; the pointer itself if there is none. */
export function limitFlagName(pointer: string): string {
  const found = Object.entries(FLAGS).find(([, flag]) => `/linux/resources${flag.pointer}` === pointer);
  return found ? `--${found[0]}` : pointer;
}

/**
 * The resources that the flags set, as JSON. Empty values are skipped. Numbers keep all their digits.
 * @throws RuntimeError on an invalid number
 */
export function limitsOf(values: Readonly<Record<string, string>>): string {
  const parts = new Map<string, string[]>();
  for (const [name, { pointer, kind }] of Object.entries(FLAGS)) {
    const value = values[name];
    if (value === undefined || value === "") continue;
    const [, part = "", member = ""] = pointer.split("/");
    parts.set(part, [...(parts.get(part) ?? []), `${JSON.stringify(member)}:${jsonOf(name, value, kind)}`]);
  }
  return `{${[...parts].map(([part, members]) => `${JSON.stringify(part)}:{${members.join(",")}}`).join(",")}}`;
}

function jsonOf(flag: string, value: string, kind: Kind): string {
  if (kind === "text") return JSON.stringify(value);
  if (kind === "integer") {
    if (/^-?(0|[1-9][0-9]{0,18})$/.test(value)) return value;
    throw usageError("update", `flag "--${flag}" is a whole number, not ${JSON.stringify(value)}`);
  }
  const bytes = value === "-1" ? -1n : parseBytes(value);
  if (bytes !== undefined) return String(bytes);
  throw usageError("update", `flag "--${flag}" is an amount of memory such as 512m, or -1 for no limit, not ${JSON.stringify(value)}`);
}
