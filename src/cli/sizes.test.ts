import t from "tap";
import { parseBytes } from "./sizes.js";

void t.test("amounts of memory have the units of Docker's tools, in upper and lower case", (t) => {
  const cases: [string, bigint][] = [
    ["0", 0n],
    ["1536", 1536n],
    ["64b", 64n],
    ["1k", 1024n],
    ["512M", 536_870_912n],
    ["64mb", 67_108_864n],
    ["64MiB", 67_108_864n],
    ["1.5 gib", 1_610_612_736n],
    ["1.5", 1n],
    ["2t", 2n ** 41n],
    ["1p", 2n ** 50n],
    ["9223372036854775807", 2n ** 63n - 1n],
  ];
  for (const [text, bytes] of cases) t.equal(parseBytes(text), bytes, text);
  t.end();
});

void t.test("anything else is no amount", (t) => {
  for (const text of [
    "",
    "m",
    "-1",
    "-5m",
    "1e3",
    "0x10",
    "1,5m",
    "5 mm",
    "5ib b",
    "1.m",
    ".5m",
    "5  m",
    "9223372036854775808",
    "8192p",
    "12 34",
  ])
    t.equal(parseBytes(text), undefined, text);
  t.end();
});
