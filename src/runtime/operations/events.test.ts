import t from "tap";
import type { EventSource, Reply } from "../generated/plan.js";
import { fakeContext, fakeDoor } from "../testing/fake-door.js";
import type { Answers, FakeContext, FakeDoor } from "../testing/fake-door.js";
import { containerEvents, containerStats } from "./events.js";

const record = {
  version: 2,
  id: "c1",
  status: "running",
  bundle: "/b",
  rootfs: "/b/rootfs",
  created: "2026-01-01T00:00:00Z",
  ownerUid: 0,
  process: { pid: 5, startTimeTicks: "77" },
  ownPidNamespace: true,
  namespaces: [],
  cgroups: [{ controllers: [], path: "/sys/fs/cgroup/c1" }],
  undo: [],
  poststart: [],
  poststop: [],
};

const event = (kind: EventSource["kind"] | undefined, text: string | null = null): { kind: typeof kind; text: string | null } => ({
  kind,
  text,
});

interface Scene extends FakeDoor {
  context: FakeContext;
  /** memory.events: readings of the core, one after another; the last one stays. */
  killed: number[];
}

/** A container of v2, or of v1, and what happens to it. */
function scene({
  happens,
  killed = [0],
  version = 2,
  answers = {},
}: {
  happens: ReturnType<typeof event>[];
  killed?: number[];
  version?: 1 | 2;
  answers?: Answers;
}): Scene {
  let sources: EventSource[] = [];
  const readings = [...killed];
  const fake = fakeDoor({
    files: {
      "/run/test/c1/state.json": JSON.stringify({
        ...record,
        cgroups: [{ controllers: version === 1 ? ["memory"] : [], path: "/sys/fs/cgroup/c1" }],
      }),
    },
    answers: {
      missing: () => ({ kind: "names", names: [] }),
      listDirectory: () => ({ kind: "names", names: ["hugepages-2048kB"] }),
      readValues: ({ paths }) => {
        const values = paths.map((path) => {
          if (path.endsWith("/memory.events")) return `oom_kill ${readings.length > 1 ? readings.shift() : readings[0]}\n`;
          return path.endsWith("/pids.current") ? "9007199254740993\n" : null;
        });
        return { kind: "values", values };
      },
      watch: (request) => {
        sources = request.sources;
        return { kind: "handle", handle: 7 };
      },
      nextEvent: (): Reply => {
        const { kind, text } = happens.shift() ?? event("processEnd");
        return { kind: "event", source: sources.findIndex((source) => source.kind === kind), text };
      },
      ...answers,
    },
  });
  return { ...fake, context: fakeContext(fake.door), killed };
}

const types = (context: FakeContext, endsWithOutput = false): string[] =>
  [...containerEvents(context, "c1", { intervalMilliseconds: 10, endsWithOutput })].map(({ type }) => type);

t.test("statistics are read of the cgroups, whole", async (t) => {
  const { context, requests } = scene({ happens: [] });
  t.equal(containerStats(context, "c1").pids.current, 9_007_199_254_740_993n);
  t.match(requests.at(-1), { op: "readValues", paths: ["/sys/fs/cgroup/c1/cpu.stat"] });
});

t.test("Intel RDT is read of the groups that the process is in at that time, and not of those of the whole host", async (t) => {
  const groups = ["res:/gold\nmon:/c1", "res:/gold\nmon:/", "res:/\nmon:/"];
  const { context, requests } = scene({
    happens: [event("interval"), event("interval"), event("interval")],
    answers: {
      findMount: () => ({ kind: "text", text: "/resctrl" }),
      listDirectory: ({ path }) => ({ kind: "names", names: path.endsWith("/mon_data") ? ["mon_L3_00"] : [] }),
      readValues: ({ paths }) => ({
        kind: "values",
        values: paths.map((path) => {
          if (path === "/proc/5/cpu_resctrl_groups") return groups.shift() ?? null;
          if (path === "/resctrl/info/L3_MON/mon_features") return "llc_occupancy";
          if (path === "/resctrl/gold/mon_groups/c1/mon_data/mon_L3_00/llc_occupancy") return "11";
          return path === "/resctrl/gold/mon_data/mon_L3_00/llc_occupancy" ? "22" : null;
        }),
      }),
    },
  });
  const seen = [...containerEvents(context, "c1", { intervalMilliseconds: 10 })];
  t.same(
    seen.map((event) => event.type === "stats" && event.data.intel_rdt),
    [{ cmt_stats: [{ llc_occupancy: 11n }] }, { cmt_stats: [{ llc_occupancy: 22n }] }, {}],
  );
  t.equal(requests.filter(({ op }) => op === "findMount").length, 1);
});

