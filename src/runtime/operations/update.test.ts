import t from "tap";
import { readCarefully } from "../careful.js";
import type { LazyParts } from "../../door.js";
import type { ContainerRecord, Reply, Request } from "../generated/plan.js";
import { created, flag } from "../testing/created.js";
import { failed } from "../testing/fake-door.js";
import type { Answers } from "../testing/fake-door.js";
import { updateContainer } from "./update.js";
import type { UpdateOptions } from "./update.js";

/** What the kernel's files have, by their names. */
const texts: Record<string, string> = { "pids.max": "50", "memory.max": "64", "memory.swap.max": "max", "cpu.max": "max 100000" };

const values = ({ paths }: Extract<Request, { op: "readValues" }>): Reply => ({
  kind: "values",
  values: paths.map((path) => texts[path.slice(path.lastIndexOf("/") + 1)] ?? null),
});

function update(options: UpdateOptions, answers: Answers = {}, alive = true) {
  const container = created({ alive, answers: { readValues: values, ...answers } });
  const { door } = container.context;
  const part = <Name extends keyof LazyParts>(name: Name): LazyParts[Name] =>
    name === "careful" ? ({ readCarefully } as LazyParts[Name]) : door.part(name);
  const run = (): void => updateContainer({ ...container.context, door: { ...door, part } }, "c1", options);
  const saved = (): ContainerRecord[] => container.requests.flatMap((request) => (request.op === "saveState" ? [request.record] : []));
  return { ...container, run, saved };
}

t.test("the resources as applied are recorded, and only what is named is written", async (t) => {
  const { run, requests, saved } = update({ resources: '{"pids":{"limit":7},"memory":{"limit":0}}' });
  run();
  const change = requests.find((request) => request.op === "changeLimits")?.change;
  t.match(change?.writes, [{ write: { value: "7", pointer: "/linux/resources/pids/limit" }, restore: [{ value: "50" }] }]);
  t.equal(change?.writes.length, 1);
  t.match(saved(), [{ resources: { pids: { limit: 7 } } }]);
});

t.test("a change that fails is recorded no more, and its field has the caller's name", async (t) => {
  const answers: Answers = { changeLimits: ({ change }) => failed("other", `write (${change.writes[0]?.write.pointer})`, "EINVAL") };
  const { run, saved } = update(
    { resources: '{"pids":{"limit":7}}', nameOf: (pointer) => (pointer.includes("pids") ? "--pids-limit" : pointer) },
    answers,
  );
  t.throws(run, { message: 'update "c1": write (--pids-limit): EINVAL' });
  const [during, after] = saved();
  t.match(during, { resources: { pids: { limit: 7 } } });
  t.not(JSON.stringify(after?.resources), JSON.stringify(during?.resources));
});

t.test("nothing is written where the record cannot be", async (t) => {
  const { run, ops } = update({ resources: '{"pids":{"limit":7}}' }, { saveState: () => failed("other", "write", "ENOSPC") });
  t.throws(run, { message: 'update "c1": write: ENOSPC' });
  t.notOk(ops().includes("changeLimits"));
});

t.test("nothing is done where nothing is named", async (t) => {
  for (const options of [{}, { resources: "{}" }, { resources: '{"cpu":{"quota":0},"memory":{"kernel":5}}' }]) {
    const { run, ops } = update(options);
    run();
    t.notOk(ops().includes("saveState"));
  }
});

t.test("a stopped container is refused in runc's words, resources with their faults", async (t) => {
  t.throws(update({ resources: "{}" }, { alive: () => flag(false) }, false).run, {
    code: "wrongStatus",
    message: 'update "c1": container not running',
  });
  t.throws(update({ resources: '{"pids":{"limit":"x"}}', name: "r.json" }).run, {
    code: "invalidConfig",
    message: 'update "c1": r.json: /linux/resources/pids/limit: found "x", allowed: an integer',
  });
});

t.test("a container without a class of Intel RDT gets one, which delete removes", async (t) => {
  const groups = (text: string): Answers => ({
    findMount: () => ({ kind: "text", text: "/resctrl" }),
    readValues: () => ({ kind: "values", values: [text] }),
  });
  const own = update({ l3CacheSchema: "L3:0=f" }, groups("res:/\nmon:/\n"));
  own.run();
  t.match(
    own.requests.find(({ op }) => op === "changeLimits"),
    { change: { schemata: { group: "/resctrl/c1", make: true } } },
  );
  t.match(own.saved()[0]?.undo.at(-1), { op: "removeResctrlGroup", path: "/resctrl/c1" });
  const shared = update({ memBwSchema: "MB:0=50" }, groups("res:/gold/\nmon:/\n"));
  shared.run();
  t.match(
    shared.requests.find(({ op }) => op === "changeLimits"),
    {
      change: { schemata: { group: "/resctrl/gold", make: false, lines: [{ text: "MB:0=50", pointer: "--mem-bw-schema" }] } },
    },
  );
});

t.test("where the kernel does not tell the class of a process, no class is changed", async (t) => {
  const { run, ops } = update({ l3CacheSchema: "L3:0=f" }, { findMount: () => ({ kind: "text", text: "/resctrl" }) });
  t.throws(run, { message: /--l3-cache-schema: this kernel does not tell a process's class/ });
  t.notOk(ops().includes("changeLimits"));
});
