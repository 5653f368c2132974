/** The forms of the kernel's small files. An absent file is undefined, and so are its values; an empty one has none. */

import { RuntimeError } from "../errors.js";
import type { Counter } from "./container-stats.js";

/** The files of one directory that were read. */
export interface KernelFiles {
  /** Its text; undefined when the kernel does not offer the file. */
  text(name: string): string | undefined;
}

/** What "max" means: no limit. */
export const UNLIMITED: Counter = 2n ** 64n - 1n;

/** A file of one number or `max`; 0 for an absent or an empty one. */
export function counter(files: KernelFiles, name: string): Counter {
  const text = files.text(name)?.trim() ?? "";
  if (text === "") return 0n;
  return text === "max" ? UNLIMITED : unsigned(text, name);
}

/** A file of one number that may be negative. */
export function integer(files: KernelFiles, name: string): bigint {
  const text = files.text(name)?.trim() ?? "";
  if (text === "") return 0n;
  if (!/^-?\d+$/.test(text)) throw malformed(name, text);
  return BigInt(text);
}

/** Lines of a name and a number, by name. */
export function counters(files: KernelFiles, name: string): Map<string, Counter> {
  const found = new Map<string, Counter>();
  for (const line of lines(files, name)) {
    const [key, value, ...more] = line.split(" ");
    if (key === undefined || value === undefined || more.length > 0) throw malformed(name, line);
    found.set(key, unsigned(value, name));
  }
  return found;
}

/** The lines of a file that are not empty. */
export function lines(files: KernelFiles, name: string): string[] {
  return (files.text(name) ?? "").split("\n").filter((line) => line.trim() !== "");
}

/** The words of a file or a line. */
export function words(text: string | undefined): string[] {
  return (text ?? "").split(/\s+/).filter((word) => word !== "");
}

/**
 * A number of 64 bits. A negative one is 0: some counters of memory are sums over CPUs that are for a moment (memory.stat).
 * @param name of the file, for errors
 */
export function unsigned(text: string, name: string): Counter {
  if (/^-\d+$/.test(text)) return 0n;
  if (!/^\d+$/.test(text)) throw malformed(name, text);
  const value = BigInt(text);
  if (value > UNLIMITED) throw malformed(name, text);
  return value;
}

/** A list of CPUs or nodes: `0-3,8`. */
export function numberList(files: KernelFiles, name: string): number[] {
  const found: number[] = [];
  const text = files.text(name)?.trim() ?? "";
  for (const range of text === "" ? [] : text.split(",")) {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? [];
    if (first === undefined || Number(last) < Number(first) || Number(last) > MOST) throw malformed(name, range);
    for (let number = Number(first); number <= Number(last); number++) found.push(number);
  }
  return found;
}

/** No kernel has as many CPUs. */
const MOST = 0xffff;

/** @param text what does not have the file's form */
export function malformed(name: string, text: string): RuntimeError {
  return new RuntimeError(`cannot make sense of ${JSON.stringify(text)}`, { code: "other", operation: `read ${JSON.stringify(name)}` });
}
