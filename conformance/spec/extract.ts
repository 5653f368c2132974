/**
 * Finds the normative sentences of the specification: every MUST, MUST NOT, SHALL, SHALL NOT and REQUIRED in its text.
 */
import { readFileSync } from "node:fs";

export const documents = ["runtime.md", "runtime-linux.md", "config.md", "config-linux.md", "features.md", "features-linux.md"] as const;

export interface Sentence {
  /** `document > section > ordinal`; the ordinal counts the keywords of a section from 1. */
  key: string;
  keyword: string;
  /** The line with the keyword. */
  line: string;
}

const keyword = /\b(MUST NOT|SHALL NOT|MUST|SHALL|REQUIRED)\b/g;

/** The sentences of a document, in its order; one for each keyword. */
export function sentencesOf(folder: string, document: string): Sentence[] {
  const found: Sentence[] = [];
  const ordinals = new Map<string, number>();
  let section = "";
  let fenced = false;
  for (const line of readFileSync(`${folder}/${document}`, "utf8").split("\n")) {
    if (/^\s*```/.test(line)) fenced = !fenced;
    if (fenced) continue;
    const heading = /^#+ (?:<a [^>]*\/>)? *(.+)$/.exec(line);
    if (heading) section = heading[1]?.trim() ?? "";
    for (const [match] of line.matchAll(keyword)) {
      const name = `${document} > ${section}`;
      const ordinal = (ordinals.get(name) ?? 0) + 1;
      ordinals.set(name, ordinal);
      found.push({ key: `${name} > ${ordinal}`, keyword: match, line: line.trim() });
    }
  }
  return found;
}

/** The sentences of all documents. */
export function allSentences(folder: string): Sentence[] {
  return documents.flatMap((document) => sentencesOf(folder, document));
}
