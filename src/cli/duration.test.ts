import t from "tap";
import { parseDuration } from "./duration.js";

t.test("durations are those of Go", async (t) => {
  const second = 1_000_000_000n;
  const durations: Record<string, bigint> = {
    "5s": 5n * second,
    "0": 0n,
    "+0": 0n,
    "0s": 0n,
    "1m30s": 90n * second,
    "1h": 3600n * second,
    "1.5h": 5400n * second,
    ".5s": second / 2n,
    "1.s": second,
    "100ms": second / 10n,
    "7us": 7000n,
    "7µs": 7000n,
    "7μs": 7000n,
    "3ns": 3n,
    "0.1ns": 0n,
    "-2s": -2n * second,
    "2562047h47m16.854775807s": 2n ** 63n - 1n,
  };
  for (const [text, expected] of Object.entries(durations)) t.equal(parseDuration(text), expected, text);
});

t.test("whatever else is refused", async (t) => {
  for (const text of [
    "",
    "5",
    "s",
    ".s",
    "5 s",
    " 5s",
    "5S",
    "1d",
    "1e3s",
    "--5s",
    "5s ",
    "5s3",
    "1,5s",
    "2562047h47m16.854775808s",
    "9".repeat(30) + "h",
  ]) {
    t.equal(parseDuration(text), undefined, JSON.stringify(text));
  }
});
