/** Parses GVariant's text format, which annotations of systemd properties use (https://docs.gtk.org/glib/gvariant-text-format.html): scalars, arrays, tuples. */

/** A value of a D-Bus type: JSON in the shape of its signature; 64-bit integers (`x`, `t`) are decimal strings. */
export interface BusTyped {
  /** D-Bus signature of one complete type. */
  signature: string;
  value: BusValue;
}

export type BusValue = boolean | number | string | readonly BusValue[];

/** Type keywords that may precede a value, with their signatures. */
const KEYWORDS: Readonly<Record<string, string>> = {
  boolean: "b",
  byte: "y",
  int16: "n",
  uint16: "q",
  int32: "i",
  uint32: "u",
  int64: "x",
  uint64: "t",
  double: "d",
  string: "s",
  objectpath: "o",
  signature: "g",
};

const RANGES: Readonly<Record<string, readonly [bigint, bigint]>> = {
  y: [0n, 255n],
  n: [-(2n ** 15n), 2n ** 15n - 1n],
  q: [0n, 2n ** 16n - 1n],
  i: [-(2n ** 31n), 2n ** 31n - 1n],
  u: [0n, 2n ** 32n - 1n],
  x: [-(2n ** 63n), 2n ** 63n - 1n],
  t: [0n, 2n ** 64n - 1n],
};

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", a: "\u0007", b: "\b", f: "\f", v: "\v" };

/** The value of a text, or undefined if it is not valid. */
export function parseVariantText(text: string): BusTyped | undefined {
  const parser = new Parser(text);
  const parsed = parser.value(undefined);
  return parsed && parser.atEnd() ? parsed : undefined;
}

class Parser {
  readonly text: string;
  #at = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** Consumes a match at the current position, after spaces. */
  #take(pattern: RegExp): RegExpExecArray | null {
    const spaces = /\s*/y;
    spaces.lastIndex = this.#at;
    spaces.test(this.text);
    const sticky = new RegExp(pattern.source, "y");
    sticky.lastIndex = spaces.lastIndex;
    const match = sticky.exec(this.text);
    if (match) this.#at = sticky.lastIndex;
    return match;
  }

  atEnd(): boolean {
    return this.#take(/$/) !== null;
  }

  /** @param expected the signature, if the context determines it */
  value(expected: string | undefined): BusTyped | undefined {
    const given = this.#take(/@([a-z()]+)\s/)?.[1] ?? this.#keyword();
    if (given !== undefined && expected !== undefined && given !== expected) return undefined;
    const signature = given ?? expected;
    if (this.#take(/\[/)) return this.#array(signature);
    if (this.#take(/\(/)) return this.#tuple(signature);
    const truth = this.#take(/(true|false)\b/)?.[1];
    if (truth !== undefined) return (signature ?? "b") === "b" ? { signature: "b", value: truth === "true" } : undefined;
    const quoted = this.#take(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/);
    if (quoted) {
      const type = signature ?? "s";
      return type.length === 1 && "sog".includes(type) ? { signature: type, value: unescape(quoted[1] ?? quoted[2] ?? "") } : undefined;
    }
    const number = this.#take(/[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)(?![\w.])/)?.[0];
    return number === undefined ? undefined : numeric(number, signature);
  }

  #keyword(): string | undefined {
    const word = this.#take(/(boolean|byte|u?int(?:16|32|64)|double|string|objectpath|signature)\s/)?.[1];
    return word === undefined ? undefined : KEYWORDS[word];
  }

  #array(signature: string | undefined): BusTyped | undefined {
    if (signature !== undefined && !signature.startsWith("a")) return undefined;
    let element = signature?.slice(1);
    const items: BusValue[] = [];
    if (!this.#take(/\]/)) {
      do {
        const item = this.value(element);
        if (!item) return undefined;
        element = item.signature;
        items.push(item.value);
      } while (this.#take(/,/));
      if (!this.#take(/\]/)) return undefined;
    }
    return element === undefined ? undefined : { signature: `a${element}`, value: items };
  }

  /** The types of the members are not inferred from outside, which no property of systemd needs. */
  #tuple(signature: string | undefined): BusTyped | undefined {
    const items: BusTyped[] = [];
    while (!this.#take(/\)/)) {
      const item = this.value(undefined);
      if (!item) return undefined;
      items.push(item);
      if (!this.#take(/,/) && !this.#take(/(?=\))/)) return undefined;
    }
    const own = `(${items.map((item) => item.signature).join("")})`;
    return items.length === 0 || (signature !== undefined && signature !== own)
      ? undefined
      : { signature: own, value: items.map((item) => item.value) };
  }
}

function unescape(text: string): string {
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))/gs, (_, short?: string, long?: string, letter = "") =>
    short || long ? String.fromCodePoint(Math.min(Number.parseInt(short ?? long ?? "", 16), 0x10ffff)) : (ESCAPES[letter] ?? letter),
  );
}

function numeric(text: string, signature: string | undefined): BusTyped | undefined {
  const isInteger = /^[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)$/.test(text);
  const type = signature ?? (isInteger ? "i" : "d");
  if (type === "d") return { signature: "d", value: Number(text) };
  const range = RANGES[type];
  if (!range || !isInteger) return undefined;
  const negative = text.startsWith("-");
  const size = BigInt(text.replace(/^[+-]/, ""));
  const number = negative ? -size : size;
  if (number < range[0] || number > range[1]) return undefined;
  return { signature: type, value: type === "x" || type === "t" ? String(number) : Number(number) };
}
