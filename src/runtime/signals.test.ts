import { constants } from "node:os";
import t from "tap";
import { parseSignal } from "./signals.js";

t.test("every signal that Node knows has the same number here", async (t) => {
  for (const [name, number] of Object.entries(constants.signals)) t.equal(parseSignal(name), number, name);
});

t.test("a signal is a number or a name, with or without SIG, in any case", async (t) => {
  for (const text of ["15", "TERM", "SIGTERM", "sigterm", "term"]) t.equal(parseSignal(text), 15, text);
});

t.test("0 asks whether the process is there", async (t) => {
  t.equal(parseSignal("0"), 0);
});

t.test("real-time signals count from RTMIN up and from RTMAX down", async (t) => {
  t.equal(parseSignal("RTMIN"), 34);
  t.equal(parseSignal("SIGRTMIN+3"), 37);
  t.equal(parseSignal("RTMAX-1"), 63);
  t.equal(parseSignal("64"), 64);
});

t.test("anything else is refused by name", async (t) => {
  for (const text of ["", "65", "-9", "9x", "SIGFOO", "RTMIN-1", "RTMAX+1", "RTMIN+31", "SIG", "1e1", "SIGSIGTERM"]) {
    t.throws(() => parseSignal(text), { code: "invalidArgument", message: `use the signal ${JSON.stringify(text)}: unknown signal` }, text);
  }
});
