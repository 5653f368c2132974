import t from "tap";
import type { CgroupWrite } from "../generated/plan.js";
import type { Resources } from "../spec/generated/spec-types.js";
import { cpuWeight, ioWeight, planV2Writes, swapMax } from "./cgroup-v2.js";

const all = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma"];
const writes = (resources: Resources, controllers = all): string[] => planV2Writes(resources, { path: "/cg", controllers }).map(textOf);

function textOf({ path, value, ifMissing, atLeast }: CgroupWrite): string {
  const instead = ifMissing && (ifMissing.length === 0 ? " or nothing" : ` or ${ifMissing.map(textOf).join()}`);
  return `${path.slice(4)}=${value}${instead ?? ""}${atLeast === undefined ? "" : ` from ${atLeast}`}`;
}

/**
 * cpu.weight for shares: by the line that runc had up to 1.3.1 and crun up to 1.22 (in integers), and by the curve that they have
 * since, by arbitrary-precision arithmetic. runc's report of the change (opencontainers/runc#4896) has 2000, 77 and 170.
 */
const WEIGHTS: readonly [shares: number, line: number, curve: number][] = [
  [2, 1, 1],
  [3, 1, 2],
  [10, 1, 4],
  [100, 4, 17],
  [102, 4, 17],
  [204, 8, 29],
  [256, 10, 35],
  [512, 20, 59],
  [1000, 39, 99],
  [1023, 39, 100],
  [1024, 39, 100],
  [1025, 40, 101],
  [2000, 77, 170],
  [2048, 79, 174],
  [4096, 157, 303],
  [8192, 313, 532],
  [10240, 391, 639],
  [16384, 625, 942],
  [65536, 2500, 3023],
  [131072, 5000, 5478],
  [262143, 9999, 10000],
  [262144, 10000, 10000],
];

t.test("shares become weights by the curve of runc 1.3.2 and crun 1.23: reference values", async (t) => {
  t.same(
    WEIGHTS.map(([shares]) => [shares, cpuWeight(shares)]),
    WEIGHTS.map(([shares, , curve]) => [shares, curve]),
  );
});

t.test("the curve meets the line of older runtimes at the ends alone, and is above it between them", async (t) => {
  const line = (shares: number): number => 1 + Math.floor(((shares - 2) * 9999) / 262142);
  t.same(
    WEIGHTS.map(([shares]) => [shares, line(shares)]),
    WEIGHTS.map(([shares, older]) => [shares, older]),
  );
  const meeting: number[] = [];
  let previous = 0;
  for (let shares = 2; shares <= 262144; shares++) {
    const weight = cpuWeight(shares);
    if (weight === line(shares)) meeting.push(shares);
    if (weight < line(shares) || weight < previous) t.fail(`cpuWeight(${shares}) is ${weight}`);
    previous = weight;
  }
  t.same(meeting, [2, 262144]);
});

t.test("cpuWeight goes through the ends and the defaults of both scales", async (t) => {
  t.same([0, 2, 3, 1024, 262143, 262144, 999999].map(cpuWeight), [1, 1, 2, 100, 10000, 10000, 10000]);
});

t.test("ioWeight is linear over both scales", async (t) => {
  t.same([10, 11, 100, 500, 999, 1000].map(ioWeight), [1, 11, 910, 4950, 9989, 10000]);
});

t.test("cpu: quota and period in one file, burst after it", async (t) => {
  t.same(writes({ cpu: { shares: 1024, quota: 5000, period: 10000, burst: 10, cpus: "0", mems: "0" } }), [
    "cpu.weight=100",
    "cpu.max=5000 10000",
    "cpu.max.burst=10",
    "cpuset.cpus=0",
    "cpuset.mems=0",
  ]);
  t.same(writes({ cpu: { quota: -1 } }), ["cpu.max=max"]);
  t.same(writes({ cpu: { period: 7000 } }), ["cpu.max=max 7000"]);
  t.throws(() => writes({ cpu: { realtimeRuntime: 1 } }), { code: "unsupported", path: "/linux/resources/cpu/realtimeRuntime" });
});

