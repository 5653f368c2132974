import t from "tap";
import { cgroupOf, statsOf, wantedFiles } from "./collect.js";
import type { StatsPlan } from "./collect.js";
import type { ContainerStats } from "./container-stats.js";
import { statsValue } from "./json.js";
import type { KernelFiles } from "./kernel-files.js";
import { VERSION1, VERSION2 } from "./testing/recorded.js";

type Texts = Readonly<Record<string, string>>;

function files(texts: Texts): KernelFiles {
  return { text: (name) => texts[name] };
}

const plan1: StatsPlan = {
  cgroups: Object.keys(VERSION1).map((controller) => ({ controllers: controller.split(","), path: `/sys/fs/cgroup/${controller}/c1` })),
  pageSizes: ["2MB"],
};
const plan2: StatsPlan = { cgroups: [{ controllers: [], path: "/sys/fs/cgroup/c1" }], pageSizes: ["2MB"] };

/** v1 with some of the files replaced. */
function version1(changes: Record<string, Texts> = {}): ContainerStats {
  const all = Object.entries(VERSION1).map(
    ([controller, texts]) => [`/sys/fs/cgroup/${controller}/c1`, files({ ...texts, ...changes[controller] })] as const,
  );
  return statsOf(plan1, new Map(all));
}

function version2(texts: Texts = VERSION2): ContainerStats {
  return statsOf(plan2, new Map([["/sys/fs/cgroup/c1", files(texts)]]));
}

t.test("v1: times and throttling", async (t) => {
  const { cpu } = version1();
  t.same(cpu.usage, {
    total: 12_340_147n,
    percpu: [5_409_607n, 6_930_540n],
    percpu_kernel: [4_000_000n, 3_000_000n],
    percpu_user: [1_000_000n, 4_000_000n],
    kernel: 20_000_000n,
    user: 30_000_000n,
  });
  t.same(cpu.throttling, { periods: 12n, throttledPeriods: 3n, throttledTime: 456_789n });
  t.equal(cpu.psi, undefined);
});

t.test("v1: memory, of which the kernel may leave kinds out", async (t) => {
  const { memory } = version1();
  t.same(memory.usage, { limit: 9_223_372_036_854_771_712n, usage: 557_056n, max: 2_244_608n, failcnt: 7n });
  t.same(memory.swap, { limit: 9_223_372_036_854_771_712n, usage: 557_057n, max: 2_244_609n, failcnt: 0n });
  t.same(memory.kernel, { limit: 0n, usage: 0n, max: 0n, failcnt: 0n }, "memory.kmem is not there");
  t.equal(memory.cache, 12_288n);
  t.equal(memory.raw["total_pgfault"], 663n);
});

t.test("v1: cpuset", async (t) => {
  const { cpuset } = version1();
  t.same(cpuset.cpus, [0, 1, 2, 3, 8]);
  t.same(cpuset.mems, [0]);
  t.equal(cpuset.sched_load_balance, 1n);
  t.equal(cpuset.sched_relax_domain_level, -1n);
  t.same(version1({ cpuset: { "cpuset.cpus": "\n", "cpuset.mems": "" } }).cpuset.cpus, [], "not set yet");
});

t.test("v1: processes, and no limit of them", async (t) => {
  t.same(version1().pids, { current: 3n, limit: 32n });
  t.same(version1({ pids: { "pids.max": "max\n" } }).pids, { current: 3n, limit: 0n });
});

t.test("v1: block devices by whoever has counted", async (t) => {
  const throttle = version1().blkio;
  const entry = (op: string, value: bigint): object => ({ major: 254n, minor: 0n, op, value });
  t.same(throttle.ioServiceBytesRecursive, [entry("Read", 4096n), entry("Write", 0n), entry("Total", 4096n)]);
  t.same(throttle.ioServicedRecursive, [entry("Read", 1n)]);
  t.same(throttle.sectorsRecursive, []);
  const bfq = version1({
    blkio: {
      "blkio.bfq.io_service_bytes_recursive": "8:0 Read 512\nTotal 512\n",
      "blkio.bfq.sectors_recursive": "8:0 17\n8:16 18446744073709551615\n",
      "blkio.bfq.io_queued_recursive": "8:0 Read 2\n",
    },
  }).blkio;
  t.same(bfq.ioServiceBytesRecursive, [{ major: 8n, minor: 0n, op: "Read", value: 512n }]);
  t.same(bfq.ioQueueRecursive, [{ major: 8n, minor: 0n, op: "Read", value: 2n }]);
  t.same(bfq.sectorsRecursive[1], { major: 8n, minor: 16n, op: "", value: 2n ** 64n - 1n });
  t.same(bfq.ioServicedRecursive, [], "nobody else is asked");
});

