import t from "tap";
import type { CgroupWrite } from "../generated/plan.js";
import { planUnitLimits } from "./systemd-limits.js";
import type { LimitFacts, UnitLimits } from "./systemd-limits.js";

const MAX = "18446744073709551615";
const FACTS: LimitFacts = { version: 252, v2: true, bfq: false, oomPolicy: false };

type Values = [file: string, value: string, ifMissing?: [file: string, value: string]][];

function plan(values: Values, facts: Partial<LimitFacts> = {}): UnitLimits {
  const write = (file: string, value: string): CgroupWrite => ({ path: `/sys/fs/cgroup/a/${file}`, value, pointer: `/at/${file}` });
  const writes = values.map(([file, value, other]) => ({ ...write(file, value), ...(other && { ifMissing: [write(...other)] }) }));
  return planUnitLimits(writes, { ...FACTS, ...facts });
}

function limits(values: Values, facts?: Partial<LimitFacts>): Record<string, unknown> {
  return Object.fromEntries(plan(values, facts).properties.map(({ name, value }) => [name, value]));
}

/** What is written to the files afterwards. */
function written(values: Values, facts?: Partial<LimitFacts>): string[] {
  return plan(values, facts).writes.map(({ path, value }) => `${path.slice("/sys/fs/cgroup/a/".length)}=${value}`);
}

t.test("every file that systemd sets is a property, in whatever form the kernel takes", async (t) => {
  const cases: [Values, Record<string, unknown>][] = [
    [[["memory.max", "4096"]], { MemoryMax: "4096" }],
    [[["memory.max", "64M"]], { MemoryMax: "67108864" }],
    [[["memory.max", "max"]], { MemoryMax: MAX }],
    [[["memory.high", " 0x1000 "]], { MemoryHigh: "4096" }],
    [[["memory.low", "0"]], { MemoryLow: "0" }],
    [[["memory.min", "1k"]], { MemoryMin: "1024" }],
    [[["memory.swap.max", "0"]], { MemorySwapMax: "0" }],
    [[["pids.max", "0x4d"]], { TasksMax: "77" }],
    [[["pids.max", "max"]], { TasksMax: MAX }],
    [[["cpu.weight", "59"]], { CPUWeight: "59" }],
    [[["cpu.max", "30000  50000"]], { CPUQuotaPerSecUSec: "600000", CPUQuotaPeriodUSec: "50000" }],
    [[["cpuset.cpus", "0-2, 9"]], { AllowedCPUs: [7, 2] }],
    [[["cpuset.mems", "0"]], { AllowedMemoryNodes: [1] }],
    [[["io.weight", "default 300"]], { IOWeight: "300" }],
    [[["io.weight", "300"]], { IOWeight: "300" }],
  ];
  for (const [values, expected] of cases) t.same(limits(values), expected, JSON.stringify(values));
});

t.test("files that systemd does not set are left to the runtime", async (t) => {
  const values: Values = [
    ["hugetlb.2MB.max", "1"],
    ["io.max", "8:0 rbps=1"],
    ["io.weight", "8:0 100"],
    ["cpu.max.burst", "1000"],
    ["cpu.idle", "0"],
    ["cpuset.cpus.partition", "root"],
    ["memory.swap.high", "1M"],
    ["memory.oom.group", "1"],
    ["cgroup.max.depth", "5"],
  ];
  t.same(limits(values), {});
  t.same(
    written(values),
    values.map(([file, value]) => `${file}=${value}`),
  );
});