t.test("intervals and memory come until the process ends, and the watch is closed", async (t) => {
  const happens = [event("interval"), event("fileChange", "oom_kill 2\n"), event("interval")];
  const { context, ops, requests } = scene({ happens, killed: [1, 1, 2] });
  t.same(types(context), ["stats", "oom", "stats"]);
  t.equal(ops().at(-1), "close");
  t.match(
    requests.find(({ op }) => op === "nextEvent"),
    { handle: 7, interruptible: false },
  );
  t.same(context.logged, []);
});

t.test("v2: only more kills are an oom event", async (t) => {
  const happens = [
    event("fileChange", "max 5\noom_kill 3\n"),
    event("fileChange", "oom_kill 4\n"),
    event("fileChange", "max 6\noom_kill 4\n"),
  ];
  t.same(types(scene({ happens, killed: [3, 3, 4] }).context), ["oom"]);
});

t.test("v2: OOM kills that the kernel did not report in time, and those before the watch, are reported", async (t) => {
  t.same(types(scene({ happens: [], killed: [0, 0, 1] }).context), ["oom"]);
  t.same(types(scene({ happens: [], killed: [0, 1, 1] }).context), ["oom"]);
});

t.test("v2: a cgroup that is removed is no oom event", async (t) => {
  t.same(types(scene({ happens: [event("fileChange", null)] }).context), []);
});

t.test("v1: OOM events come from the kernel's counter, which the removal of the cgroup does not change", async (t) => {
  const { context, requests } = scene({ happens: [event("outOfMemory", "1"), event("outOfMemory", "0")], version: 1 });
  t.same(types(context), ["oom"]);
  t.match(
    requests.find(({ op }) => op === "watch"),
    {
      sources: [{ kind: "processEnd" }, { kind: "interval", milliseconds: 10 }, { kind: "outOfMemory", cgroup: "/sys/fs/cgroup/c1" }],
    },
  );
});

t.test("without a cgroup that tells of memory there are statistics alone, and a warning", async (t) => {
  const { context } = scene({ happens: [event("interval")], answers: { missing: ({ paths }) => ({ kind: "names", names: paths }) } });
  t.same(types(context), ["stats"]);
  t.same(context.logged, ['warning: events "c1": no cgroup of the container tells when memory runs out']);
});

t.test("it ends when nobody reads the output", async (t) => {
  const { context } = scene({ happens: [event("interval"), event("outputClosed"), event("interval")] });
  t.same(types(context, true), ["stats"]);
});

t.test("whoever stops early closes the watch", async (t) => {
  const { context, ops } = scene({ happens: [event("interval")] });
  for (const { type } of containerEvents(context, "c1", { intervalMilliseconds: 10 })) {
    t.equal(type, "stats");
    break;
  }
  t.equal(ops().at(-1), "close");
});

t.test("statistics that cannot be read are a warning, and the next ones are tried", async (t) => {
  let readings = 0;
  const { context } = scene({
    happens: [event("interval"), event("interval")],
    answers: {
      readValues: ({ paths }) => ({
        kind: "values",
        values: paths.map((path) => (path.endsWith("/pids.current") && ++readings === 1 ? "x" : null)),
      }),
    },
  });
  t.same(types(context), ["stats"]);
  t.same(context.logged, ['warning: events "c1": read "pids.current": cannot make sense of "x"']);
});

t.test("a signal ends it with its status", async (t) => {
  const { context, ops } = scene({
    happens: [],
    answers: { nextEvent: () => ({ kind: "failed", failure: { code: "interrupted", operation: "wait", cause: "SIGTERM", signal: 15 } }) },
  });
  t.throws(() => types(context), { code: "interrupted", exitStatus: 143 });
  t.equal(ops().at(-1), "close");
});

t.test("a container that has stopped is refused in runc's words", async (t) => {
  const { context } = scene({ happens: [], answers: { alive: () => ({ kind: "flag", flag: false }) } });
  const refused = { code: "wrongStatus", message: 'events "c1": container with id c1 is not running' };
  t.throws(() => containerStats(context, "c1"), refused);
  t.throws(() => types(context), refused);
  t.throws(() => containerStats(context, "c2"), { code: "notFound", message: 'events "c2": container does not exist' });
  t.throws(() => containerStats(context, "/"), { code: "invalidArgument" });
});
