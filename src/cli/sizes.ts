/** Parses amounts of memory as runc does (docker/go-units, RAMInBytes): `512m`, `1.5GiB`, `64 kb`; each unit is 1024 of the one before. */

const PREFIXES = "kmgtp";
const MOST_BYTES = 2n ** 63n - 1n;

/** @returns bytes, rounded down; undefined for an invalid amount or more than 2^63 - 1 */
export function parseBytes(text: string): bigint | undefined {
  const match = /^([0-9]{1,19})(?:\.([0-9]{1,9}))? ?(?:([kmgtp])i?)?b?$/i.exec(text);
  if (!match) return undefined;
  const [, whole = "", fraction = "", prefix = ""] = match;
  const unit = prefix === "" ? 1n : 1024n ** BigInt(PREFIXES.indexOf(prefix.toLowerCase()) + 1);
  const bytes = (BigInt(whole + fraction) * unit) / 10n ** BigInt(fraction.length);
  return bytes <= MOST_BYTES ? bytes : undefined;
}
