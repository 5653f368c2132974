/** POSIX extended regular expressions (regex(7)) for `kill --regex` and `delete --regex`, as in crun. JavaScript's have another syntax. */

/** The character classes `[:name:]`, limited to ASCII. */
const CLASSES: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  blank: " \\t",
  cntrl: "\\x00-\\x1f\\x7f",
  digit: "0-9",
  graph: "!-~",
  lower: "a-z",
  print: " -~",
  punct: "!-\\/:-@\\[-`{-~",
  space: "\\s",
  upper: "A-Z",
  xdigit: "0-9A-Fa-f",
};

/** RE_DUP_MAX of glibc: the maximum of repetitions. */
const MOST_REPETITIONS = 0x7fff;

/** @throws Error that says what is wrong with the expression */
export function compileExtendedRegex(source: string): RegExp {
  const parts: string[] = [];
  const groups: number[] = [];
  /** Index in `parts` where the last atom begins; undefined if there is nothing to repeat. */
  let atom: number | undefined;
  let isRepeated = false;
  const add = (part: string): void => {
    atom = parts.push(part) - 1;
    isRepeated = false;
  };
  const repeat = (times: string): void => {
    if (atom === undefined) throw new Error(`there is nothing before "${times}" to repeat`);
    // In JavaScript a second quantifier would change the meaning of the first one.
    if (isRepeated) parts.splice(atom, parts.length - atom, `(?:${parts.slice(atom).join("")})`);
    parts.push(times);
    isRepeated = true;
  };
  const addSyntax = (part: string): void => {
    parts.push(part);
    atom = undefined;
  };

  for (let at = 0; at < source.length;) {
    const character = source[at] as string;
    const bounds = /^\{([0-9]*)(,?)([0-9]*)\}/.exec(source.slice(at));
    if (character === "[") {
      const bracket = readBracket(source, at);
      add(bracket.text);
      at = bracket.end;
      continue;
    }
    if (character === "\\") {
      add(readEscape(source[at + 1]));
      at += 2;
      continue;
    }
    if (bounds && atom !== undefined && (bounds[1] || bounds[3])) {
      if (Number(bounds[1]) > MOST_REPETITIONS || Number(bounds[3]) > MOST_REPETITIONS)
        throw new Error(`"${bounds[0]}" is more than ${MOST_REPETITIONS} repetitions`);
      repeat(`{${bounds[1] || "0"}${bounds[2]}${bounds[3]}}`);
      at += bounds[0].length;
      continue;
    }
    if (character === "(") {
      groups.push(parts.length);
      addSyntax("(?:");
    } else if (character === ")") {
      const start = groups.pop();
      if (start === undefined) throw new Error('a ")" closes nothing');
      parts.push(")");
      atom = start;
      isRepeated = false;
    } else if ("*+?".includes(character)) repeat(character);
    else if ("|^$".includes(character)) addSyntax(character);
    else add(character === "." ? "[^]" : escaped(character));
    at++;
  }
  if (groups.length > 0) throw new Error('a "(" is not closed');
  try {
    return new RegExp(parts.join(""));
  } catch {
    throw new Error("a range or a number of repetitions is out of order"); // the engines' own messages differ
  }
}

function readBracket(source: string, start: number): { text: string; end: number } {
  let at = start + 1;
  let text = "[";
  if (source[at] === "^") {
    text += "^";
    at++;
  }
  const first = at;
  for (;;) {
    const character = source[at];
    if (character === undefined) throw new Error('a "[" is not closed');
    if (character === "]" && at > first) return { text: `${text}]`, end: at + 1 };
    const [whole, kind, name = ""] = /^\[([:.=])(.*?)\1\]/.exec(source.slice(at)) ?? [];
    if (whole !== undefined) {
      text += kind === ":" ? classNamed(name) : collated(name);
      at += whole.length;
    } else {
      // A dash between two characters makes a range.
      text += character === "-" && at > first && source[at + 1] !== "]" ? "-" : escaped(character);
      at++;
    }
  }
}

function classNamed(name: string): string {
  const members = Object.hasOwn(CLASSES, name) ? CLASSES[name] : undefined;
  if (members === undefined) throw new Error(`there is no class "${name}"`);
  return members;
}

function collated(name: string): string {
  if (name.length !== 1) throw new Error(`there is no character "${name}"`);
  return escaped(name);
}

function readEscape(character: string | undefined): string {
  if (character === undefined) throw new Error("it ends with a backslash");
  if ("wWsSbB".includes(character)) return `\\${character}`;
  if (/[0-9A-Za-z<>`']/.test(character)) throw new Error(`"\\${character}" has no meaning here`);
  return escaped(character);
}

/** A literal character, also valid in a bracket. */
function escaped(character: string): string {
  return /[\\^$.*+?()[\]{}|/-]/.test(character) ? `\\${character}` : character;
}
