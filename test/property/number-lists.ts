/** Checks invariants of lists of CPUs or memory nodes. */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import { bitsOf } from "../../src/runtime/plan/cgroup-values.js";
import { isNumberList, numbersOf } from "../../src/runtime/spec/number-list.js";

export interface NumberList {
  text: string;
  /** The numbers in the list; undefined if the text is random. */
  numbers: number[] | undefined;
}

const small = fc.nat(300);

/** An entry of a list, and its numbers. */
const part: fc.Arbitrary<{ text: string; numbers: number[] }> = fc.oneof(
  small.map((number) => ({ text: String(number), numbers: [number] })),
  fc.tuple(small, small).map(([first, more]) => ({ text: `${first}-${first + more}`, numbers: upTo(first, first + more) })),
  fc.tuple(small, small, fc.integer({ min: 1, max: 9 }), fc.nat(9)).map(([first, more, used, rest]) => {
    const numbers = upTo(first, first + more).filter((_, index) => index % (used + rest) < used);
    return { text: `${first}-${first + more}:${used}/${used + rest}`, numbers };
  }),
);

const separator = fc.stringMatching(/^[ \n]{0,2}[, ][, ]{0,2}$/);

/** Valid lists, and random texts of the same characters. */
export const numberLists: fc.Arbitrary<NumberList> = fc.oneof(
  fc.tuple(fc.array(part, { minLength: 1, maxLength: 6 }), separator).map(([parts, between]) => ({
    text: parts.map(({ text }) => text).join(between),
    numbers: parts.flatMap(({ numbers }) => numbers),
  })),
  fc.stringMatching(/^[0-9,:/\- ]{0,12}$/).map((text) => ({ text, numbers: undefined })),
);

/** @returns whether the text is a valid list */
export function checkNumberList({ text, numbers }: NumberList): boolean {
  const parsed = numbersOf(text);
  // A valid list must not be empty: an empty set would remove all limits (systemd: AllowedCPUs=).
  assert.equal(isNumberList(text), parsed.length > 0, text);
  if (numbers)
    assert.deepEqual(
      parsed,
      [...new Set(numbers)].sort((a, b) => a - b),
      text,
    );
  const bits = bitsOf(parsed).flatMap((byte, index) => upTo(0, 7).flatMap((bit) => (byte & (1 << bit) ? [index * 8 + bit] : [])));
  assert.deepEqual(bits, parsed, text);
  return parsed.length > 0;
}

function upTo(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
