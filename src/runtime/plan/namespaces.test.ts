import t from "tap";
import { FACTS } from "../testing/fake-door.js";
import { createsNamespace, planSpawn, sharesNamespace } from "./namespaces.js";

const spec = {
  ociVersion: "1.0.0",
  process: { cwd: "/", oomScoreAdj: -5 },
  linux: {
    namespaces: [{ type: "user" }, { type: "network", path: "/proc/1/ns/net" }, { type: "pid", path: "" }],
    uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
    gidMappings: [{ containerID: 0, hostID: 100, size: 2 }],
  },
} as const;
const mutable = JSON.parse(JSON.stringify(spec)) as Parameters<typeof planSpawn>[0];

t.test("namespaces with a path are joined, the others made, in config order", async (t) => {
  const spawn = planSpawn(mutable, FACTS);
  t.same(spawn.create, ["user", "pid"]);
  t.same(spawn.join, [{ namespace: "network", path: "/proc/1/ns/net", pointer: "/linux/namespaces/1/path" }]);
  t.equal(spawn.oomScoreAdj, -5);
});

t.test("mappings are planned for a new user namespace and for a joined one, to be compared", async (t) => {
  t.same(planSpawn(mutable, FACTS).uidMappings, [{ containerId: 0, hostId: 1000, size: 1 }]);
  const joined = { ...mutable, linux: { ...mutable.linux, namespaces: [{ type: "user" as const, path: "/ns" }] } };
  t.same(planSpawn(joined, FACTS).uidMappings, [{ containerId: 0, hostId: 1000, size: 1 }]);
  const shared = { ...mutable, linux: { ...mutable.linux, namespaces: [] } };
  t.same(planSpawn(shared, FACTS).uidMappings, []);
});

t.test("only a caller who is not root needs the helpers for maps", async (t) => {
  t.equal(planSpawn(mutable, FACTS).rootless, false);
  t.equal(planSpawn(mutable, { ...FACTS, euid: 1000 }).rootless, true);
});

t.test("a namespace is made, joined or shared", async (t) => {
  t.ok(createsNamespace(mutable, "user"));
  t.notOk(createsNamespace(mutable, "network"));
  t.notOk(sharesNamespace(mutable, "network"));
  t.ok(sharesNamespace(mutable, "uts"));
  t.ok(sharesNamespace({ ociVersion: "1.0.0" }, "uts"));
});
