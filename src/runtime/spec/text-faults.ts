/** Characters that JSON allows and strings of a configuration may not contain. */

import { segment, type Fault } from "./fault.js";

/**
 * Whether the text of a document has an escape sequence of such a character, which is the only way JSON can contain one.
 * Also true for some valid texts, such as those with surrogate pairs: `textFaults` checks precisely.
 */
export function mayHaveTextFaults(text: string): boolean {
  // Most texts have no escape sequence, and in QuickJS `includes` is much faster than a pattern.
  return text.includes("\\u") && ["\\u0000", "\\ud", "\\uD"].some((start) => text.includes(start));
}

/**
 * Faults for strings and member names with a NUL character or a lone surrogate. The kernel ends every string at a NUL, so the path in use would
 * differ from the one that was checked (the class of CVE-2021-43784). A lone surrogate has no encoding in UTF-8.
 */
export function textFaults(text: string, document: unknown): Fault[] {
  const faults: Fault[] = [];
  if (mayHaveTextFaults(text)) visit(document, "", faults);
  return faults;
}

function visit(value: unknown, pointer: string, faults: Fault[]): void {
  if (typeof value === "string") inspect(value, pointer, faults);
  if (typeof value !== "object" || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    inspect(name, `${pointer}/${segment(name)}`, faults);
    visit(member, `${pointer}/${segment(name)}`, faults);
  }
}

function inspect(string: string, pointer: string, faults: Fault[]): void {
  const found = JSON.stringify(string);
  if (string.includes("\0")) faults.push({ pointer, found, allowed: "text without a NUL character", rule: "no-nul" });
  if (hasLoneSurrogate(string))
    faults.push({ pointer, found, allowed: "text without half of a surrogate pair", rule: "no-lone-surrogate" });
}

/** Whether a string has a lone surrogate. With the flag `u` a pair is one character, which the pattern does not match. */
function hasLoneSurrogate(string: string): boolean {
  return /[\ud800-\udfff]/u.test(string);
}

/** Whether `textFaults` would refuse this string. */
export function isFaultyText(string: string): boolean {
  return string.includes("\0") || hasLoneSurrogate(string);
}
