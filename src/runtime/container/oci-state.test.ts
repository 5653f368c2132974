import t from "tap";
import { hookState, ociState } from "./oci-state.js";
import type { ContainerRecord } from "./record.js";

const record = {
  id: "c1",
  bundle: "/b",
  rootfs: "/b/r",
  created: "now",
  ownerUid: 0,
  annotations: { a: "b" },
  process: { pid: 5, startTimeTicks: "1" },
} as unknown as ContainerRecord;

t.test("the state has runc's members in runc's order", async (t) => {
  t.equal(
    JSON.stringify(ociState(record, "running", "root")),
    '{"ociVersion":"1.3.0","id":"c1","pid":5,"status":"running","bundle":"/b","rootfs":"/b/r","created":"now","annotations":{"a":"b"},"owner":"root"}',
  );
});

t.test("a stopped container has no pid", async (t) => {
  t.equal(ociState(record, "stopped", "root").pid, 0);
});

t.test("no annotations are left out", async (t) => {
  t.notOk("annotations" in ociState({ ...record, annotations: {} }, "running", "root"));
});

t.test("hooks read the state with pid and status", async (t) => {
  t.same(hookState(record, "running"), {
    ociVersion: "1.3.0",
    id: "c1",
    status: "running",
    pid: 5,
    bundle: "/b",
    annotations: { a: "b" },
  });
  t.match(hookState(record, "stopped"), { pid: 0, status: "stopped" });
});
