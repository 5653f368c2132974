/** What of a plan systemd can say itself: limits, devices and annotations as properties of a unit (systemd.resource-control(5)). */

import type { CgroupWrite, DeviceRule, UnitProperty } from "../generated/plan.js";
import { parseVariantText } from "./gvariant.js";
import type { BusTyped, BusValue } from "./gvariant.js";
import { SYSTEMD_PREFIX } from "../spec/rare-fields.js";
import { lastComponent } from "./paths.js";

const INFINITY = String(2n ** 64n - 1n);
const MICROSECONDS = 1_000_000n;
/** systemd takes quotas in steps of 10 ms a second. */
const QUOTA_STEP = 10_000n;
const DEFAULT_PERIOD = 100_000n;

/** A property whose value is a number of this file, `max` and -1 being none. */
const NUMBERS: Readonly<Record<string, string>> = {
  "memory.max": "MemoryMax",
  "memory.high": "MemoryHigh",
  "memory.low": "MemoryLow",
  "memory.min": "MemoryMin",
  "memory.swap.max": "MemorySwapMax",
  "pids.max": "TasksMax",
  "cpu.weight": "CPUWeight",
  // cgroup v1
  "memory.limit_in_bytes": "MemoryLimit",
  "cpu.shares": "CPUShares",
  "blkio.weight": "BlockIOWeight",
};

/** A property whose value is a set of CPUs or memory nodes. */
const SETS: Readonly<Record<string, string>> = { "cpuset.cpus": "AllowedCPUs", "cpuset.mems": "AllowedMemoryNodes" };

/**
 * The limits among `writes`, so that systemd knows them and does not undo them when it reloads. A later write overrides an earlier
 * one, as in the files; what is not here is written to the files alone.
 * @param v2 on cgroup v1 systemd has no cpusets
 */
export function limitProperties(writes: readonly CgroupWrite[], v2: boolean): UnitProperty[] {
  const found = new Map<string, UnitProperty>();
  const set = (name: string, pointer: string, { signature, value }: BusTyped): void =>
    void found.set(name, { name, signature, value, pointer });
  let quota: bigint | undefined;
  let period: bigint | undefined;
  for (const { path, value, pointer } of writes.flatMap((write) => [write, ...(write.ifMissing ?? [])])) {
    const file = lastComponent(path);
    const number = NUMBERS[file];
    const cpus = v2 ? SETS[file] : undefined;
    if (number !== undefined && /^(max|-?[0-9]+)$/.test(value)) {
      set(number, pointer, { signature: "t", value: value === "max" || value.startsWith("-") ? INFINITY : value });
    } else if (cpus !== undefined) {
      set(cpus, pointer, { signature: "ay", value: bitMask(value) });
    } else if (file === "io.weight" && value.startsWith("default ")) {
      set("IOWeight", pointer, { signature: "t", value: value.slice("default ".length) });
    } else if (file === "cpu.max" || file === "cpu.cfs_quota_us" || file === "cpu.cfs_period_us") {
      const [first = "", second] = value.split(" ");
      if (file === "cpu.cfs_period_us") period = BigInt(first);
      else quota = first === "max" || first.startsWith("-") ? undefined : BigInt(first);
      if (second !== undefined) period = BigInt(second);
      set("CPUQuotaPerSecUSec", pointer, { signature: "t", value: quotaPerSecond(quota, period ?? DEFAULT_PERIOD) });
      if (period !== undefined) set("CPUQuotaPeriodUSec", pointer, { signature: "t", value: String(period) });
    }
  }
  return [...found.values()];
}

/** Microseconds a second, rounded up: less than asked for would throttle. */
function quotaPerSecond(quota: bigint | undefined, period: bigint): string {
  if (quota === undefined || period === 0n) return INFINITY;
  const exact = (quota * MICROSECONDS) / period;
  return String(((exact + QUOTA_STEP - 1n) / QUOTA_STEP) * QUOTA_STEP);
}

/** `0-2,4` as bits, the lowest byte first. */
function bitMask(list: string): number[] {
  const bytes: number[] = [];
  for (const part of list.split(",")) {
    const [first, last = first] = part.trim().split("-").map(Number);
    for (let bit = first ?? 0; bit <= (last ?? -1); bit++) {
      const index = bit >> 3;
      while (bytes.length <= index) bytes.push(0);
      bytes[index] = (bytes[index] ?? 0) | (1 << (bit & 7));
    }
  }
  return bytes;
}

