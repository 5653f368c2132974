import t from "tap";
import { NO_LIMIT, bitsOf, parseBandwidth, parseInteger, parseSize, parseWeightLine } from "./cgroup-values.js";

t.test("sizes have suffixes and bases, as in the kernel", async (t) => {
  const cases: [string, bigint | undefined][] = [
    ["0", 0n],
    ["64M", 67108864n],
    ["64m", 67108864n],
    ["1k", 1024n],
    ["2G", 2n ** 31n],
    ["1t", 2n ** 40n],
    ["1P", 2n ** 50n],
    ["1E", 2n ** 60n],
    ["0x4000000", 67108864n],
    ["0X10K", 16384n],
    ["010", 8n],
    [" 4096 ", 4096n],
    ["max", NO_LIMIT],
    [" max\t", NO_LIMIT],
    ["", undefined],
    ["-1", undefined],
    ["+1", undefined],
    ["08", undefined],
    ["64MB", undefined],
    ["64 M", undefined],
    ["1.5G", undefined],
    ["16E", undefined],
    ["infinity", undefined],
  ];
  for (const [text, value] of cases) t.equal(parseSize(text), value, text);
});

t.test("other numbers have bases and a sign", async (t) => {
  const cases: [string, bigint | undefined][] = [
    ["77", 77n],
    ["+77", 77n],
    ["-1", -1n],
    ["0x4d", 77n],
    ["0115", 77n],
    ["max", NO_LIMIT],
    ["64M", undefined],
    ["", undefined],
    ["1 2", undefined],
    ["99999999999999999999", undefined],
  ];
  for (const [text, value] of cases) t.equal(parseInteger(text), value, text);
});

t.test("cpu.max is a quota and perhaps a period", async (t) => {
  const cases: [string, [bigint | undefined, bigint | undefined] | undefined][] = [
    ["30000 50000", [30000n, 50000n]],
    ["  30000  \t50000 ", [30000n, 50000n]],
    ["30000", [30000n, undefined]],
    ["30000 ", [30000n, undefined]],
    ["max 50000", [undefined, 50000n]],
    ["max", [undefined, undefined]],
    ["30000 50000 rest", [30000n, 50000n]],
    ["", undefined],
    ["-1", undefined],
    ["fast 50000", undefined],
    ["30000 slow", undefined],
  ];
  for (const [text, value] of cases) t.same(parseBandwidth(text), value && { quota: value[0], period: value[1] }, text);
});

t.test("a set of numbers is bits, the lowest byte first", async (t) => {
  t.same(bitsOf([0, 1, 2, 9]), [7, 2]);
  t.same(bitsOf([16]), [0, 0, 1]);
  t.same(bitsOf([]), []);
});

t.test("a line of weights is the default or that of a device", async (t) => {
  t.same(parseWeightLine("default 200"), { device: undefined, weight: 200n });
  t.same(parseWeightLine(" 200 "), { device: undefined, weight: 200n });
  t.same(parseWeightLine("8:0  300"), { device: "8:0", weight: 300n });
  t.same(parseWeightLine("8:0 default"), { device: "8:0", weight: undefined });
  for (const text of ["", "default", "8:0", "sda 300", "8:0 300 400", "-5"]) t.same(parseWeightLine(text), undefined, text);
});
