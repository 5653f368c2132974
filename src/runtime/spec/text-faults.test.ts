import t from "tap";
import { mayHaveTextFaults, textFaults } from "./text-faults.js";

const noNul = { allowed: "text without a NUL character", rule: "no-nul" };
const noSurrogate = { allowed: "text without half of a surrogate pair", rule: "no-lone-surrogate" };

t.test("NUL characters are found in values and names, with their place", async (t) => {
  const text = String.raw`{"a":["x","b\u0000c"],"d/\u0000":{"e":"\\u0000"}}`;
  t.strictSame(textFaults(text, JSON.parse(text)), [
    { pointer: "/a/1", found: String.raw`"b\u0000c"`, ...noNul },
    { pointer: "/d~1\0", found: String.raw`"d/\u0000"`, ...noNul },
  ]);
  t.strictSame(textFaults(String.raw`{"a":"\\u0000"}`, { a: String.raw`\u0000` }), [], "an escaped backslash is no NUL");
});

t.test("lone surrogates are found in values and names, in upper and lower case, with their place", async (t) => {
  const text = String.raw`{"a":["\ud800","\uDFFFx","\udc00\ud800"],"\uDBFF":1,"b":"\u0000\ud800"}`;
  t.strictSame(textFaults(text, JSON.parse(text)), [
    { pointer: "/a/0", found: String.raw`"\ud800"`, ...noSurrogate },
    { pointer: "/a/1", found: String.raw`"\udfffx"`, ...noSurrogate },
    { pointer: "/a/2", found: String.raw`"\udc00\ud800"`, ...noSurrogate },
    { pointer: "/\udbff", found: String.raw`"\udbff"`, ...noSurrogate },
    { pointer: "/b", found: String.raw`"\u0000\ud800"`, ...noNul },
    { pointer: "/b", found: String.raw`"\u0000\ud800"`, ...noSurrogate },
  ]);
});

t.test("pairs of surrogates and other escape sequences are text", async (t) => {
  for (const text of [String.raw`["\ud83d\ude00"]`, String.raw`["\u003c\u0026"]`, String.raw`["\ud7ff\uE000"]`, '["\u{1f600}"]'])
    t.strictSame(textFaults(text, JSON.parse(text)), [], text);
});

t.test("a text without such escape sequences needs no closer look", async (t) => {
  for (const text of ["{}", String.raw`["\u003c", "\n"]`]) t.notOk(mayHaveTextFaults(text), text);
  for (const text of [String.raw`["\u0000"]`, String.raw`["\ud83d\ude00"]`, String.raw`["\uDC00"]`]) t.ok(mayHaveTextFaults(text), text);
});
