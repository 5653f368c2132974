/** The ranges of the specification's integer types, for values that may be bigint. */

import type { Integer64 } from "./generated/spec-types.js";

/** uid_t's and gid_t's -1 means "leave as it is" to every system call that takes one. */
export const noId = 0xffff_ffff;

const int64 = { least: -(2n ** 63n), most: 2n ** 63n - 1n };
const uint64 = { least: 0n, most: 2n ** 64n - 1n };

/** The range of `isUint64`, as text. */
export const uint64Range = `0 to ${uint64.most}`;

/** Whether a value fits an int64. The schema compares doubles, in which 2^63 and 2^63-1 are equal. */
export function isInt64(value: Integer64): boolean {
  return Number.isSafeInteger(value) || isWithin(value, int64);
}

/** Whether a value fits a uint64. The schema compares doubles, in which 2^64 and 2^64-1 are equal. */
export function isUint64(value: Integer64): boolean {
  return Number.isSafeInteger(value) ? value >= 0 : isWithin(value, uint64);
}

function isWithin(value: Integer64, { least, most }: { least: bigint; most: bigint }): boolean {
  if (typeof value === "number" && !Number.isFinite(value)) return false;
  const exact = BigInt(value);
  return exact >= least && exact <= most;
}
