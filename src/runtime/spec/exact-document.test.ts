import t from "tap";
import { exactDocument } from "./exact-document.js";
import { mutated, randomNumbers, runcSpecText } from "./fixtures/configurations.js";

t.test("integers beyond 2^53 come as bigint, all else as JSON.parse gives it", async (t) => {
  const text = `{"max":18446744073709551615,"min":-9223372036854775808,"list":[9007199254740993, 9007199254740991],
    "fraction":1.12345678901234567890,"exponent":12345678901234567890e30,"zeros":0.0000000000000000001}`;
  t.strictSame(exactDocument(text), {
    max: 18446744073709551615n,
    min: -9223372036854775808n,
    list: [9007199254740993n, 9007199254740991],
    fraction: 1.1234567890123457,
    exponent: Number("12345678901234567890e30"),
    zeros: 1e-19,
  });
});

t.test("digits inside of strings and names stay", async (t) => {
  const document = { '18446744073709551615"': '\\"18446744073709551615', "\\": "\\\\", "": "18446744073709551615: 18446744073709551615," };
  t.strictSame(exactDocument(JSON.stringify(document)), document);
});

t.test("a member named __proto__ is a member", async (t) => {
  const document = exactDocument('{"__proto__":{"a":18446744073709551615}}');
  t.strictSame(Object.entries(document as object), [["__proto__", { a: 18446744073709551615n }]]);
});

t.test("without such integers it equals JSON.parse", async (t) => {
  const random = randomNumbers(2);
  for (let round = 0; round < 300; round++) {
    const text = JSON.stringify(mutated(JSON.parse(runcSpecText), random))
      .replaceAll("\\u0000", "")
      .replaceAll("9007199254740992", "7");
    t.strictSame(exactDocument(text), JSON.parse(text));
  }
});
