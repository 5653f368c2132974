/** Parses small kernel files. A missing file and its values are undefined; an empty file has no values. */

import { RuntimeError } from "../errors.js";
import type { Counter } from "./container-stats.js";

/** The files of one directory that were read. */
export interface KernelFiles {
  /** Content of a file; undefined if it does not exist. */
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

/** The fields of a file or line. */
export function words(text: string | undefined): string[] {
  return (text ?? "").split(/\s+/).filter((word) => word !== "");
}

/**
 * A 64-bit number. A negative one is 0: some memory counters are sums over CPUs that can be negative for a moment (memory.stat).
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

/** More CPUs than any kernel supports. */
const MOST = 0xffff;

/** @param text the content that could not be parsed */
export function malformed(name: string, text: string): RuntimeError {
  return new RuntimeError(`cannot make sense of ${JSON.stringify(text)}`, { code: "other", operation: `read ${JSON.stringify(name)}` });
}