t.test("memory: swap is what is left of memory and swap together", async (t) => {
  t.same(writes({ memory: { limit: 100, swap: 250, reservation: 50 } }), ["memory.max=100", "memory.swap.max=150", "memory.low=50"]);
  t.same(writes({ memory: { limit: -1 } }), ["memory.max=max", "memory.swap.max=max or nothing"]);
  t.same(writes({ memory: { limit: 5, swap: 5, checkBeforeUpdate: true } }), [
    "memory.max=5 from memory.current",
    "memory.swap.max=0 or nothing",
  ]);
  t.same(writes({ memory: { limit: -1, swap: -1, reservation: -1 } }), [
    "memory.max=max",
    "memory.swap.max=max or nothing",
    "memory.low=max",
  ]);
  t.same(writes({ memory: { kernel: 5, kernelTCP: 0 } }), []);
  t.equal(swapMax(9223372036854775807n, 1n), "9223372036854775806");
  t.equal(swapMax(-1, 5), "max");
  t.equal(swapMax(undefined, 5), undefined);
  t.equal(swapMax(5, 5), "0");
  t.equal(swapMax(4096, -1), "4096");
  t.throws(() => swapMax(5, undefined), { code: "unsupported", path: "/linux/resources/memory/swap" });
  t.throws(() => swapMax(5, 6), { code: "unsupported", path: "/linux/resources/memory/swap" });
});

t.test("what v2 does not have is refused by name", async (t) => {
  const cases: [Resources, string][] = [
    [{ memory: { swappiness: 5 } }, "memory/swappiness"],
    [{ memory: { disableOOMKiller: true } }, "memory/disableOOMKiller"],
    [{ memory: { kernelTCP: 5 } }, "memory/kernelTCP"],
    [{ memory: { useHierarchy: false } }, "memory/useHierarchy"],
    [{ blockIO: { leafWeight: 5 } }, "blockIO/leafWeight"],
    [{ blockIO: { weightDevice: [{ major: 1, minor: 1, leafWeight: 5 }] } }, "blockIO/weightDevice/0/leafWeight"],
    [{ network: { classID: 5 } }, "network/classID"],
    [{ network: { priorities: [{ name: "e", priority: 1 }] } }, "network/priorities"],
  ];
  for (const [resources, pointer] of cases)
    t.throws(() => writes(resources), { code: "unsupported", path: `/linux/resources/${pointer}` }, pointer);
  t.same(writes({ memory: { kernel: -1, disableOOMKiller: false, useHierarchy: true }, network: { priorities: [] } }), []);
});

t.test("io, pids, hugetlb and rdma have their own forms", async (t) => {
  const device = { major: 8, minor: 0, rate: 6 };
  t.same(
    writes({
      pids: { limit: 0 },
      blockIO: {
        weight: 10,
        weightDevice: [{ major: 8, minor: 1, weight: 1000 }],
        throttleReadBpsDevice: [device],
        throttleWriteBpsDevice: [device],
        throttleReadIOPSDevice: [device],
        throttleWriteIOPSDevice: [{ ...device, rate: 0 }],
      },
      hugepageLimits: [{ pageSize: "1GB", limit: 18446744073709551615n }],
      rdma: { m: { hcaHandles: 1 } },
    }),
    [
      "pids.max=1",
      "io.bfq.weight=10 or io.weight=default 1",
      "io.bfq.weight=8:1 1000 or io.weight=8:1 10000",
      "io.max=8:0 rbps=6",
      "io.max=8:0 wbps=6",
      "io.max=8:0 riops=6",
      "io.max=8:0 wiops=max",
      "hugetlb.1GB.max=18446744073709551615",
      "hugetlb.1GB.rsvd.max=18446744073709551615",
      "rdma.max=m hca_handle=1",
    ],
  );
});

t.test("unified comes last, a line at a time", async (t) => {
  t.same(writes({ unified: { "io.max": "8:0 rbps=1\n8:16 rbps=2\n", "cgroup.max.depth": "3" }, pids: { limit: 1 } }), [
    "pids.max=1",
    "io.max=8:0 rbps=1",
    "io.max=8:16 rbps=2",
    "cgroup.max.depth=3",
  ]);
  t.same(writes({ unified: { "memory.high": "" } }), ["memory.high="]);
  t.throws(() => writes({ unified: { "../x.y": "1" } }), { code: "unsupported", path: "/linux/resources/unified/..~1x.y" });
});

t.test("a controller that is not there is refused", async (t) => {
  t.throws(() => writes({ pids: { limit: 1 } }, ["cpu"]), {
    message: '/linux/resources/pids/limit: the cgroup controller "pids" is not available',
  });
  t.throws(() => writes({ unified: { "foo.bar": "1" } }), { code: "unsupported" });
});
