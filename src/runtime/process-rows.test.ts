import t from "tap";
import { selectRows } from "./process-rows.js";

const rows = (table: readonly string[], ...pids: number[]): string[] =>
  selectRows(`${table.join("\n")}\n`, new Set(pids))
    .trimEnd()
    .split("\n")
    .slice(1);

t.test("the header stays, with the lines of the processes as they are", async (t) => {
  const table = ["UID        PID  PPID CMD", "root         1     0 init", "root        10     1 sleep 1", "root       110     1  sleep"];
  t.equal(selectRows(`${table.join("\n")}\n`, new Set([10, 7])), `${table[0]}\n${table[2]}\n`);
  t.same(rows(table, 1, 110), [table[1], table[3]]);
  t.same(rows(table), []);
});

t.test("a column may hold several words, a number among them, or none", async (t) => {
  const table = [
    "                 STARTED  PPID   PID CMD",
    "Sun Nov 29 00:50:50 2026     0     1 init",
    "Sun Nov 29 00:50:51 2026     1    29 sleep",
    "                             1    30 x",
  ];
  t.same(rows(table, 29), [table[2]]);
  t.same(rows(table, 30), [table[3]]);
});

t.test("a table that aligns otherwise is read by its words", async (t) => {
  const table = ["PID   USER     COMMAND", "    1 root     init", "  345 root     sleep 9"];
  t.same(rows(table, 345), [table[2]]);
  const wide = ["USER PID CMD", "averylongname 12 a", "b 345678 c"];
  t.same(rows(wide, 12, 345678), wide.slice(1));
});

t.test("PID is a word of its own", async (t) => {
  const table = [" PPID SPID   PID", "    5    6     7", "    7    8     9"];
  t.same(rows(table, 7), [table[1]]);
  for (const header of ["PPID CMD", "pid CMD", "CMD", ""]) {
    t.throws(() => selectRows(`${header}\n 1 x\n`, new Set([1])), { message: "read the output of ps: it has no column PID" }, header);
  }
});

t.test("lines without a pid are of no process", async (t) => {
  const table = ["  PID CMD", "    1 a", "  PID CMD", "    2 b", " more of it", "-1 x"];
  t.same(rows(table, 1, 2), [table[1], table[3]]);
});
