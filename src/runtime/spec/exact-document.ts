/** Exact parsing of integers that JSON.parse rounds. */

/**
 * Parses a valid JSON text again, with every integer beyond 2^53 as a bigint. Fractions and exponents stay numbers.
 * A NUL character marks these integers while they pass through JSON.parse. If the text itself contains NUL characters, which `textFaults` refuses,
 * a string of a NUL and digits becomes an integer.
 */
export function exactDocument(text: string): unknown {
  let marked = "";
  let position = 0;
  while (position < text.length) {
    const quote = text.indexOf('"', position);
    const outside = text.slice(position, quote === -1 ? text.length : quote);
    marked += outside.replace(/-?[0-9][0-9.eE+-]*/g, markUnsafeInteger);
    if (quote === -1) break;
    position = endOfString(text, quote);
    marked += text.slice(quote, position);
  }
  return JSON.parse(marked, (_name, value: unknown) =>
    typeof value === "string" && markedInteger.test(value) ? BigInt(value.slice(1)) : value,
  );
}

// oxlint-disable-next-line no-control-regex
const markedInteger = /^\0-?[0-9]+$/;

function markUnsafeInteger(number: string): string {
  return /^-?[0-9]{16,}$/.test(number) && !Number.isSafeInteger(Number(number)) ? `"\\u0000${number}"` : number;
}

/** The position after the closing quote of the string that opens at `quote`. */
function endOfString(text: string, quote: number): number {
  for (let end = text.indexOf('"', quote + 1); ; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text[end - 1 - backslashes] === "\\") backslashes += 1;
    if (backslashes % 2 === 0) return end + 1;
  }
}
