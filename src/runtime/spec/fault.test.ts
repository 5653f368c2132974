import t from "tap";
import { describe, faultText, inDocumentOrder, segment, segmentsOf, valueAt, Description, type Fault } from "./fault.js";

const fault = (pointer: string, allowed = "another"): Fault => ({ pointer, found: "1", allowed, rule: "test" });

t.test("values are shown short", async (t) => {
  const shown: readonly (readonly [unknown, string])[] = [
    [undefined, "nothing"],
    [null, "null"],
    ["tmp", '"tmp"'],
    ["a\n\u001b[31m", String.raw`"a\n\u001b[31m"`],
    ["x".repeat(81), `"${"x".repeat(80)}"... (81 characters)`],
    [-1, "-1"],
    [2n ** 64n, "18446744073709551616"],
    [10n ** 80n, `1${"0".repeat(79)}... (81 characters)`],
    [false, "false"],
    [[], "an empty array"],
    [[1], "an array"],
    [{}, "an object"],
    [new Description("no mount namespace"), "no mount namespace"],
  ];
  for (const [value, text] of shown) t.equal(describe(value), text);
});

t.test("pointers escape slashes and tildes both ways", async (t) => {
  t.equal(segment("net/a~b"), "net~1a~0b");
  t.strictSame(segmentsOf(`/linux/sysctl/${segment("net/~1")}`), ["linux", "sysctl", "net/~1"]);
  t.strictSame(segmentsOf(""), []);
});

t.test("a pointer leads to own members only", async (t) => {
  t.equal(valueAt({ a: [{ "b/c": 7 }] }, "/a/0/b~1c"), 7);
  t.equal(valueAt({ a: [] }, "/a/length"), 0);
  t.equal(valueAt({ a: {} }, "/a/toString"), undefined);
  t.equal(valueAt({ a: 1 }, "/a/b/c"), undefined);
});

t.test("faults follow each other as in the document, missing members last, each once", async (t) => {
  const document = { z: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], a: { y: 1, b: 1 } };
  const pointers = ["/missing", "/a/missing", "/a/b", "/a", "/z/10", "/z/9", "/a/b", "/a/y/deeper", "/a/y", ""];
  t.strictSame(
    inDocumentOrder(
      document,
      pointers.map((pointer) => fault(pointer)),
    ).map(({ pointer }) => pointer),
    ["", "/z/9", "/z/10", "/a", "/a/y", "/a/y/deeper", "/a/b", "/a/missing", "/missing"],
  );
  t.equal(inDocumentOrder(document, [fault("/a", "one"), fault("/a", "two")]).length, 2, "two faults at one place stay two");
});

t.test("a hundred thousand faults are put in order at once", async (t) => {
  const document = { list: Array.from({ length: 100_000 }, () => 0) };
  const faults = document.list.map((_, i) => fault(`/list/${i}`)).reverse();
  t.equal(inDocumentOrder(document, faults)[0]?.pointer, "/list/0");
});

t.test("one fault is one line, several are a list with their number", async (t) => {
  t.equal(faultText("config.json", [fault("/a")]), "config.json: /a: found 1, allowed: another");
  t.equal(
    faultText("c", [fault("/a"), fault("", "an object")]),
    "c: 2 faults:\n  /a: found 1, allowed: another\n  the whole document: found 1, allowed: an object",
  );
});

t.test("a control character in a name does not reach the terminal", async (t) => {
  t.equal(faultText("c", [fault("/a\u001b[2J")]), String.raw`c: "/a\u001b[2J": found 1, allowed: another`);
});

t.test("of very many faults a hundred are shown", async (t) => {
  const lines = faultText(
    "c",
    Array.from({ length: 250 }, (_, i) => fault(`/${i}`)),
  ).split("\n");
  t.equal(lines.length, 102);
  t.equal(lines[0], "c: 250 faults:");
  t.equal(lines[101], "  and 150 more");
});
