import t from "tap";
import type { Linux } from "../spec/generated/spec-types.js";
import { planResctrl, resctrlDirectories } from "./intel-rdt.js";

const root = "/sys/fs/resctrl";

function planOf(rdt: NonNullable<Linux["intelRdt"]>, missing: string[] = []) {
  return planResctrl({ rdt, id: "c1", mountpoint: root }, missing);
}

const none = { mountpoint: root, make: false, compare: [], schemata: [], monitor: null };

t.test("without a class the container gets one of its name, which goes with it", async (t) => {
  t.strictSame(resctrlDirectories({ rdt: {}, id: "c1", mountpoint: root }), [`${root}/c1`]);
  const remove = [{ op: "removeResctrlGroup", path: `${root}/c1` }];
  t.strictSame(planOf({}, [`${root}/c1`]), {
    plan: { ...none, group: `${root}/c1`, make: true },
    undo: remove,
    undoWhileCreating: remove,
  });
  t.strictSame(planOf({ closID: "" }), { plan: { ...none, group: `${root}/c1` }, undo: [], undoWhileCreating: [] });
});

t.test("L3 comes first, then MB, then the schemata as one", async (t) => {
  const rdt = { closID: "gold", schemata: ["L3:0=f;1=f", "MB:0=20"], memBwSchema: "MB:0=50", l3CacheSchema: "L3:0=ff" };
  const schemata = ["L3:0=ff\n", "MB:0=50\n", "L3:0=f;1=f\nMB:0=20\n"];
  t.strictSame(planOf(rdt, [`${root}/gold`]), {
    plan: { ...none, group: `${root}/gold`, make: true, schemata },
    undo: [],
    undoWhileCreating: [{ op: "removeResctrlGroup", path: `${root}/gold` }],
  });
  t.strictSame(planOf(rdt).plan, { ...none, group: `${root}/gold`, compare: ["L3:0=ff", "MB:0=50"], schemata });
});

t.test("a class that is named alone must be there", async (t) => {
  t.strictSame(planOf({ closID: "gold" }).plan, { ...none, group: `${root}/gold` });
  t.throws(() => planOf({ closID: "gold" }, [`${root}/gold`]), {
    message: '/linux/intelRdt/closID: the class "gold" is not in "/sys/fs/resctrl", and no schemata say what it is',
  });
});

t.test("/ is the default class, also for monitoring, and stays", async (t) => {
  t.strictSame(planOf({ closID: "/", enableMonitoring: true }), {
    plan: { ...none, group: root, monitor: `${root}/mon_groups/c1` },
    undo: [{ op: "removeResctrlGroup", path: `${root}/mon_groups/c1` }],
    undoWhileCreating: [{ op: "removeResctrlGroup", path: `${root}/mon_groups/c1` }],
  });
});

t.test("the monitoring group goes before the class that it is in", async (t) => {
  t.match(planOf({ enableMonitoring: true }, [`${root}/c1`]).undo, [{ path: `${root}/c1/mon_groups/c1` }, { path: `${root}/c1` }]);
});

t.test("a host without resctrl is an error that says so", async (t) => {
  t.throws(() => planResctrl({ rdt: {}, id: "c1", mountpoint: "" }, []), {
    message: "/linux/intelRdt: needs a mounted resctrl file system (mount -t resctrl), this host has none",
  });
});
