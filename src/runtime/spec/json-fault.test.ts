import t from "tap";
import { randomNumbers, runcSpecText } from "./fixtures/configurations.js";
import { deepestNesting } from "./json-depth.js";
import { findJsonFault } from "./json-fault.js";

/** Text, line, column, expected, found. */
const faults: readonly (readonly [text: string, line: number, column: number, expected: string, found: string])[] = [
  ["", 1, 1, "a JSON object", "the end of the file"],
  [" \n\t", 2, 2, "a JSON object", "the end of the file"],
  ["[]", 1, 1, "a JSON object", '"["'],
  ["\ufeff{}", 1, 1, "a JSON object", "a byte order mark"],
  ["{", 1, 2, 'a quoted name or "}"', "the end of the file"],
  ["{'a': 1}", 1, 2, 'a quoted name or "}"', `"'a'"`],
  ["{a: 1}", 1, 2, 'a quoted name or "}"', '"a"'],
  ['{"a": 1,}', 1, 9, "a quoted name", '"}"'],
  ['{"a" 1}', 1, 6, "a colon", '"1"'],
  ['{"a":}', 1, 6, "a value", '"}"'],
  ['{"a": tru}', 1, 7, "a value", '"tru"'],
  ['{"a": NaN}', 1, 7, "a value", '"NaN"'],
  ['{"a": .5}', 1, 7, "a value", '".5"'],
  ['{"a": +1}', 1, 7, "a value", '"+1"'],
  ['{"a": 01}', 1, 8, 'a comma or "}"', '"1"'],
  ['{"a": 1.}', 1, 8, 'a comma or "}"', '"."'],
  ['{"a": 0x1f}', 1, 8, 'a comma or "}"', '"x1f"'],
  ['{\n  "a": 1\n  "b": 2\n}', 3, 3, 'a comma or "}"', '"\\""'],
  ['{\r\n  "a": 1\r\n  x\r\n}', 3, 3, 'a comma or "}"', '"x"'],
  ['{"a": [1 2]}', 1, 10, 'a comma or "]"', '"2"'],
  ['{"a": [,1]}', 1, 8, 'a value or "]"', '","'],
  ['{"a": [1,]}', 1, 10, "a value", '"]"'],
  ['{"a": [}', 1, 8, 'a value or "]"', '"}"'],
  ['{"a": {]}', 1, 8, 'a quoted name or "}"', '"]"'],
  ['{"a": 1} // done', 1, 10, "the end of the file", '"//"'],
  ["{}{}", 1, 3, "the end of the file", '"{"'],
  ['{"a": "x', 1, 9, "a closing quote", "the end of the file"],
  ['{"a": "x\n"}', 1, 9, "a closing quote", "the end of the line"],
  ['{"a": "\t"}', 1, 8, "an escape sequence for a control character", '"\\t"'],
  ['{"a": "\\x"}', 1, 8, "an escape sequence of JSON", '"\\\\x"'],
  ['{"a": "\\u12g4"}', 1, 8, "an escape sequence of JSON", '"\\\\u"'],
  ['{"\u{1f600}": x}', 1, 7, "a value", '"x"'],
  ["{\u00a0}", 1, 2, 'a quoted name or "}"', '"\u00a0"'],
];

t.test("each fault of a text is reported with line, column, what was expected and what was found", async (t) => {
  for (const [text, line, column, expected, found] of faults) {
    t.strictSame(findJsonFault(text), { line, column, expected, found }, JSON.stringify(text));
  }
});

t.test("a sound text has no fault", async (t) => {
  for (const text of [runcSpecText, "{}", ' {"a": [1, -0.5e+3, "\\u00e9\\n", true, false, null, {}, []]} \n'])
    t.equal(findJsonFault(text), undefined);
});

t.test("nesting is refused at the bracket that goes too deep", async (t) => {
  const nested = (depth: number): string => `{"x":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
  t.equal(findJsonFault(nested(deepestNesting)), undefined);
  t.strictSame(findJsonFault(nested(deepestNesting + 1)), {
    line: 1,
    column: 5 + deepestNesting,
    expected: "at most 128 objects and arrays within each other",
    found: "another one",
  });
  t.match(findJsonFault(`{"x":${"[".repeat(1_000_000)}`), { column: 5 + deepestNesting }, "a million open brackets end no stack");
});

t.test("a long string of escapes ends no stack", async (t) => {
  t.equal(findJsonFault(`{"x":"${"\\n".repeat(1_000_000)}"}`), undefined);
});

t.test("it refuses exactly what JSON.parse refuses", async (t) => {
  const random = randomNumbers(1);
  const characters = '{}[]",:\\ \n0-.eEtrufalsn\u0001x';
  let refused = 0;
  for (let round = 0; round < 3000; round++) {
    const start = random(runcSpecText.length);
    const removed = random(3);
    const inserted = characters.slice(random(characters.length)).slice(0, random(3));
    const text = runcSpecText.slice(0, start) + inserted + runcSpecText.slice(start + removed);
    let isObject = true;
    try {
      isObject = text.trimStart().startsWith("{") && JSON.parse(text) !== null;
    } catch {
      isObject = false;
    }
    if (!isObject) refused += 1;
    if ((findJsonFault(text) === undefined) !== isObject) t.fail(JSON.stringify(text.slice(start - 20, start + 20)));
  }
  t.ok(refused > 500 && refused < 2900, `${refused} of 3000 were broken`);
});
