/** Characters that JSON takes and that no string of a configuration may have. */

import { segment, type Fault } from "./fault.js";

/**
 * Whether the text of a document has an escape sequence of such a character; in no other spelling does one come through JSON.
 * True for some sound ones too, such as pairs of surrogates: `textFaults` looks closer.
 */
export function mayHaveTextFaults(text: string): boolean {
  // Most texts have no escape sequence at all; in QuickJS `includes` is much quicker than a pattern.
  return text.includes("\\u") && ["\\u0000", "\\ud", "\\uD"].some((start) => text.includes(start));
}

/**
 * The strings and member names with a NUL character or half of a surrogate pair. The kernel ends every string at a NUL: a path would be
 * checked as one thing and used as another (the class of CVE-2021-43784). A lone surrogate has no form in UTF-8.
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

/** Whether a string is no Unicode text. With the flag `u` a pair is one character, which the pattern does not match. */
function hasLoneSurrogate(string: string): boolean {
  return /[\ud800-\udfff]/u.test(string);
}

/** Whether `textFaults` would refuse this string. */
export function isFaultyText(string: string): boolean {
  return string.includes("\0") || hasLoneSurrogate(string);
}