t.test("huge pages: what is reserved, else what is used", async (t) => {
  t.same(version1().hugetlb, { "2MB": { usage: 2_097_152n, max: 4_194_304n, failcnt: 1n } });
  const reserved = { "hugetlb.2MB.rsvd.usage_in_bytes": "0\n", "hugetlb.2MB.rsvd.max_usage_in_bytes": "6291456\n" };
  t.same(version1({ hugetlb: reserved }).hugetlb, { "2MB": { usage: 0n, max: 6_291_456n, failcnt: 0n } });
  t.same(version2().hugetlb, { "2MB": { usage: 2_097_152n, max: 0n, failcnt: 5n } });
});

t.test("v2: times in nanoseconds", async (t) => {
  const { cpu } = version2();
  const usage = { total: 4_722_000n, percpu: [], percpu_kernel: [], percpu_user: [], kernel: 3_722_000n, user: 1_000_000n };
  t.same(cpu.usage, usage);
  t.same(cpu.throttling, { periods: 9n, throttledPeriods: 2n, throttledTime: 1_234_000n });
  t.same(cpu.psi, {
    some: { avg10: 1.5, avg60: 0.25, avg300: 0, total: 18_446_744_073_709_551_615n },
    full: { avg10: 0, avg60: 0, avg300: 0, total: 7n },
  });
});

t.test("v2: memory, and swap together with it", async (t) => {
  const { memory } = version2();
  t.same(memory.usage, { limit: 8_388_608n, usage: 360_448n, max: 1_155_072n, failcnt: 0n });
  t.same(memory.swap, { limit: 12_582_912n, usage: 364_544n, max: 0n, failcnt: 0n });
  t.equal(memory.cache, 4096n);
  t.equal(memory.raw["anon"], 57_344n);
  t.equal(memory.psi?.some.total, 3n);
  const { memory: unlimited } = version2({ ...VERSION2, "memory.max": "max\n" });
  t.equal(unlimited.usage.limit, 2n ** 64n - 1n);
  t.equal(unlimited.swap.limit, 2n ** 64n - 1n, "it does not wrap around");
  const withoutSwap = Object.fromEntries(Object.entries(VERSION2).filter(([name]) => !/swap|peak/.test(name)));
  const { memory: small } = version2(withoutSwap);
  t.same(small.swap, { limit: 8_388_608n, usage: 360_448n, max: 0n, failcnt: 0n });
  t.equal(small.usage.max, 0n, "before Linux 5.19");
});

t.test("v2: block devices with v1's names", async (t) => {
  const { blkio } = version2();
  t.same(blkio.ioServiceBytesRecursive, [
    { major: 254n, minor: 0n, op: "Read", value: 8192n },
    { major: 254n, minor: 0n, op: "Write", value: 4096n },
  ]);
  t.same(blkio.ioServicedRecursive, [
    { major: 254n, minor: 0n, op: "Read", value: 2n },
    { major: 254n, minor: 0n, op: "Write", value: 1n },
  ]);
  t.equal(blkio.psi?.full.total, 11n);
});

t.test("v2: processes are counted where the controller is not enabled", async (t) => {
  t.same(version2().pids, { current: 1n, limit: 64n });
  t.same(version2({ "cgroup.procs": "12\n34\n" }).pids, { current: 2n, limit: 0n });
  t.same(version2({ "cgroup.threads": "12\n13\n34\n" }).pids, { current: 3n, limit: 0n }, "a threaded cgroup");
});

