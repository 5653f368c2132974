/** What somebody may have meant to write. */

import { nearest } from "../runtime/spec/nearest.js";

/** `, did you mean "X"?` for the name that is closest to a mistyped one; empty where none is close. */
export function suggestion(mistyped: string, names: readonly string[], prefix = ""): string {
  // Of two that are equally close, the one that was only cut short; letters in another order are more than one mistake to `nearest`.
  const ordered = [...names.filter((name) => name.startsWith(mistyped)), ...names];
  const meant = nearest(mistyped, ordered) ?? names.find((name) => sorted(name) === sorted(mistyped));
  return meant === undefined ? "" : `, did you mean "${prefix}${meant}"?`;
}

function sorted(name: string): string {
  return [...name].sort().join("");
}
