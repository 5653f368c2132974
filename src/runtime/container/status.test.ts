import t from "tap";
import { statusOf } from "./status.js";
import type { Observation, RecordedStatus, Status } from "./status.js";

const seen = (recorded: RecordedStatus, more: Partial<Observation> = {}): Status =>
  statusOf({ recorded, locked: false, alive: true, frozen: false, ...more });

t.test("what is being created is creating; what nobody creates any more is stopped", async (t) => {
  t.equal(seen("creating", { locked: true, alive: false }), "creating");
  t.equal(seen("creating", { alive: false }), "stopped");
});

t.test("without a process everything is stopped", async (t) => {
  t.equal(seen("created", { alive: false, frozen: true }), "stopped");
  t.equal(seen("running", { alive: false }), "stopped");
});

t.test("a frozen one is paused", async (t) => {
  t.equal(seen("running", { frozen: true }), "paused");
});

t.test("a created one whose gate is open runs", async (t) => {
  t.equal(seen("created"), "created");
  t.equal(seen("created", { atGate: true }), "created");
  t.equal(seen("created", { atGate: false }), "running");
  t.equal(seen("running", { atGate: false }), "running");
});
