/**
 * Limits as properties of a unit (systemd.resource-control(5)). systemd writes the files that it has properties for anew at every
 * `daemon-reload` and `set-property`: what it was not told is lost then.
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
  /** What is left to write once systemd has set the properties. */
  writes: CgroupWrite[];
}

const MICROSECONDS = 1_000_000n;
/** systemd takes quotas in steps of 10 ms a second. */
const QUOTA_STEP = 10_000n;
const DEFAULT_PERIOD = 100_000n;
/** What the kernel takes, and systemd writes where its steps come out below. */
const LEAST_QUOTA = 1000n;

/** A property whose value is the number in a file. */
interface NumberProperty {
  name: string;
  /** The first version of systemd that has it. An older one leaves the file alone. */
  since?: number;
  parse: (text: string) => bigint | undefined;
  /** What systemd takes; the greatest number means no limit. */
  range: readonly [least: bigint, greatest: bigint];
  /** The same in words, for the message of a value that is none. */
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

/** The same on cgroup v1, whose files take -1 for no limit. What does not fit systemd itself refuses. */
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
 * The limits among `writes` as properties. A later write overrides an earlier one, as in the files. What systemd has no property for
 * is written to the files alone, and systemd leaves it there.
 * @throws RuntimeError on a value that systemd would undo: it is none of the file's, or systemd cannot say it
 */
export function planUnitLimits(writes: readonly CgroupWrite[], facts: LimitFacts): UnitLimits {
  const properties = new Map<string, UnitProperty>();
  const tell = (name: string, { pointer }: CgroupWrite, typed: BusTyped): void => void properties.set(name, { name, ...typed, pointer });
  const effective = writes.flatMap((write) => whatIsWritten(write, facts));
  for (const write of effective) {
    if (facts.v2) tellLimit(write, facts, tell);
    else tellV1Limit(write, tell);
  }
  if (facts.v2) for (const property of weightProperties(effective)) properties.set(property.name, property);
  const left = tellIdle(tellQuota(writes, facts, tell), facts, tell);
  return { properties: [...properties.values()], writes: left };
}

type Tell = (name: string, write: CgroupWrite, typed: BusTyped) => void;

/** A write, or what takes its place where the kernel has no such file. */
function whatIsWritten(write: CgroupWrite, { bfq }: LimitFacts): readonly CgroupWrite[] {
  const isMissing = lastComponent(write.path) === "io.bfq.weight" && !bfq;
  return isMissing ? (write.ifMissing ?? [write]) : [write];
}

function tellLimit(write: CgroupWrite, { version, oomPolicy }: LimitFacts, tell: Tell): void {
  const file = lastComponent(write.path);
  const number = NUMBERS[file];
  const set = SETS[file];
  if (number !== undefined) {
    const value = number.parse(write.value);
    const [least, greatest] = number.range;
    if (value === undefined || value < least || value > greatest) throw notTaken(write, number.allowed);
    if (version >= (number.since ?? 0)) tell(number.name, write, { signature: "t", value: String(value) });
  } else if (set !== undefined) {
    // An empty one, which `unified` may have, takes the limit away.
    if (write.value.trim() !== "" && !isNumberList(write.value)) throw notTaken(write, "a list such as 0-2,4");
    if (version >= SETS_SINCE) tell(set, write, { signature: "ay", value: bitsOf(numbersOf(write.value)) });
  } else if (file === "memory.oom.group") {
    const kills = booleanOf(write);
    if (oomPolicy) tell("OOMPolicy", write, { signature: "s", value: kills ? "kill" : "continue" });
  } else if (file === "memory.zswap.writeback") {
    const value = booleanOf(write);
    if (version >= ZSWAP_WRITEBACK_SINCE) tell("MemoryZSwapWriteback", write, { signature: "b", value });
  } else if (file === "cpu.weight.nice") {
    throw refused(write.pointer, 'systemd would undo it, because it has no such property: set "cpu.weight"');
  }
}

function tellV1Limit(write: CgroupWrite, tell: Tell): void {
  const name = V1_NUMBERS[lastComponent(write.path)];
  if (name === undefined || !/^(max|-?[0-9]+)$/.test(write.value)) return;
  const value = write.value === "max" || write.value.startsWith("-") ? String(NO_LIMIT) : write.value;
  tell(name, write, { signature: "t", value });
}

function booleanOf(write: CgroupWrite): boolean {
  const value = parseInteger(write.value);
  if (value !== 0n && value !== 1n) throw notTaken(write, "0 or 1");
  return value === 1n;
}

/**
 * The quota, rounded up to what systemd can say: less than asked for would throttle. It is written so, too, as runc does, because
 * systemd would write the rounded one anyway.
 * @returns the writes with that quota
 */
function tellQuota(writes: readonly CgroupWrite[], { v2, version }: LimitFacts, tell: Tell): CgroupWrite[] {
  let quota: { limit: bigint | undefined; write: CgroupWrite } | undefined;
  let period: { length: bigint; write: CgroupWrite } | undefined;
  for (const write of writes) {
    const file = lastComponent(write.path);
    if (file === "cpu.max" && v2) {
      const bandwidth = parseBandwidth(write.value);
      if (!bandwidth) throw notTaken(write, '"max" or a number of microseconds, then a period');
      quota = { limit: bandwidth.quota, write };
      if (bandwidth.period !== undefined) period = { length: bandwidth.period, write };
    } else if (file === "cpu.cfs_quota_us" && !v2) {
      quota = { limit: write.value.startsWith("-") ? undefined : BigInt(write.value), write };
    } else if (file === "cpu.cfs_period_us" && !v2) {
      period = { length: BigInt(write.value), write };
    }
  }
  if (period && version >= QUOTA_PERIOD_SINCE) tell("CPUQuotaPeriodUSec", period.write, { signature: "t", value: String(period.length) });
  const changed = quota ?? period;
  if (!changed) return [...writes];
  const length = period?.length ?? DEFAULT_PERIOD;
  const limit = quota?.limit;
  const perSecond = limit === undefined || length === 0n ? undefined : roundUp((limit * MICROSECONDS) / length);
  tell("CPUQuotaPerSecUSec", changed.write, { signature: "t", value: String(perSecond ?? NO_LIMIT) });
  if (perSecond === undefined) return [...writes];
  const rounded = (perSecond * length) / MICROSECONDS;
  const written = String(rounded < LEAST_QUOTA ? LEAST_QUOTA : rounded);
  return writes.map((write) => (write === quota?.write ? { ...write, value: write.value.replace(/[0-9]+/, written) } : write));
}

function roundUp(quota: bigint): bigint {
  return ((quota + QUOTA_STEP - 1n) / QUOTA_STEP) * QUOTA_STEP;
}

/**
 * cpu.idle, for which systemd has the weight 0. An idle cgroup has no other: the kernel shows 0 for it, and refuses a write.
 * @returns the writes that such a cgroup takes
 */
function tellIdle(writes: CgroupWrite[], { v2, version }: LimitFacts, tell: Tell): CgroupWrite[] {
  const idle = writes.filter(({ path }) => lastComponent(path) === "cpu.idle").at(-1);
  if (!v2 || !idle || !booleanOf(idle) || version < IDLE_SINCE) return writes;
  tell("CPUWeight", idle, { signature: "t", value: "0" });
  return writes.filter(({ path }) => lastComponent(path) !== "cpu.weight");
}

function notTaken(write: CgroupWrite, allowed: string): RuntimeError {
  return refused(write.pointer, `systemd does not take ${quote(write.value)}: allowed is ${allowed}`);
}
