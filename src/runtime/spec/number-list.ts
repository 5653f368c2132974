/** Lists of numbers as the kernel takes them for CPUs and memory nodes: `0-3,7` (cpuset(7), "List format"). */

/** Whether a list is one: numbers and ranges. */
export function isNumberList(list: string): boolean {
  return list.split(",").every((part) => {
    const [, first, last] = RANGE.exec(part) ?? [];
    return first !== undefined && (last === undefined || Number(first) <= Number(last));
  });
}

/** The numbers of a list, each once, in ascending order; none of an empty one. */
export function numbersOf(list: string): number[] {
  const numbers = new Set<number>();
  for (const part of list.split(",")) {
    const [, first, last = first] = RANGE.exec(part) ?? [];
    for (let number = Number(first); number <= Number(last); number++) numbers.add(number);
  }
  return [...numbers].sort((a, b) => a - b);
}

const RANGE = /^\s*([0-9]{1,5})(?:-([0-9]{1,5}))?\s*$/;