t.test("on a hybrid host each controller is read where it is, and pressure from v2", async (t) => {
  const cgroups = [
    { controllers: ["memory"], path: "/m/c1" },
    { controllers: ["freezer"], path: "/f/c1" },
    { controllers: [], path: "/u/c1" },
  ];
  const plan = { cgroups, pageSizes: [] };
  t.equal(cgroupOf(plan, "memory")?.path, "/m/c1");
  t.equal(cgroupOf(plan, "pids")?.path, "/u/c1");
  const wanted = wantedFiles(plan);
  t.same(
    wanted.map(({ path }) => path),
    ["/m/c1", "/u/c1"],
    "the freezer counts nothing",
  );
  t.ok(wanted[0]?.files.includes("memory.usage_in_bytes"));
  t.notOk(wanted[1]?.files.includes("memory.current"));
  t.ok(["memory.pressure", "pids.current", "io.stat"].every((name) => wanted[1]?.files.includes(name)));
  t.equal(new Set(wanted[1]?.files).size, wanted[1]?.files.length, "each file once");
  const stats = statsOf(
    plan,
    new Map([
      ["/m/c1", files(VERSION1["memory"] ?? {})],
      ["/u/c1", files(VERSION2)],
    ]),
  );
  t.equal(stats.memory.usage.usage, 557_056n);
  t.equal(stats.memory.psi?.some.total, 3n);
  t.equal(stats.pids.limit, 64n);
});

t.test("all wanted files are those that the recordings have, or optional", async (t) => {
  const wanted = new Set(wantedFiles(plan2).flatMap(({ files }) => files));
  for (const name of Object.keys(VERSION2)) t.ok(wanted.has(name), name);
});

t.test("a container without cgroups uses nothing, and one whose cgroups are gone neither", async (t) => {
  const nothing = statsOf({ cgroups: [], pageSizes: [] }, new Map());
  t.same(wantedFiles({ cgroups: [], pageSizes: [] }), []);
  t.same(nothing, statsOf(plan2, new Map()));
  t.same(statsValue(version2({})), statsValue(nothing), "empty files too");
  t.equal(nothing.memory.usage.limit, 0n);
});

t.test("what does not have the file's form is an error that names the file", async (t) => {
  const broken: [Record<string, string>, RegExp][] = [
    [{ "memory.stat": "anon\n" }, /read "memory.stat": cannot make sense of "anon"/],
    [{ "memory.stat": "anon 1 2\n" }, /"anon 1 2"/],
    [{ "memory.current": "12k\n" }, /read "memory.current": cannot make sense of "12k"/],
    [{ "memory.current": "18446744073709551616\n" }, /read "memory.current"/],
    [{ "pids.current": "1 2\n" }, /read "pids.current"/],
    [{ "io.stat": "8 rbytes=1\n" }, /read "io.stat": cannot make sense of "8 rbytes=1"/],
    [{ "io.stat": "8:0 rbytes=x\n" }, /read "io.stat"/],
    [{ "cpu.pressure": "some avg10=x avg60=0 avg300=0 total=0\n" }, /read "cpu.pressure"/],
    [{ "cpu.pressure": "some avg10=0.00\n" }, /read "cpu.pressure"/],
  ];
  for (const [texts, message] of broken) t.throws(() => version2(texts), { code: "other", message }, JSON.stringify(texts));
  t.throws(() => version1({ cpuset: { "cpuset.cpus": "3-1" } }), /read "cpuset.cpus": cannot make sense of "3-1"/);
  t.throws(() => version1({ cpuset: { "cpuset.cpus": "0-99999" } }), /read "cpuset.cpus"/);
  t.throws(() => version1({ cpuacct: { "cpuacct.usage_all": "cpu user system\n0 5\n" } }), /read "cpuacct.usage_all"/);
  t.throws(() => version1({ blkio: { "blkio.throttle.io_serviced_recursive": "8:0\n" } }), /read "blkio.throttle.io_serviced_recursive"/);
});

t.test("a counter that is negative for a moment is 0; a device without numbers has none", async (t) => {
  const { memory, blkio } = version2({ "memory.stat": "anon -4096\nfile 1\n", "io.stat": "254:0\n8:0 rbytes=1 cost.usage=3\n" });
  t.same(memory.raw, { anon: 0n, file: 1n });
  t.same(blkio.ioServiceBytesRecursive, [{ major: 8n, minor: 0n, op: "Read", value: 1n }]);
});