t.test("what systemd would undo is refused by name", async (t) => {
  const cases: [file: string, value: string, message: RegExp][] = [
    ["memory.max", "64MB", /^\/at\/memory.max: systemd does not take "64MB": allowed is "max" or a number of bytes above 0 such as/],
    ["memory.max", "0", /does not take "0"/],
    ["memory.high", "-1", /does not take "-1"/],
    ["pids.max", "0", /does not take "0": allowed is "max" or a number above 0/],
    ["pids.max", "-1", /does not take "-1"/],
    ["cpu.weight", "0", /does not take "0": allowed is 1 to 10000/],
    ["cpu.weight", "max", /does not take "max"/],
    ["cpu.weight.nice", "5", /^\/at\/cpu.weight.nice: systemd would undo it, because it has no such property: set "cpu.weight"/],
    ["cpu.max", "half", /does not take "half": allowed is "max" or a number of microseconds, then a period/],
    ["cpu.idle", "2", /does not take "2": allowed is 0 or 1/],
    ["cpuset.cpus", "all", /does not take "all": allowed is a list such as 0-2,4/],
    ["io.weight", "default", /does not take "default": allowed is a weight from 1 to 10000, or one of a device/],
    ["io.bfq.weight", "1001", /allowed is a weight from 1 to 1000/],
    ["memory.oom.group", "yes", /does not take "yes": allowed is 0 or 1/],
  ];
  for (const [file, value, message] of cases) {
    t.throws(() => limits([[file, value]]), { code: "unsupported", message }, `${file} ${value}`);
  }
});

t.test("a quota is rounded up to systemd's step, for its period, and written so", async (t) => {
  const cases: [Values, Record<string, unknown>, string[]][] = [
    [[["cpu.max", "12345 50000"]], { CPUQuotaPeriodUSec: "50000", CPUQuotaPerSecUSec: "250000" }, ["cpu.max=12500 50000"]],
    [[["cpu.max", "50500 200000"]], { CPUQuotaPeriodUSec: "200000", CPUQuotaPerSecUSec: "260000" }, ["cpu.max=52000 200000"]],
    [[["cpu.max", "50000"]], { CPUQuotaPerSecUSec: "500000" }, ["cpu.max=50000"]],
    [[["cpu.max", "1000 33333"]], { CPUQuotaPeriodUSec: "33333", CPUQuotaPerSecUSec: "30000" }, ["cpu.max=1000 33333"]],
    [[["cpu.max", "12345"]], { CPUQuotaPerSecUSec: "130000" }, ["cpu.max=13000"]],
    [[["cpu.max", "max 50000"]], { CPUQuotaPeriodUSec: "50000", CPUQuotaPerSecUSec: MAX }, ["cpu.max=max 50000"]],
  ];
  for (const [values, properties, writes] of cases) {
    t.same(limits(values), properties);
    t.same(written(values), writes);
  }
  const v1: Values = [
    ["cpu.cfs_period_us", "50000"],
    ["cpu.cfs_quota_us", "12345"],
  ];
  t.same(limits(v1, { v2: false }), { CPUQuotaPeriodUSec: "50000", CPUQuotaPerSecUSec: "250000" });
  t.same(written(v1, { v2: false }), ["cpu.cfs_period_us=50000", "cpu.cfs_quota_us=12500"]);
});

t.test("a later write overrides an earlier one", async (t) => {
  const values: Values = [
    ["memory.max", "1"],
    ["memory.max", "2"],
    ["cpu.max", "1000 100000"],
    ["cpu.max", "max"],
  ];
  t.same(limits(values), { MemoryMax: "2", CPUQuotaPerSecUSec: MAX, CPUQuotaPeriodUSec: "100000" });
});

t.test("an idle cgroup has the weight 0 since systemd 252, and no other", async (t) => {
  const values: Values = [
    ["cpu.weight", "59"],
    ["cpu.idle", "1"],
  ];
  t.same(limits(values), { CPUWeight: "0" });
  t.same(written(values), ["cpu.idle=1"]);
  t.same(limits([["cpu.idle", "0x1"]]), { CPUWeight: "0" });
  // The last one counts, and an older systemd does not know of cpu.idle.
  t.same(limits([...values, ["cpu.idle", "0"]]), { CPUWeight: "59" });
  t.same(limits(values, { version: 251 }), { CPUWeight: "59" });
  t.same(written(values, { version: 251 }), ["cpu.weight=59", "cpu.idle=1"]);
});

