import t from "tap";
import type { HostFacts } from "../generated/plan.js";
import type { Resources } from "../spec/generated/spec-types.js";
import { FACTS } from "../testing/fake-door.js";
import type { CgroupPlacement } from "./cgroup.js";
import { filesBeforeUpdate, filesToRestore, planChange, planUpdateWrites } from "./update.js";
import type { UpdateRequest } from "./update.js";
import { namedResources } from "./update-merge.js";

const V1_CONTROLLERS = ["cpu", "memory", "cpuset", "pids", "devices", "blkio"];

function placementsOf(controllers: readonly string[][]): CgroupPlacement[] {
  return controllers.map((names) => {
    const mountpoint = `/cg/${names[0] ?? "unified"}`;
    return { hierarchy: { controllers: names, mountpoint, own: "/" }, path: `${mountpoint}/c1` };
  });
}

function request(mode: "v1" | "v2", resources: Resources, more: Partial<UpdateRequest> = {}): UpdateRequest {
  const placements = placementsOf(mode === "v2" ? [[]] : V1_CONTROLLERS.map((name) => [name]));
  const facts: HostFacts = { ...FACTS, cgroupMode: mode, hierarchies: placements.map(({ hierarchy }) => hierarchy) };
  return { changed: namedResources(resources), applied: undefined, placements, facts, rootless: false, ...more };
}

/** The writes as `file=value`. */
function written(wanted: UpdateRequest, files: Record<string, string> = {}): string[] {
  return planUpdateWrites(wanted, texts(files)).map(({ path, value }) => `${path.slice(path.lastIndexOf("/") + 1)}=${value}`);
}

/** Texts by the path below /cg, which may leave out `unified/c1/`. */
function texts(files: Record<string, string>): Map<string, string> {
  return new Map(Object.entries(files).map(([name, text]) => [name.includes("/") ? `/cg/${name}` : `/cg/unified/c1/${name}`, text]));
}

void t.test("on v2 a quota or a period takes the other from the file", (t) => {
  const files = { "cpu.max": "20000 50000" };
  t.same(written(request("v2", { cpu: { period: 100_000 } }), files), ["cpu.max=20000 100000"]);
  t.same(written(request("v2", { cpu: { quota: 30_000 } }), files), ["cpu.max=30000 50000"]);
  t.same(written(request("v2", { cpu: { quota: -1 } }), files), ["cpu.max=max 50000"]);
  t.same(written(request("v2", { cpu: { period: 1000 } }), { "cpu.max": "max 100000" }), ["cpu.max=max 1000"]);
  t.end();
});

void t.test("on v2 the present limit of memory is subtracted from that of memory and swap", (t) => {
  const swap = (memory: string): string[] => written(request("v2", { memory: { swap: 96 } }), { "memory.max": memory });
  t.same(swap("64"), ["memory.swap.max=32"]);
  t.same(swap("max"), ["memory.swap.max=96"]);
  t.throws(() => swap("97"), { message: "/linux/resources/memory/swap: 96 is below the memory limit 97, which it includes" });
  t.end();
});

void t.test("checkBeforeUpdate looks at what is in use before anything is changed", (t) => {
  const wanted = request("v2", { memory: { limit: 4096, checkBeforeUpdate: true } });
  t.throws(() => written(wanted, { "memory.current": "4097" }), {
    message: "/linux/resources/memory/limit: 4097 is in use already (memory.current)",
  });
  t.same(written(wanted, { "memory.current": "4096" }), ["memory.max=4096"]);
  t.end();
});

void t.test("on v1 memory and swap are written in the order that keeps the sum above memory", (t) => {
  const both = (limit: number, swap: number, now: string): string[] =>
    written(request("v1", { memory: { limit, swap } }), { "memory/c1/memory.limit_in_bytes": now });
  t.same(both(200, 300, "100"), ["memory.memsw.limit_in_bytes=300", "memory.limit_in_bytes=200"]);
  t.same(both(20, 30, "100"), ["memory.limit_in_bytes=20", "memory.memsw.limit_in_bytes=30"]);
  t.same(both(20, -1, "100"), ["memory.memsw.limit_in_bytes=-1", "memory.limit_in_bytes=20"]);
  t.same(written(request("v1", { memory: { limit: -1 } }), { "memory/c1/memory.limit_in_bytes": "100" }), [
    "memory.memsw.limit_in_bytes=-1",
    "memory.limit_in_bytes=-1",
  ]);
  t.end();
});

