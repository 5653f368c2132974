/** Suggestions for mistyped names. */

import { nearest } from "../runtime/spec/nearest.js";

/** `, did you mean "X"?` for the name that is closest to a mistyped one; empty if none is close. */
export function suggestion(mistyped: string, names: readonly string[], prefix = ""): string {
  // Prefer a name that was only cut short, then one with the letters in another order, which `nearest` counts as several mistakes.
  const ordered = [...names.filter((name) => name.startsWith(mistyped)), ...names];
  const meant = nearest(mistyped, ordered) ?? names.find((name) => sorted(name) === sorted(mistyped));
  return meant === undefined ? "" : `, did you mean "${prefix}${meant}"?`;
}

function sorted(name: string): string {
  return [...name].sort().join("");
}
