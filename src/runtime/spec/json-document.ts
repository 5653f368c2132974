/** How deep a document goes. */

import { deepestNesting } from "./json-depth.js";

/**
 * Whether a parsed document nests deeper than `deepestNesting`.
 * @param text what it was parsed from: few brackets make a walk needless, and are quicker to count (measured in QuickJS)
 */
export function isTooDeep(text: string, document: unknown): boolean {
  const most = deepestNesting + 2;
  if (text.split("[", most).length + text.split("{", most).length <= most) return false;
  return reaches(document, deepestNesting);
}

function reaches(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  for (const member of Array.isArray(value) ? (value as unknown[]) : Object.values(value)) {
    if (reaches(member, levels - 1)) return true;
  }
  return false;
}