void t.test("on v1 period, quota and burst are written in the order that never exceeds what is allowed", (t) => {
  const files = { "cpu/c1/cpu.cfs_period_us": "50000", "cpu/c1/cpu.cfs_quota_us": "20000" };
  const cpu = (values: Resources["cpu"]): string[] => written(request("v1", { cpu: values ?? {} }), files);
  t.same(cpu({ period: 100_000, quota: 45_000 }), ["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=45000"]);
  t.same(cpu({ period: 25_000, quota: 12_000 }), ["cpu.cfs_quota_us=12000", "cpu.cfs_period_us=25000"]);
  t.same(cpu({ quota: 10_000, burst: 1000 }), ["cpu.cfs_burst_us=1000", "cpu.cfs_quota_us=10000"]);
  t.same(cpu({ quota: 50_000, burst: 40_000 }), ["cpu.cfs_quota_us=50000", "cpu.cfs_burst_us=40000"]);
  t.end();
});

void t.test("burst and idle are taken away by 0, and an idle cgroup gets its weight back", (t) => {
  const files = { "cpu.max.burst": "1000", "cpu.idle": "1", "cpu.weight": "0" };
  const cpu = (values: object, applied?: Resources): string[] => written(request("v2", { cpu: values }, { applied }), files);
  t.same(cpu({ burst: 0 }), ["cpu.max.burst=0"]);
  t.same(cpu({ idle: 0 }), ["cpu.idle=0", "cpu.weight=100"]);
  t.same(cpu({ idle: 0 }, { cpu: { shares: 512 } }), ["cpu.idle=0", "cpu.weight=59"]);
  t.same(cpu({ idle: 1, shares: 512 }), ["cpu.idle=1"]);
  t.same(written(request("v2", { cpu: { burst: 0, idle: 0 } }), { "cpu.idle": "0" }), []);
  t.end();
});

void t.test("on v1 shares that the kernel would change are refused", (t) => {
  t.throws(() => written(request("v1", { cpu: { shares: 1 } })), {
    message: "/linux/resources/cpu/shares: the minimum allowed cpu-shares is 2",
  });
  t.throws(() => written(request("v1", { cpu: { shares: 262_145 } })), {
    message: "/linux/resources/cpu/shares: the maximum allowed cpu-shares is 262144",
  });
  t.end();
});

void t.test("each write comes with the way back, and the files that it takes are asked for", (t) => {
  const wanted = request("v2", { pids: { limit: 5 }, cpu: { shares: 1024 } });
  t.same(filesBeforeUpdate(wanted).length, 4);
  const writes = planUpdateWrites(wanted, new Map());
  t.same(filesToRestore(wanted, writes), ["/cg/unified/c1/cpu.weight", "/cg/unified/c1/pids.max"]);
  const { writes: limits } = planChange(wanted, writes, texts({ "cpu.weight": "59", "pids.max": "max" }));
  t.same(
    limits.map(({ write, restore }) => [write.value, restore.map(({ value }) => value)]),
    [
      ["100", ["59"]],
      ["5", ["max"]],
    ],
  );
  t.end();
});

void t.test("device rules are left alone where they are those that apply", (t) => {
  const devices = [{ allow: false, access: "rwm" }];
  const plan = (applied: Resources | undefined) => planChange(request("v2", { devices }, { applied }), [], new Map());
  t.equal(plan({ devices: [{ allow: false }] }).deviceFilter, undefined);
  t.same(
    plan({ devices: [...devices, { allow: true, type: "c", major: 10, minor: 229, access: "r" }] }).deviceFilter?.cgroup,
    "/cg/unified/c1",
  );
  t.equal(plan(undefined).deviceFilter?.cgroup, "/cg/unified/c1");
  t.end();
});

void t.test("a unit gets both numbers of a bandwidth, and its device list is emptied first", (t) => {
  const told: string[][] = [];
  const unit = {
    name: "a.scope",
    bus: { path: "/bus", direct: true },
    facts: { version: 252, bfq: false, oomPolicy: true, deviceNames: "" },
    planUnitLimits: (writes: readonly { value: string }[]) => {
      told.push(writes.map(({ value }) => value));
      return { properties: [], writes: [] };
    },
    deviceProperties: () => [],
  };
  const wanted = request("v1", { cpu: { period: 25_000 }, devices: [{ allow: true, access: "rwm" }] }, { unit });
  const files = texts({ "cpu/c1/cpu.cfs_period_us": "50000", "cpu/c1/cpu.cfs_quota_us": "20000", "devices/c1/devices.list": "a *:* rwm" });
  const change = planChange(wanted, planUpdateWrites(wanted, files), files);
  t.same(told, [["20000", "25000"]]);
  t.same(
    change.unit?.properties.map(({ name, value }) => [name, value]),
    [
      ["DevicePolicy", "auto"],
      ["DeviceAllow", []],
    ],
  );
  t.end();
});
