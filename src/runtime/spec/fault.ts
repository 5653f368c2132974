/** Faults of a configuration and their texts. */

/** A fault at one place of config.json. */
export interface Fault {
  /** JSON pointer (RFC 6901). For a missing member the pointer it would have; empty for the whole document. */
  readonly pointer: string;
  /** What was found, as shown in errors: `"tmp"`, `-1`, `nothing`, `an object`. */
  readonly found: string;
  /** What is allowed, as shown in errors. */
  readonly allowed: string;
  /** Name of the broken rule, stable, for callers to branch on; `schema` for the JSON schema. */
  readonly rule: string;
}

/** Reports a fault of one rule: pointer, the value found there (formatted by `describe`), what is allowed. */
export type Report = (pointer: string, found: unknown, allowed: string) => void;

/** Marks a `Description`, because each script of the static host has its own copy of the class. No JSON contains such a member. */
const DESCRIPTION = Symbol.for("tsrunc.description");

/** Describes what was found, for `Report`, if the value itself does not. */
export class Description {
  readonly [DESCRIPTION]: string;

  constructor(text: string) {
    this[DESCRIPTION] = text;
  }
}

const shownLength = 80;

/** Formats a value for an error: scalars as JSON, shortened if long; objects and arrays by their kind; `undefined` as `nothing`. */
export function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (isDescription(value)) return value[DESCRIPTION];
  if (typeof value === "string") return quote(value);
  if (Array.isArray(value)) return value.length === 0 ? "an empty array" : "an array";
  if (typeof value === "object" && value !== null) return "an object";
  return shortened(String(value), (text) => text);
}

function isDescription(value: unknown): value is Description {
  return typeof value === "object" && value !== null && DESCRIPTION in value;
}

/** Text in double quotes with control characters escaped, shortened to a line. */
export function quote(text: string): string {
  return shortened(text, JSON.stringify);
}

/** Text shortened to a line, then formatted. */
function shortened(text: string, form: (text: string) => string): string {
  if (text.length <= shownLength) return form(text);
  return `${form(text.slice(0, shownLength))}... (${text.length} characters)`;
}

/** A member name as a segment of a JSON pointer. */
export function segment(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** The segments of a pointer: names and indexes. */
export function segmentsOf(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The value at a pointer; `undefined` if there is none. */
export function valueAt(document: unknown, pointer: string): unknown {
  let value = document;
  for (const name of segmentsOf(pointer)) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/**
 * The faults in the order of the document, without duplicates. A missing member comes after its siblings that exist.
 * Faults at the same place keep their order.
 */
export function inDocumentOrder(document: unknown, faults: readonly Fault[]): Fault[] {
  const seen = new Set<string>();
  const indexes = new Map<object, Map<string, number>>();
  return faults
    .filter(({ pointer, allowed }) => {
      const key = `${pointer} ${allowed}`;
      return !seen.has(key) && seen.add(key);
    })
    .map((fault) => ({ fault, position: positionOf(document, fault.pointer, indexes) }))
    .sort((a, b) => comparePositions(a.position, b.position))
    .map(({ fault }) => fault);
}

/** The index of each step of a pointer among its siblings. `indexes` keeps those of the objects met so far. */
function positionOf(document: unknown, pointer: string, indexes: Map<object, Map<string, number>>): number[] {
  let value = document;
  return segmentsOf(pointer).map((name) => {
    if (typeof value !== "object" || value === null) return 0;
    let siblings = indexes.get(value);
    if (siblings === undefined) {
      siblings = new Map(Object.keys(value).map((sibling, index) => [sibling, index]));
      indexes.set(value, siblings);
    }
    const index = siblings.get(name) ?? siblings.size;
    value = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
    return index;
  });
}

function comparePositions(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Limits the text: a long list with the same mistake in each entry would fill a log. */
const mostShown = 100;

/**
 * All faults as one text: `config.json: /process/cwd: found "tmp", allowed: an absolute path`, or with a first line that
 * counts them and a line for each of the first hundred.
 */
export function faultText(name: string, faults: readonly Fault[]): string {
  const lines = faults.slice(0, mostShown).map(({ pointer, found, allowed }) => `${place(pointer)}: found ${found}, allowed: ${allowed}`);
  if (faults.length === 1) return `${name}: ${lines[0]}`;
  if (faults.length > mostShown) lines.push(`and ${faults.length - mostShown} more`);
  return `${name}: ${faults.length} faults:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}

/** A pointer for output. Names may contain control characters, which must not reach a terminal, and lone surrogates, which are not valid text. */
function place(pointer: string): string {
  if (pointer === "") return "the whole document";
  // oxlint-disable-next-line no-control-regex
  return /[\u0000-\u001f\u007f-\u009f\ud800-\udfff]/u.test(pointer) ? JSON.stringify(pointer) : pointer;
}
