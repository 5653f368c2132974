/** The nesting depth of a document. */

import { deepestNesting } from "./json-depth.js";

/**
 * Whether a parsed document nests deeper than `deepestNesting`.
 * @param text the source of the document. Counting its brackets is quicker than walking the document, and few brackets make the walk unnecessary
 * (measured in QuickJS)
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
