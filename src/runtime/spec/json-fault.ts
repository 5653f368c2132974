/**
 * Finds where and why a text is not JSON (RFC 8259), with the same message on every engine: the messages of `JSON.parse` in V8 and QuickJS
 * differ, and not all name a position. Runs only after `JSON.parse` failed, or accepted a document that is nested too deeply.
 */

import { deepestNesting } from "./json-depth.js";

/** The first place where a text is not valid. Line and column count from 1, columns in characters. */
export interface JsonFault {
  readonly line: number;
  readonly column: number;
  readonly expected: string;
  readonly found: string;
}

const blank = /[ \t\n\r]*/y;
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const literal = /true|false|null/y;
const word = /[^\s,:{}[\]"]{1,20}/y;
// oxlint-disable-next-line no-control-regex
const plainCharacters = /[^"\\\u0000-\u001f]*/y;
const escape = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** Finds the first fault of a text; `undefined` if it has none. Iterative, for any depth and length. */
export function findJsonFault(text: string, holds: "object" | "array" = "object"): JsonFault | undefined {
  return new JsonReader(text, holds).read();
}

type Expectation = "document" | "value" | "value or end" | "name" | "name or end" | "colon" | "comma or end" | "end of file";

class JsonReader {
  private readonly text: string;
  private readonly holds: "object" | "array";
  private position = 0;
  /** The brackets that are open here, outermost first. */
  private readonly open: ("{" | "[")[] = [];

  constructor(text: string, holds: "object" | "array") {
    this.text = text;
    this.holds = holds;
  }

  read(): JsonFault | undefined {
    let expectation: Expectation = "document";
    for (;;) {
      this.take(blank);
      if (expectation === "end of file" && this.position === this.text.length) return undefined;
      const next = this.step(expectation);
      if (typeof next !== "string") return next;
      expectation = next;
    }
  }

  /** Reads one token. @param expectation what is allowed here. @returns what is allowed next, or the fault */
  private step(expectation: Expectation): Expectation | JsonFault {
    const character = this.text[this.position];
    const closing = this.open.at(-1) === "{" ? "}" : "]";
    if (character === closing && this.open.length > 0 && expectation.endsWith("or end")) {
      this.position += 1;
      this.open.pop();
      return this.afterValue();
    }
    switch (expectation) {
      case "document":
        return character === (this.holds === "object" ? "{" : "[") ? this.value("a value") : this.fault(`a JSON ${this.holds}`);
      case "value":
        return this.value("a value");
      case "value or end":
        return this.value('a value or "]"');
      case "name":
        return character === '"' ? (this.string() ?? "colon") : this.fault("a quoted name");
      case "name or end":
        return character === '"' ? (this.string() ?? "colon") : this.fault('a quoted name or "}"');
      case "colon":
        return this.skip(":") ? "value" : this.fault("a colon");
      case "comma or end":
        if (this.skip(",")) return closing === "}" ? "name" : "value";
        return this.fault(`a comma or "${closing}"`);
      case "end of file":
        return this.fault("the end of the file");
    }
  }

  private value(expected: string): Expectation | JsonFault {
    const character = this.text[this.position];
    if (character === "{" || character === "[") {
      if (this.open.length === deepestNesting)
        return this.fault(`at most ${deepestNesting} objects and arrays within each other`, "another one");
      this.open.push(character);
      this.position += 1;
      return character === "{" ? "name or end" : "value or end";
    }
    if (character === '"') return this.string() ?? this.afterValue();
    return this.take(number) !== "" || this.take(literal) !== "" ? this.afterValue() : this.fault(expected);
  }

  private afterValue(): Expectation {
    return this.open.length === 0 ? "end of file" : "comma or end";
  }

  /** Reads a string; `undefined` if it is valid. */
  private string(): JsonFault | undefined {
    this.position += 1;
    for (;;) {
      this.take(plainCharacters);
      const character = this.text[this.position];
      if (character === '"') {
        this.position += 1;
        return undefined;
      }
      if (character === undefined) return this.fault("a closing quote");
      if (character === "\\") {
        if (this.take(escape) === "")
          return this.fault("an escape sequence of JSON", JSON.stringify(this.text.slice(this.position, this.position + 2)));
      } else {
        return this.fault(character === "\n" || character === "\r" ? "a closing quote" : "an escape sequence for a control character");
      }
    }
  }

  private skip(character: string): boolean {
    if (this.text[this.position] !== character) return false;
    this.position += 1;
    return true;
  }

  /** Reads a match of the sticky pattern; empty if it does not match here. */
  private take(pattern: RegExp): string {
    pattern.lastIndex = this.position;
    const match = pattern.exec(this.text)?.[0] ?? "";
    this.position += match.length;
    return match;
  }

  private fault(expected: string, found = this.foundHere()): JsonFault {
    const before = this.text.slice(0, this.position);
    const lineStart = before.lastIndexOf("\n") + 1;
    const line = before.split("\n").length;
    // A character outside the basic plane is two code units and one column.
    const column = before.slice(lineStart).replace(/[\ud800-\udbff][\udc00-\udfff]/g, "x").length + 1;
    return { line, column, expected, found };
  }

  private foundHere(): string {
    const codePoint = this.text.codePointAt(this.position);
    if (codePoint === undefined) return "the end of the file";
    if (codePoint === 0xfeff) return "a byte order mark";
    if (codePoint === 0x0a || codePoint === 0x0d) return "the end of the line";
    word.lastIndex = this.position;
    return JSON.stringify(word.exec(this.text)?.[0] ?? String.fromCodePoint(codePoint));
  }
}
