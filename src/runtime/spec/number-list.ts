/**
 * Lists of CPUs and memory nodes as the kernel takes them (cpuset(7), "List format"; lib/bitmap.c, bitmap_parselist): `0-3,7`, and
 * `0-31:2/8` for the first two of every eight. The kernel's `all` and `N` depend on the machine and are refused.
 */

interface Range {
  first: number;
  last: number;
  /** How many numbers of each group are selected, and the size of a group. */
  used: number;
  group: number;
}

/** More than any kernel supports. */
const HIGHEST = 65_535;
const RANGE = /^([0-9]+)(?:-([0-9]+)(?::([0-9]+)\/([0-9]+))?)?$/;

/** Whether a list is valid and contains at least one number. */
export function isNumberList(list: string): boolean {
  return rangesOf(list) !== undefined;
}

/** The numbers of a list in ascending order, without duplicates; empty for an invalid list. */
export function numbersOf(list: string): number[] {
  const numbers = new Set<number>();
  for (const { first, last, used, group } of rangesOf(list) ?? []) {
    for (let number = first; number <= last; number++) if ((number - first) % group < used) numbers.add(number);
  }
  return [...numbers].sort((a, b) => a - b);
}

function rangesOf(list: string): Range[] | undefined {
  const ranges: Range[] = [];
  for (const part of list.split(/[\s,]+/)) {
    if (part === "") continue;
    const match = RANGE.exec(part);
    if (!match) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? first);
    const [used, group] = [Number(match[3] ?? 1), Number(match[4] ?? 1)];
    if (first > last || last > HIGHEST || used === 0 || used > group) return undefined;
    ranges.push({ first, last, used, group });
  }
  return ranges.length > 0 ? ranges : undefined;
}
