import t from "tap";
import { exactly, freezerOf, parseRecord, statePath } from "./record.js";
import type { ContainerRecord } from "./record.js";

const record: ContainerRecord = {
  version: 2,
  id: "c1",
  status: "created",
  bundle: "/b",
  rootfs: "/b/rootfs",
  created: "2026-01-01T00:00:00Z",
  ownerUid: 0,
  process: { pid: 5, startTimeTicks: "77" },
  ownPidNamespace: true,
  namespaces: ["mount", "pid"],
  cgroups: [{ controllers: [], path: "/sys/fs/cgroup/c1" }],
  undo: [{ op: "removeCgroup", path: "/sys/fs/cgroup/c1" }],
  poststart: [],
  poststop: [],
};

t.test("a record survives being written and read", async (t) => {
  t.same(parseRecord(JSON.stringify(record), "/p"), record);
});

t.test("statePath is below the id", async (t) => {
  t.equal(statePath("/run/x", "c1"), "/run/x/c1/state.json");
});

t.test("whatever is no record is refused with the file's name", async (t) => {
  const broken: unknown[] = [
    null,
    3,
    [],
    {},
    { ...record, version: 3 },
    { ...record, id: 5 },
    { ...record, status: "odd" },
    { ...record, process: { pid: "5" } },
    { ...record, cgroups: {} },
    { ...record, cgroups: [{ path: "/c" }] },
    { ...record, version: 1 },
    { ...record, namespaces: undefined },
    { ...record, undo: undefined },
  ];
  for (const value of [...broken.map((value) => JSON.stringify(value)), "", "{", JSON.stringify(record).slice(0, -2)]) {
    t.throws(
      () => parseRecord(value, "/run/x/c1/state.json"),
      { code: "corruptState", path: "/run/x/c1/state.json", message: /^read "\/run\/x\/c1\/state.json": the file is damaged: / },
      value.slice(0, 60),
    );
  }
});

t.test("a process may be absent while the container is created", async (t) => {
  const { process: _none, ...creating } = record;
  t.doesNotThrow(() => parseRecord(JSON.stringify({ ...creating, status: "creating" }), "/p"));
});

t.test("a record of version 1 is read, and its cgroups get the controllers of their hierarchies", async (t) => {
  const { namespaces: _namespaces, cgroups: _cgroups, ...common } = record;
  const old = (paths: string[], freezer?: string): object => ({
    ...common,
    version: 1,
    undo: [{ op: "stopUnit", unit: "a.scope", description: "ours", bus: { path: "/bus", direct: true } }],
    cgroups: { paths, freezer },
    execCPUAffinity: { final: "0" },
  });
  const v1 = ["freezer", "cpu,cpuacct", "systemd", "unified"].map((name) => `/sys/fs/cgroup/${name}/c1`);
  const read = parseRecord(JSON.stringify(old(v1, v1[0])), "/p");
  t.same(read.cgroups, [
    { controllers: ["freezer"], path: v1[0] },
    { controllers: ["cpu", "cpuacct"], path: v1[1] },
    { controllers: ["name=systemd"], path: v1[2] },
    { controllers: [], path: v1[3] },
  ]);
  t.match(read, { version: 2, namespaces: ["pid"], execAffinity: { final: "0" }, unit: { name: "a.scope" }, id: "c1" });
  t.equal(freezerOf(read), v1[0]);
  t.equal(freezerOf(parseRecord(JSON.stringify(old(["/sys/fs/cgroup/a/c1"], "/sys/fs/cgroup/a/c1")), "/p")), "/sys/fs/cgroup/a/c1");
  t.equal(freezerOf(parseRecord(JSON.stringify(old([])), "/p")), undefined);
});

t.test("integers beyond 2^53 become decimal strings, everything else stays", async (t) => {
  t.same(exactly({ memory: { limit: 2n ** 63n, swap: -1 }, devices: [{ allow: true, type: null }] }), {
    memory: { limit: "9223372036854775808", swap: -1 },
    devices: [{ allow: true, type: null }],
  });
});
