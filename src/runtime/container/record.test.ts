import t from "tap";
import { parseRecord, serializeRecord, statePath } from "./record.js";
import type { ContainerRecord } from "./record.js";

const record: ContainerRecord = {
  version: 1,
  id: "c1",
  status: "created",
  bundle: "/b",
  rootfs: "/b/rootfs",
  created: "2026-01-01T00:00:00Z",
  ownerUid: 0,
  process: { pid: 5, startTimeTicks: "77" },
  ownPidNamespace: true,
  cgroups: { paths: ["/sys/fs/cgroup/c1"], freezer: "/sys/fs/cgroup/c1" },
  undo: [{ op: "removeCgroup", path: "/sys/fs/cgroup/c1" }],
  poststart: [],
  poststop: [],
};

t.test("a record survives being written and read", async (t) => {
  t.same(parseRecord(serializeRecord(record), "/p"), record);
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
    { ...record, version: 2 },
    { ...record, id: 5 },
    { ...record, status: "odd" },
    { ...record, process: { pid: "5" } },
    { ...record, cgroups: {} },
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
