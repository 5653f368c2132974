/** Parses values for cgroup v2 files as the kernel does, to express them in another form, such as properties of systemd. */

/** The number that stands for `max`. */
export const NO_LIMIT = 2n ** 64n - 1n;

const NUMBER = "0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*";
const SIZE = new RegExp(`^(${NUMBER})([kmgtpe]?)$`, "i");
const INTEGER = new RegExp(`^[+-]?(?:${NUMBER})$`);
const SUFFIXES = "kmgtpe";

/** A value of the memory controller: a number of bytes with an optional suffix (lib/cmdline.c, memparse), or `max`. */
export function parseSize(text: string): bigint | undefined {
  const trimmed = text.trim();
  if (trimmed === "max") return NO_LIMIT;
  const [, digits, suffix = ""] = SIZE.exec(trimmed) ?? [];
  if (digits === undefined) return undefined;
  const shift = suffix === "" ? 0 : 10 * (SUFFIXES.indexOf(suffix.toLowerCase()) + 1);
  return within64Bits(numberOf(digits) << BigInt(shift));
}

/** A value of most other files: an integer (lib/kstrtox.c with base 0, so octal and hexadecimal have a prefix), or `max`. */
export function parseInteger(text: string): bigint | undefined {
  const trimmed = text.trim();
  if (trimmed === "max") return NO_LIMIT;
  if (!INTEGER.test(trimmed)) return undefined;
  const size = numberOf(trimmed.replace(/^[+-]/, ""));
  return trimmed.startsWith("-") ? -size : within64Bits(size);
}

function numberOf(digits: string): bigint {
  return BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
}

function within64Bits(value: bigint): bigint | undefined {
  return value <= NO_LIMIT ? value : undefined;
}

/** cpu.max. */
export interface Bandwidth {
  /** Microseconds in each period. Undefined: no limit. */
  quota: bigint | undefined;
  /** Microseconds. Undefined: unchanged. */
  period: bigint | undefined;
}

/** cpu.max: quota or `max`, then a period (kernel/sched/core.c, cpu_period_quota_parse). What follows is ignored. */
export function parseBandwidth(text: string): Bandwidth | undefined {
  const [, quota = "", period] = /^\s*(max|[0-9]+)(?:\s+([0-9]+).*|\s*)$/s.exec(text) ?? [];
  if (quota === "") return undefined;
  return { quota: quota === "max" ? undefined : BigInt(quota), period: period === undefined ? undefined : BigInt(period) };
}

/** A set of numbers as the bit mask that systemd takes: bytes, lowest first. */
export function bitsOf(numbers: readonly number[]): number[] {
  const bytes: number[] = [];
  for (const number of numbers) {
    const index = number >> 3;
    while (bytes.length <= index) bytes.push(0);
    bytes[index] = (bytes[index] ?? 0) | (1 << (number & 7));
  }
  return bytes;
}

/** A line of io.weight or io.bfq.weight. */
export interface WeightLine {
  /** `8:0`. Undefined: the default of all devices. */
  device: string | undefined;
  /** Undefined: resets the device to the default. */
  weight: bigint | undefined;
}

export function parseWeightLine(text: string): WeightLine | undefined {
  const [, device, word, digits] = /^\s*(?:([0-9]+:[0-9]+)\s+|default\s*)?(?:(default)|([0-9]+))\s*$/.exec(text) ?? [];
  if (word === undefined && digits === undefined) return undefined;
  if (word !== undefined) return device === undefined ? undefined : { device, weight: undefined };
  return { device, weight: BigInt(digits ?? 0) };
}