t.test("properties are sent to a systemd that has them", async (t) => {
  const values: Values = [
    ["memory.min", "1"],
    ["memory.zswap.max", "1M"],
    ["memory.zswap.writeback", "0"],
    ["cpuset.cpus", "0"],
    ["cpu.max", "50000 100000"],
  ];
  const older = { CPUQuotaPerSecUSec: "500000" };
  t.same(limits(values, { version: 239 }), older);
  t.same(limits(values, { version: 252 }), { ...older, MemoryMin: "1", AllowedCPUs: [1], CPUQuotaPeriodUSec: "100000" });
  t.match(limits(values, { version: 253 }), { MemoryZSwapMax: "1048576" });
  t.match(limits(values, { version: 256 }), { MemoryZSwapWriteback: false });
});

t.test("memory.oom.group is OOMPolicy where scopes have it", async (t) => {
  t.same(limits([["memory.oom.group", "1"]], { oomPolicy: true }), { OOMPolicy: "kill" });
  t.same(limits([["memory.oom.group", "0"]], { oomPolicy: true }), { OOMPolicy: "continue" });
});

t.test("weights are those of the file that the kernel has", async (t) => {
  const values: Values = [
    ["io.bfq.weight", "500", ["io.weight", "default 4950"]],
    ["io.bfq.weight", "8:0 50", ["io.weight", "8:0 405"]],
    ["io.bfq.weight", "8:16 1000", ["io.weight", "8:16 10000"]],
  ];
  t.same(limits(values), { IOWeight: "4950" });
  const devices = [
    ["/dev/block/8:0", "50"],
    ["/dev/block/8:16", "10000"],
  ];
  t.same(limits(values, { bfq: true }), { IOWeight: "4500", IODeviceWeight: devices });
  t.same(limits([...values.slice(0, 2), ["io.bfq.weight", "8:0 default"]], { bfq: true }), { IOWeight: "4500" });
});

t.test("a weight of BFQ becomes itself again in systemd", async (t) => {
  // systemd, src/core/cgroup.c, BFQ_WEIGHT
  const bfqWeight = (weight: number): number => (weight <= 100 ? weight : 100 + Math.floor(((weight - 100) * 900) / 9900));
  for (let weight = 1; weight <= 1000; weight++) {
    const { IOWeight } = limits([["io.bfq.weight", String(weight)]]);
    if (bfqWeight(Number(IOWeight)) !== weight) t.fail(`${weight} becomes ${String(IOWeight)}`);
  }
});

t.test("weights that contradict each other are refused", async (t) => {
  const bfq: Values[number] = ["io.bfq.weight", "500"];
  t.same(limits([bfq, ["io.weight", "4500"]]), { IOWeight: "4500" });
  t.throws(() => limits([bfq, ["io.weight", "default 300"]]), {
    message: '/at/io.weight: systemd has one weight for io.weight and io.bfq.weight: "default 300" contradicts "500" of /at/io.bfq.weight',
  });
  t.throws(() => limits([["io.weight", "300"], bfq]), { message: /^\/at\/io.bfq.weight: / });
});

t.test("limits of cgroup v1 have other properties, and cpusets none", async (t) => {
  const values: Values = [
    ["cpu.shares", "512"],
    ["cpu.cfs_period_us", "200000"],
    ["cpu.cfs_quota_us", "50000"],
    ["cpuset.cpus", "0"],
    ["memory.limit_in_bytes", "-1"],
    ["blkio.weight", "300"],
    ["pids.max", "5"],
  ];
  t.same(limits(values, { v2: false }), {
    CPUShares: "512",
    CPUQuotaPerSecUSec: "250000",
    CPUQuotaPeriodUSec: "200000",
    MemoryLimit: MAX,
    BlockIOWeight: "300",
    TasksMax: "5",
  });
});
