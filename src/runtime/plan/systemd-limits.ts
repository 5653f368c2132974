/**
 * Limits as properties of a unit (systemd.resource-control(5)). At every `daemon-reload` and `set-property` systemd rewrites the files for
 * which it has properties, so values that are not set as properties are lost.
 */

import type { RuntimeError } from "../errors.js";
import type { CgroupWrite, SystemdFacts, UnitProperty } from "../generated/plan.js";
import { quote } from "../spec/fault.js";
import { isNumberList, numbersOf } from "../spec/number-list.js";
import { NO_LIMIT, bitsOf, parseBandwidth, parseInteger, parseSize } from "./cgroup-values.js";
import type { BusTyped } from "./gvariant.js";
import { refused } from "./limit-error.js";
import { lastComponent } from "./paths.js";
import { weightProperties } from "./systemd-weights.js";

export interface LimitFacts extends Pick<SystemdFacts, "version" | "bfq" | "oomPolicy"> {
  /** The limits are those of cgroup v2. */
  v2: boolean;
}

export interface UnitLimits {
  properties: UnitProperty[];
  /** The writes that remain after systemd has set the properties. */
  writes: CgroupWrite[];
}

const MICROSECONDS = 1_000_000n;
/** systemd's granularity of quotas: 10 ms per second. */
const QUOTA_STEP = 10_000n;
const DEFAULT_PERIOD = 100_000n;
/** The kernel's minimum, which systemd writes for smaller values. */
const LEAST_QUOTA = 1000n;

/** A property whose value is the number in a file. */
interface NumberProperty {
  name: string;
  /** The first version of systemd that has it. Older ones do not touch the file. */
  since?: number;
  parse: (text: string) => bigint | undefined;
  /** systemd's range; the greatest number means no limit. */
  range: readonly [least: bigint, greatest: bigint];
  /** The range as text, for error messages. */
  allowed: string;
}

const BYTES = { parse: parseSize, range: [0n, NO_LIMIT], allowed: '"max" or a number of bytes such as 67108864 or 64M' } as const;
const MORE_THAN_ZERO = { ...BYTES, range: [1n, NO_LIMIT], allowed: '"max" or a number of bytes above 0 such as 67108864 or 64M' } as const;

const NUMBERS: Readonly<Record<string, NumberProperty>> = {
  "memory.max": { name: "MemoryMax", ...MORE_THAN_ZERO },
  "memory.high": { name: "MemoryHigh", ...MORE_THAN_ZERO },
  "memory.low": { name: "MemoryLow", ...BYTES },
  "memory.min": { name: "MemoryMin", since: 240, ...BYTES },
  "memory.swap.max": { name: "MemorySwapMax", ...BYTES },
  "memory.zswap.max": { name: "MemoryZSwapMax", since: 253, ...BYTES },
  "pids.max": { name: "TasksMax", parse: parseInteger, range: [1n, NO_LIMIT], allowed: '"max" or a number above 0' },
  "cpu.weight": { name: "CPUWeight", parse: parseInteger, range: [1n, 10_000n], allowed: "1 to 10000" },
};

/** The same for cgroup v1, whose files use -1 for no limit. systemd itself refuses values out of range. */
const V1_NUMBERS: Readonly<Record<string, string>> = {
  "memory.limit_in_bytes": "MemoryLimit",
  "cpu.shares": "CPUShares",
  "blkio.weight": "BlockIOWeight",
  "pids.max": "TasksMax",
};

/** A property whose value is a set of CPUs or memory nodes. On cgroup v1 systemd has no cpusets. */
const SETS: Readonly<Record<string, string>> = { "cpuset.cpus": "AllowedCPUs", "cpuset.mems": "AllowedMemoryNodes" };
const SETS_SINCE = 244;
const QUOTA_PERIOD_SINCE = 242;
const IDLE_SINCE = 252;
const ZSWAP_WRITEBACK_SINCE = 256;

/**
 * The limits among `writes` as properties. A later write overrides an earlier one, as in the files. Limits without a property are only
 * written to the files, which systemd does not touch then.
 * @throws RuntimeError on a value that systemd would overwrite: it is not valid for the file, or systemd cannot express it
 */
export function planUnitLimits(writes: readonly CgroupWrite[], facts: LimitFacts): UnitLimits {
  const properties = new Map<string, UnitProperty>();
  const add = (name: string, { pointer }: CgroupWrite, typed: BusTyped): void => void properties.set(name, { name, ...typed, pointer });
  const effective = writes.flatMap((write) => effectiveWrites(write, facts));
  for (const write of effective) {
    if (facts.v2) addLimit(write, facts, add);
    else addV1Limit(write, add);
  }
  if (facts.v2) for (const property of weightProperties(effective)) properties.set(property.name, property);
  const left = addIdle(addQuota(writes, facts, add), facts, add);
  return { properties: [...properties.values()], writes: left };
}

type AddProperty = (name: string, write: CgroupWrite, typed: BusTyped) => void;

/** A write, or its replacement if the kernel has no such file. */
function effectiveWrites(write: CgroupWrite, { bfq }: LimitFacts): readonly CgroupWrite[] {
  const isMissing = lastComponent(write.path) === "io.bfq.weight" && !bfq;
  return isMissing ? (write.ifMissing ?? [write]) : [write];
}

