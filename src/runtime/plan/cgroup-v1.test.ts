import t from "tap";
import type { Resources } from "../spec/generated/spec-types.js";
import { pidsMax, planV1Writes, rdmaLine } from "./cgroup-v1.js";

const directory = (controller: string): string => `/cg/${controller}/c1`;
const writes = (resources: Resources): string[] =>
  planV1Writes(resources, directory).map(({ path, value }) => `${path.slice(4).replace("/c1", "")}=${value}`);

t.test("cpu: period before quota before burst; zero is not given", async (t) => {
  t.same(
    writes({
      cpu: { shares: 512, burst: 10, quota: 2000, period: 1000, idle: 0, realtimePeriod: 5, realtimeRuntime: 4, cpus: "0-1", mems: "0" },
    }),
    [
      "cpu/cpu.shares=512",
      "cpu/cpu.cfs_period_us=1000",
      "cpu/cpu.cfs_quota_us=2000",
      "cpu/cpu.cfs_burst_us=10",
      "cpu/cpu.rt_period_us=5",
      "cpu/cpu.rt_runtime_us=4",
      "cpuset/cpuset.cpus=0-1",
      "cpuset/cpuset.mems=0",
    ],
  );
  t.same(writes({ cpu: { shares: 0, period: 0, quota: 0 } }), []);
});

t.test("memory: limit before swap; unlimited kernel memory is what there is", async (t) => {
  t.same(
    writes({
      memory: {
        swap: 200,
        limit: 100,
        reservation: 50,
        kernel: -1,
        kernelTCP: 7,
        swappiness: 0,
        disableOOMKiller: true,
        useHierarchy: true,
      },
    }),
    [
      "memory/memory.limit_in_bytes=100",
      "memory/memory.memsw.limit_in_bytes=200",
      "memory/memory.soft_limit_in_bytes=50",
      "memory/memory.kmem.tcp.limit_in_bytes=7",
      "memory/memory.use_hierarchy=1",
      "memory/memory.swappiness=0",
      "memory/memory.oom_control=1",
    ],
  );
  t.same(writes({ memory: { kernel: 5 } }), [], "warned of");
  t.same(planV1Writes({ memory: { limit: 5, swap: -1 } }, directory).at(-1)?.ifMissing, []);
  t.same(planV1Writes({ memory: { limit: 5, swap: 6 } }, directory).at(-1)?.ifMissing, undefined);
  t.same(writes({ memory: { limit: 9223372036854775807n, swap: -1 } }), [
    "memory/memory.limit_in_bytes=9223372036854775807",
    "memory/memory.memsw.limit_in_bytes=-1",
  ]);
});

t.test("pids: -1 is no limit, and the container's own process always fits", async (t) => {
  t.same([-1, 0, 1, 5].map(pidsMax), ["max", "1", "1", "5"]);
  t.same(writes({ pids: { limit: 7 } }), ["pids/pids.max=7"]);
});

t.test("blkio: BFQ's weights and four throttles", async (t) => {
  const device = { major: 8, minor: 16, rate: 600 };
  t.same(
    writes({
      blockIO: {
        weight: 100,
        weightDevice: [{ major: 8, minor: 0, weight: 50 }],
        throttleReadBpsDevice: [device],
        throttleWriteIOPSDevice: [device],
      },
    }),
    [
      "blkio/blkio.bfq.weight=100",
      "blkio/blkio.bfq.weight_device=8:0 50",
      "blkio/blkio.throttle.read_bps_device=8:16 600",
      "blkio/blkio.throttle.write_iops_device=8:16 600",
    ],
  );
  t.throws(() => writes({ blockIO: { leafWeight: 10 } }), { code: "unsupported", path: "/linux/resources/blockIO/leafWeight" });
  t.throws(() => writes({ blockIO: { weightDevice: [{ major: 8, minor: 0, leafWeight: 50 }] } }), {
    code: "unsupported",
    path: "/linux/resources/blockIO/weightDevice/0/leafWeight",
  });
});

t.test("hugetlb limits page faults and reservations; network and rdma have their own files", async (t) => {
  t.same(
    writes({
      hugepageLimits: [{ pageSize: "2MB", limit: 10 }],
      network: { classID: 1, priorities: [{ name: "eth0", priority: 5 }] },
      rdma: { mlx: { hcaHandles: 3, hcaObjects: 4 } },
    }),
    [
      "hugetlb/hugetlb.2MB.limit_in_bytes=10",
      "hugetlb/hugetlb.2MB.rsvd.limit_in_bytes=10",
      "net_cls/net_cls.classid=1",
      "net_prio/net_prio.ifpriomap=eth0 5",
      "rdma/rdma.max=mlx hca_handle=3 hca_object=4",
    ],
  );
  t.equal(rdmaLine("d", { hcaObjects: 1 }), "d hca_object=1");
});

t.test("v1 cannot limit swap where memory has no limit", async (t) => {
  t.throws(() => writes({ memory: { limit: -1, swap: 5 } }), { code: "unsupported", path: "/linux/resources/memory/swap" });
});

t.test("unified needs v2", async (t) => {
  t.throws(() => writes({ unified: { "memory.high": "1" } }), { code: "unsupported", path: "/linux/resources/unified" });
  t.same(writes({ unified: {} }), []);
});
