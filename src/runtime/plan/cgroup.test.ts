import t from "tap";
import type { HostFacts } from "../generated/plan.js";
import type { Spec } from "../spec/generated/spec-types.js";
import { FACTS } from "../testing/fake-door.js";
import { cgroupDirectories, makesCgroups, placeCgroups, planCgroup, planCgroupUndo } from "./cgroup.js";

const HYBRID: HostFacts = {
  ...FACTS,
  cgroupMode: "hybrid",
  hierarchies: [
    { controllers: ["memory"], mountpoint: "/sys/fs/cgroup/memory", own: "/api/x" },
    { controllers: ["cpuset"], mountpoint: "/sys/fs/cgroup/cpuset", own: "/" },
    { controllers: ["devices"], mountpoint: "/sys/fs/cgroup/devices", own: "/" },
    { controllers: [], mountpoint: "/sys/fs/cgroup/unified", own: "/" },
  ],
};
const withPath = (cgroupsPath?: string): Spec => ({ ociVersion: "1.0.0", linux: cgroupsPath === undefined ? {} : { cgroupsPath } });
const request = (facts: HostFacts, cgroupsPath?: string, rootless = false) => ({ spec: withPath(cgroupsPath), id: "c1", facts, rootless });
const paths = (facts: HostFacts, cgroupsPath?: string): string[] => placeCgroups(request(facts, cgroupsPath)).map(({ path }) => path);

t.test("v1: the default and a relative path are below the caller's cgroup, an absolute one below the hierarchy", async (t) => {
  t.same(paths(HYBRID)[0], "/sys/fs/cgroup/memory/api/x/c1");
  t.same(paths(HYBRID, "a/b")[0], "/sys/fs/cgroup/memory/api/x/a/b");
  t.same(paths(HYBRID, "/a/b")[0], "/sys/fs/cgroup/memory/a/b");
  t.same(paths(HYBRID, "/a/b")[3], "/sys/fs/cgroup/unified/a/b");
});

t.test("v2: they are beside the caller's cgroup, which holds processes", async (t) => {
  t.same(paths(FACTS), ["/sys/fs/cgroup/user.slice/c1"]);
  t.same(paths(FACTS, "a/b"), ["/sys/fs/cgroup/user.slice/a/b"]);
  t.same(paths(FACTS, "/a/b"), ["/sys/fs/cgroup/a/b"]);
});

t.test("dots cannot lead out, and the root of a hierarchy is no container's", async (t) => {
  t.same(paths(FACTS, "../../x"), ["/sys/fs/cgroup/user.slice/x"]);
  t.throws(() => paths(FACTS, "/"), { code: "invalidConfig", path: "/linux/cgroupsPath" });
});

t.test("a caller without privilege gets cgroups only when the configuration asks for something", async (t) => {
  t.notOk(makesCgroups(request(FACTS, undefined, true)));
  t.ok(makesCgroups(request(FACTS, "/x", true)));
  const limited = { ...request(FACTS, undefined, true), spec: { ociVersion: "1.0.0", linux: { resources: { pids: { limit: 5 } } } } };
  t.ok(makesCgroups(limited));
  const devicesOnly = { ...limited, spec: { ociVersion: "1.0.0", linux: { resources: { devices: [{ allow: false }], memory: {} } } } };
  t.notOk(makesCgroups(devicesOnly));
  t.notOk(makesCgroups(request({ ...FACTS, cgroupMode: "none" })));
});

t.test("one that stays in the caller's cgroups makes, writes and joins nothing", async (t) => {
  const staying = request(FACTS, undefined, true);
  t.same(placeCgroups(staying)[0]?.path, "/sys/fs/cgroup/user.slice/session");
  t.same(planCgroup(staying, placeCgroups(staying)), {
    directories: [],
    writes: [],
    joinTasks: [],
    cloneInto: null,
    deviceFilter: null,
  });
});