function addLimit(write: CgroupWrite, { version, oomPolicy }: LimitFacts, add: AddProperty): void {
  const file = lastComponent(write.path);
  const number = NUMBERS[file];
  const set = SETS[file];
  if (number !== undefined) {
    const value = number.parse(write.value);
    const [least, greatest] = number.range;
    if (value === undefined || value < least || value > greatest) throw invalidValue(write, number.allowed);
    if (version >= (number.since ?? 0)) add(number.name, write, { signature: "t", value: String(value) });
  } else if (set !== undefined) {
    // An empty value, which `unified` may contain, removes the limit.
    if (write.value.trim() !== "" && !isNumberList(write.value)) throw invalidValue(write, "a list such as 0-2,4");
    if (version >= SETS_SINCE) add(set, write, { signature: "ay", value: bitsOf(numbersOf(write.value)) });
  } else if (file === "memory.oom.group") {
    const kills = booleanOf(write);
    if (oomPolicy) add("OOMPolicy", write, { signature: "s", value: kills ? "kill" : "continue" });
  } else if (file === "memory.zswap.writeback") {
    const value = booleanOf(write);
    if (version >= ZSWAP_WRITEBACK_SINCE) add("MemoryZSwapWriteback", write, { signature: "b", value });
  } else if (file === "cpu.weight.nice") {
    throw refused(write.pointer, 'systemd would undo it, because it has no such property: set "cpu.weight"');
  }
}

function addV1Limit(write: CgroupWrite, add: AddProperty): void {
  const name = V1_NUMBERS[lastComponent(write.path)];
  if (name === undefined || !/^(max|-?[0-9]+)$/.test(write.value)) return;
  const value = write.value === "max" || write.value.startsWith("-") ? String(NO_LIMIT) : write.value;
  add(name, write, { signature: "t", value });
}

function booleanOf(write: CgroupWrite): boolean {
  const value = parseInteger(write.value);
  if (value !== 0n && value !== 1n) throw invalidValue(write, "0 or 1");
  return value === 1n;
}

/**
 * Adds the quota, rounded up to systemd's granularity, because rounding down would throttle. The rounded value is also written to the file, as
 * runc does, because systemd would write it anyway.
 * @returns the writes with that quota
 */
function addQuota(writes: readonly CgroupWrite[], { v2, version }: LimitFacts, add: AddProperty): CgroupWrite[] {
  let quota: { limit: bigint | undefined; write: CgroupWrite } | undefined;
  let period: { length: bigint; write: CgroupWrite } | undefined;
  for (const write of writes) {
    const file = lastComponent(write.path);
    if (file === "cpu.max" && v2) {
      const bandwidth = parseBandwidth(write.value);
      if (!bandwidth) throw invalidValue(write, '"max" or a number of microseconds, then a period');
      quota = { limit: bandwidth.quota, write };
      if (bandwidth.period !== undefined) period = { length: bandwidth.period, write };
    } else if (file === "cpu.cfs_quota_us" && !v2) {
      quota = { limit: write.value.startsWith("-") ? undefined : BigInt(write.value), write };
    } else if (file === "cpu.cfs_period_us" && !v2) {
      period = { length: BigInt(write.value), write };
    }
  }
  if (period && version >= QUOTA_PERIOD_SINCE) add("CPUQuotaPeriodUSec", period.write, { signature: "t", value: String(period.length) });
  const changed = quota ?? period;
  if (!changed) return [...writes];
  const length = period?.length ?? DEFAULT_PERIOD;
  const limit = quota?.limit;
  const perSecond = limit === undefined || length === 0n ? undefined : roundUp((limit * MICROSECONDS) / length);
  add("CPUQuotaPerSecUSec", changed.write, { signature: "t", value: String(perSecond ?? NO_LIMIT) });
  if (perSecond === undefined) return [...writes];
  const rounded = (perSecond * length) / MICROSECONDS;
  const written = String(rounded < LEAST_QUOTA ? LEAST_QUOTA : rounded);
  return writes.map((write) => (write === quota?.write ? { ...write, value: write.value.replace(/[0-9]+/, written) } : write));
}

function roundUp(quota: bigint): bigint {
  return ((quota + QUOTA_STEP - 1n) / QUOTA_STEP) * QUOTA_STEP;
}

/**
 * Adds cpu.idle, for which systemd uses the weight 0. An idle cgroup has no other weight: the kernel shows 0 and refuses a write.
 * @returns the writes that the kernel accepts for such a cgroup
 */
function addIdle(writes: CgroupWrite[], { v2, version }: LimitFacts, add: AddProperty): CgroupWrite[] {
  const idle = writes.filter(({ path }) => lastComponent(path) === "cpu.idle").at(-1);
  if (!v2 || !idle || !booleanOf(idle) || version < IDLE_SINCE) return writes;
  add("CPUWeight", idle, { signature: "t", value: "0" });
  return writes.filter(({ path }) => lastComponent(path) !== "cpu.weight");
}

function invalidValue(write: CgroupWrite, allowed: string): RuntimeError {
  return refused(write.pointer, `systemd does not take ${quote(write.value)}: allowed is ${allowed}`);
}
