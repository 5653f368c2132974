import t from "tap";
import { FACTS } from "../testing/fake-door.js";
import { planCgroupMount, planUnifiedMount } from "./cgroup-mounts.js";
import type { CgroupMountContext } from "./cgroup-mounts.js";
import { parseMountOptions } from "./mount-options.js";

const request = (...options: string[]) => ({ destination: "/sys/fs/cgroup", options: parseMountOptions(options), pointer: "/mounts/6" });
const unified = { hierarchy: { controllers: [], mountpoint: "/sys/fs/cgroup/unified", own: "/" }, path: "/sys/fs/cgroup/unified/c1" };
const v1: CgroupMountContext = {
  facts: { ...FACTS, cgroupMode: "hybrid" },
  placements: [
    {
      hierarchy: { controllers: ["cpu", "cpuacct"], mountpoint: "/sys/fs/cgroup/cpu,cpuacct", own: "/" },
      path: "/sys/fs/cgroup/cpu,cpuacct/c1",
    },
    { hierarchy: { controllers: ["name=systemd"], mountpoint: "/sys/fs/cgroup/systemd", own: "/" }, path: "/sys/fs/cgroup/systemd/c1" },
    unified,
  ],
  ownCgroupNamespace: false,
  joinsCgroupNamespace: false,
  inUserNamespace: false,
};
const v2: CgroupMountContext = {
  facts: FACTS,
  placements: [{ hierarchy: { ...unified.hierarchy, mountpoint: "/sys/fs/cgroup" }, path: "/sys/fs/cgroup/c1" }],
  ownCgroupNamespace: false,
  joinsCgroupNamespace: false,
  inUserNamespace: false,
};

t.test("v2 binds the host's whole hierarchy without a cgroup namespace", async (t) => {
  t.match(planCgroupMount(request("ro", "nosuid"), v2), [
    { source: { kind: "bind", source: "/sys/fs/cgroup", recursive: false }, attributes: { set: ["ro", "nosuid"] } },
  ]);
});

t.test("v2 binds the container's own directory in a user namespace without a cgroup namespace of its own", async (t) => {
  const source = { kind: "bind", source: "/sys/fs/cgroup/c1", recursive: false };
  t.match(planCgroupMount(request(), { ...v2, inUserNamespace: true }), [{ source }]);
  t.match(planCgroupMount(request(), { ...v2, inUserNamespace: true, joinsCgroupNamespace: true }), [{ source }]);
});

t.test("v2 mounts a cgroup2 in a cgroup namespace, new or joined", async (t) => {
  const expected = [{ source: { kind: "fileSystem", fsType: "cgroup2", data: ["nsdelegate"] } }];
  t.match(planCgroupMount(request("nsdelegate"), { ...v2, ownCgroupNamespace: true, inUserNamespace: true }), expected);
  t.match(planCgroupMount(request("nsdelegate"), { ...v2, joinsCgroupNamespace: true }), expected);
});

t.test("a mount of cgroup2 is that of the unified hierarchy, which a host with v1 alone lacks", async (t) => {
  t.match(planUnifiedMount(request(), v1), [{ source: { kind: "bind", source: "/sys/fs/cgroup/unified" } }]);
  t.same(planUnifiedMount(request(), { ...v1, placements: v1.placements.slice(0, 2) }), []);
});

t.test("v1 binds each hierarchy below a tmpfs and links controllers that share one", async (t) => {
  const operations = planCgroupMount(request("nosuid"), v1);
  t.match(operations, [
    {
      destination: "/sys/fs/cgroup",
      source: { kind: "fileSystem", fsType: "tmpfs", data: ["mode=755"] },
      attributes: { set: ["nosuid", "nodev", "noexec"] },
    },
    { destination: "/sys/fs/cgroup/cpu,cpuacct", source: { kind: "bind", source: "/sys/fs/cgroup/cpu,cpuacct/c1" } },
    { destination: "/sys/fs/cgroup/systemd", source: { kind: "bind" } },
    { op: "symlink", target: "cpu,cpuacct", path: "/sys/fs/cgroup/cpu" },
    { op: "symlink", target: "cpu,cpuacct", path: "/sys/fs/cgroup/cpuacct" },
  ]);
  t.equal(operations.length, 5);
});

t.test("v1 in a cgroup namespace mounts the hierarchies anew", async (t) => {
  const operations = planCgroupMount(request("ro"), { ...v1, ownCgroupNamespace: true });
  t.match(operations[1], {
    source: { kind: "fileSystem", fsType: "cgroup", data: ["cpu", "cpuacct"] },
    attributes: { set: ["nosuid", "nodev", "noexec", "ro"] },
  });
  t.match(operations[2], { source: { data: ["name=systemd"] } });
});

t.test("v1 makes the tmpfs read-only last", async (t) => {
  const operations = planCgroupMount(request("ro", "rslave"), v1);
  const last = operations.at(-1);
  t.match(last, { destination: "/sys/fs/cgroup", source: { kind: "remount", bind: true }, attributes: { set: ["ro"] } });
  t.notOk(last && "propagation" in last);
});

t.test("a host without cgroups gets no mount", async (t) => {
  t.same(planCgroupMount(request(), { ...v2, facts: { ...FACTS, cgroupMode: "none" } }), []);
});