t.test("v2: cloned into, controllers enabled, devices by a filter", async (t) => {
  const plan = planCgroup(request(FACTS), placeCgroups(request(FACTS)));
  t.match(plan, {
    cloneInto: "/sys/fs/cgroup/user.slice/c1",
    joinTasks: [],
    directories: [{ enableControllers: ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma"] }],
  });
  t.match(plan.deviceFilter?.[0], { allow: false, kind: "a" });
});

t.test("hybrid: v1 hierarchies are joined by their tasks, the unified one by clone; devices by files", async (t) => {
  const plan = planCgroup(request(HYBRID), placeCgroups(request(HYBRID)));
  t.equal(plan.joinTasks.length, 3);
  t.equal(plan.cloneInto, "/sys/fs/cgroup/unified/c1");
  t.equal(plan.deviceFilter, null);
  t.match(plan.writes[0], { path: "/sys/fs/cgroup/devices/c1/devices.deny", value: "a" });
  t.same(
    plan.directories.map(({ inheritCpuset }) => inheritCpuset ?? false),
    [false, true, false, false],
  );
});

t.test("devices are not limited without privilege", async (t) => {
  const rootless = request(HYBRID, "/x", true);
  t.same(planCgroup(rootless, placeCgroups(rootless)).writes, []);
});

t.test("a limit whose controller is not mounted is refused", async (t) => {
  const limited = { ...request(HYBRID), spec: { ociVersion: "1.0.0", linux: { resources: { pids: { limit: 5 } } } } };
  t.throws(() => planCgroup(limited, placeCgroups(limited)), {
    code: "unsupported",
    message: '/linux/resources/pids/limit: the cgroup controller "pids" is not mounted',
  });
});

t.test("undo removes the container's directories and the parents that were missing", async (t) => {
  const placements = placeCgroups(request(FACTS, "/a/b/c"));
  t.same(cgroupDirectories(placements), ["/sys/fs/cgroup/a/b/c", "/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a"]);
  t.same(planCgroupUndo(placements, new Set(["/sys/fs/cgroup/a/b/c", "/sys/fs/cgroup/a/b"]), { whole: true, endsWithInit: false }), [
    { op: "removeCgroup", path: "/sys/fs/cgroup/a/b/c" },
    { op: "removeEmptyCgroup", path: "/sys/fs/cgroup/a/b" },
  ]);
});

t.test("while creating, a directory that was there before is left alone", async (t) => {
  const placements = placeCgroups(request(FACTS, "/a"));
  t.same(planCgroupUndo(placements, new Set(), { whole: false, endsWithInit: true }), []);
  t.same(planCgroupUndo(placements, new Set(), { whole: true, endsWithInit: false }), [{ op: "removeCgroup", path: "/sys/fs/cgroup/a" }]);
});

t.test("unified brings its controllers along, on a hybrid host too, and misses those that are not there", async (t) => {
  const plannedWith = (facts: HostFacts, unified: Record<string, string>) => {
    const cgroupRequest = { spec: { ociVersion: "1.0.0", linux: { resources: { unified } } }, id: "c1", facts, rootless: false };
    return planCgroup(cgroupRequest, placeCgroups(cgroupRequest));
  };
  const v2 = plannedWith({ ...FACTS, v2Controllers: ["cpu", "misc", "dmem"] }, { "misc.max": "x 1", "cgroup.max.depth": "2" });
  t.same(v2.directories[0]?.enableControllers, ["cpu", "misc"]);
  const hybrid = plannedWith({ ...HYBRID, v2Controllers: ["hugetlb", "misc"] }, { "hugetlb.2MB.max": "0" });
  t.same(hybrid.directories.at(-1)?.enableControllers, ["hugetlb"]);
  t.match(hybrid.writes.at(-1), { path: "/sys/fs/cgroup/unified/c1/hugetlb.2MB.max", value: "0" });
  const without = { ...FACTS, v2Controllers: ["cpu"] };
  t.throws(() => plannedWith(without, { "memory.max": "1" }), {
    message: '/linux/resources/unified/memory.max: the cgroup controller "memory" is not available',
  });
  const onV1 = { ...HYBRID, v2Controllers: ["misc"] };
  t.throws(() => plannedWith(onV1, { "memory.max": "1" }), {
    message:
      '/linux/resources/unified/memory.max: invalid configuration: cannot use unified on cgroup v1, where this host has the controller "memory"',
  });
  const v1 = { ...HYBRID, hierarchies: HYBRID.hierarchies.filter(({ controllers }) => controllers.length > 0) };
  t.throws(() => plannedWith(v1, { "memory.max": "1" }), {
    message: "/linux/resources/unified: invalid configuration: cannot use unified on cgroup v1, and this host has no other",
  });
});

t.test("a cgroup below one that others may freeze is looked at", async (t) => {
  const freezer = { ...HYBRID, hierarchies: [{ controllers: ["freezer"], mountpoint: "/f", own: "/a/b" }, ...HYBRID.hierarchies] };
  const flags = (facts: HostFacts, cgroupsPath?: string) => {
    const cgroupRequest = request(facts, cgroupsPath);
    return planCgroup(cgroupRequest, placeCgroups(cgroupRequest)).directories.map(({ mayBeFrozen }) => mayBeFrozen === true);
  };
  t.same(flags(freezer), [false, false, false, false, false]);
  t.same(flags(freezer, "/a"), [false, false, false, false, false]);
  t.same(flags(freezer, "/a/c"), [true, false, false, false, true]);
  t.same(flags(FACTS), [false]);
  t.same(flags(FACTS, "/other.slice/c"), [true]);
});

t.test("a hybrid host's limits go to v2 where only that has the controller", async (t) => {
  const facts = { ...HYBRID, v2Controllers: ["hugetlb"] };
  const spec: Spec = { ociVersion: "1.0.0", linux: { resources: { hugepageLimits: [{ pageSize: "2MB", limit: 4096 }] } } };
  const hybrid = { spec, id: "c1", facts, rootless: false };
  const planned = planCgroup(hybrid, placeCgroups(hybrid));
  const unified = planned.directories.find(({ path }) => path.includes("/unified/"));
  t.same(unified?.enableControllers, ["hugetlb"]);
  t.ok(planned.writes.some(({ path, value }) => path.endsWith("/unified/c1/hugetlb.2MB.max") && value === "4096"));
});

t.test("with the cgroup manager disabled none is made, whatever asks for one, and limits are refused", async (t) => {
  const disabled = { ...request(HYBRID, "/x"), disabled: true };
  t.notOk(makesCgroups(disabled));
  const placements = placeCgroups(disabled);
  t.equal(placements[0]?.path, "/sys/fs/cgroup/memory/api/x");
  t.match(planCgroup(disabled, placements), { directories: [], writes: [], joinTasks: [], cloneInto: null });
  const limited = { ...disabled, spec: { ociVersion: "1.0.0", linux: { resources: { devices: [], memory: { limit: 5 } } } } };
  t.throws(() => planCgroup(limited, placements), {
    code: "unsupported",
    path: "/linux/resources/memory",
    message: "/linux/resources/memory: the cgroup manager is disabled: without a cgroup there are no limits",
  });
});
