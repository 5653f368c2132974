/** Parses durations as Go's time.ParseDuration does, which callers of runc use: `5s`, `1m30s`, `1.5h`, `-100ms`, `0`. */

const NANOSECONDS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n, // micro sign
  μs: 1000n, // Greek mu
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/** Go uses an int64 of nanoseconds: 292 years. */
const MOST = 2n ** 63n - 1n;

/** @returns nanoseconds; undefined for an invalid duration */
export function parseDuration(text: string): bigint | undefined {
  const [, sign, amount = ""] = /^([+-]?)(.*)$/.exec(text) ?? [];
  if (amount === "0") return 0n;
  const parts = /^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(amount) ? [...amount.matchAll(/(\d*)\.?(\d*)([^\d.]+)/g)] : [];
  if (parts.length === 0) return undefined;
  let sum = 0n;
  for (const [, whole = "", fraction = "", unit = ""] of parts) {
    const each = NANOSECONDS[unit] ?? 0n;
    sum += BigInt(whole || "0") * each + (BigInt(fraction || "0") * each) / 10n ** BigInt(fraction.length);
  }
  if (sum > MOST) return undefined;
  return sign === "-" ? -sum : sum;
}
