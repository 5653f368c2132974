import t from "tap";
import { parseVariantText } from "./gvariant.js";

t.test("values of GVariant's text format, with their types", async (t) => {
  const cases: [text: string, signature: string, value: unknown][] = [
    ["true", "b", true],
    ["false", "b", false],
    ["'a b'", "s", "a b"],
    ['"it\'s"', "s", "it's"],
    ["'\\'\\n\\u0041\\\\'", "s", "'\nA\\"],
    ["5", "i", 5],
    ["-0x10", "i", -16],
    ["1.5", "d", 1.5],
    ["byte 255", "y", 255],
    ["uint32 4294967295", "u", 4294967295],
    ["uint64 18446744073709551615", "t", "18446744073709551615"],
    ["int64 -5", "x", "-5"],
    ["double 3", "d", 3],
    ["objectpath '/a'", "o", "/a"],
    ["@t 7", "t", "7"],
    ["['a', 'b']", "as", ["a", "b"]],
    ["@as []", "as", []],
    ["[uint64 1, 2]", "at", ["1", "2"]],
    ["[('/dev/null', 'rw')]", "a(ss)", [["/dev/null", "rw"]]],
    ["('a', uint32 1)", "(su)", ["a", 1]],
    ["[[1], [2, 3]]", "aai", [[1], [2, 3]]],
    [" uint64  5 ", "t", "5"],
  ];
  for (const [text, signature, value] of cases) t.same(parseVariantText(text), { signature, value }, text);
});

t.test("what is no value", async (t) => {
  for (const text of [
    "",
    "yes",
    "'open",
    "5 6",
    "[]",
    "()",
    "['a', 1]",
    "byte 256",
    "uint32 -1",
    "uint64 18446744073709551616",
    "2147483648",
    "int32 1.5",
    "string 5",
    "@s true",
    "[1,]",
    "('a'",
    "@a{sv} {}",
    "<5>",
    "5x",
  ]) {
    t.equal(parseVariantText(text), undefined, text);
  }
});