/**
 * The device rules, where systemd can say them: a list of what is allowed. Otherwise nothing: then only the container's own filter
 * decides, which on cgroup v1 lasts until systemd reloads.
 * @param names text of /proc/devices: systemd names all devices of a major number by their driver
 */
export function deviceProperties(rules: readonly DeviceRule[], names: string): UnitProperty[] {
  const pointer = "/linux/resources/devices";
  const allowed = allowList(rules);
  const entries = allowed?.map((rule) => [deviceName(rule, names), rule.access]).filter((entry) => entry[0] !== undefined);
  if (!entries) return [];
  return [
    { name: "DevicePolicy", signature: "s", value: "strict", pointer },
    { name: "DeviceAllow", signature: "a(ss)", value: entries as string[][], pointer },
  ];
}

/** The rules as exceptions from "nothing", or undefined where they are not such. */
function allowList(rules: readonly DeviceRule[]): DeviceRule[] | undefined {
  let allowed: DeviceRule[] | undefined;
  for (const rule of rules) {
    if (rule.kind === "a") allowed = rule.allow ? undefined : [];
    else if (!allowed) return undefined;
    else if (rule.allow) allowed.push(rule);
    else return undefined;
  }
  return allowed;
}

/** `/dev/char/1:3`, `char-pts` for 136:*, `block-*` for all; undefined where this host has no such driver, and so no such device. */
function deviceName({ kind, major, minor }: DeviceRule, names: string): string | undefined {
  const type = kind === "b" ? "block" : "char";
  if (major === null) return minor === null ? `${type}-*` : undefined;
  if (minor !== null) return `/dev/${type}/${major}:${minor}`;
  const [characters = "", blocks = ""] = names.split(/^Block devices:$/m);
  const line = new RegExp(`^ *${major} (.+)$`, "m").exec(kind === "b" ? blocks : characters);
  return line?.[1] === undefined ? undefined : `${type}-${line[1]}`;
}

/** What the runtime itself must say. */
const RESERVED = ["PIDs", "Slice"];

/** The names in annotations `org.systemd.property.NAME`, whose value is GVariant text. */
export function propertyAnnotationNames(annotations: Readonly<Record<string, string>> | undefined): string[] {
  return Object.keys(annotations ?? {})
    .filter((key) => key.startsWith(SYSTEMD_PREFIX))
    .map((key) => key.slice(SYSTEMD_PREFIX.length));
}

/** Those of a valid configuration as properties. */
export function annotationProperties(annotations: Readonly<Record<string, string>> | undefined): UnitProperty[] {
  return propertyAnnotationNames(annotations).flatMap((name) => {
    const property = propertyOf(name, annotations?.[SYSTEMD_PREFIX + name] as string);
    return typeof property === "string" ? [] : [{ ...property, pointer: `/annotations/${SYSTEMD_PREFIX}${name}` }];
  });
}

/**
 * One property. `NAME` in seconds (`...Sec`) becomes the property in microseconds (`...USec`).
 * @returns what is allowed instead, where name or value is none
 */
export function propertyOf(name: string, text: string): Omit<UnitProperty, "pointer"> | string {
  if (!/^[A-Za-z]{3,}$/.test(name) || RESERVED.includes(name)) {
    return `nothing: after ${SYSTEMD_PREFIX} comes the name of a scope's property, but ${RESERVED.join(" and ")}`;
  }
  const parsed = parseVariantText(text);
  if (!parsed) return "a value in GVariant text such as 'text', true or uint64 5";
  if (!/[a-z]Sec$/.test(name)) return { name, ...parsed };
  const microseconds = inMicroseconds(parsed.value);
  if (microseconds === undefined) return "a number of seconds that is not negative";
  return { name: name.replace(/Sec$/, "USec"), signature: "t", value: microseconds };
}

function inMicroseconds(value: BusValue): string | undefined {
  if (typeof value === "string" && /^[0-9]+$/.test(value)) return String(BigInt(value) * MICROSECONDS);
  if (typeof value !== "number" || !(value >= 0) || value > Number.MAX_SAFE_INTEGER / 1e6) return undefined;
  return String(Math.round(value * 1e6));
}
