import t from "tap";
import { configuration } from "../spec/fixtures/configurations.js";
import type { Parts } from "../spec/fixtures/configurations.js";
import { NOTHING_RARE, planRare } from "./rare.js";
import type { RarePlan } from "./rare.js";

const rare = (change: (parts: Parts) => unknown): RarePlan => planRare(configuration((spec) => void change(spec)));

t.test("without rare fields nothing is planned", async (t) => {
  t.same(planRare(configuration()), NOTHING_RARE);
  t.same(
    rare(({ linux }) => (linux.timeOffsets = { boottime: { secs: 0 } })),
    NOTHING_RARE,
  );
});

t.test("each number of a scheduler that is not given is 0, flags become bits", async (t) => {
  const nothing = { nice: 0, priority: 0, runtime: "0", deadline: "0", period: "0" };
  const of = (scheduler: NonNullable<Parts["process"]["scheduler"]>): unknown =>
    rare(({ process }) => (process.scheduler = scheduler)).operations;
  t.same(of({ policy: "SCHED_BATCH" }), [{ op: "schedule", scheduler: { ...nothing, policy: 3, flags: 0 }, ioPriority: null }]);
  const flags = ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM", "SCHED_FLAG_RESET_ON_FORK"] as const;
  t.same(of({ policy: "SCHED_DEADLINE", flags: [...flags], runtime: 2n ** 60n, deadline: 2n ** 61n }), [
    {
      op: "schedule",
      scheduler: { ...nothing, policy: 6, flags: 3, runtime: "1152921504606846976", deadline: "2305843009213693952" },
      ioPriority: null,
    },
  ]);
});

t.test("policies, classes, modes and domains are the kernel's numbers", async (t) => {
  const policies = ["SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE"] as const;
  for (const [number, policy] of policies.entries())
    t.match(rare(({ process }) => (process.scheduler = { policy })).operations, [{ scheduler: { policy: number } }], policy);
  for (const [index, name] of (["IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"] as const).entries())
    t.match(rare(({ process }) => (process.ioPriority = { class: name, priority: 3 })).operations, [
      { scheduler: null, ioPriority: { class: index + 1, level: 3 } },
    ]);
  const modes = ["DEFAULT", "PREFERRED", "BIND", "INTERLEAVE", "LOCAL", "PREFERRED_MANY", "WEIGHTED_INTERLEAVE"] as const;
  for (const [number, name] of modes.entries())
    t.same(rare(({ linux }) => (linux.memoryPolicy = { mode: `MPOL_${name}` })).operations, [
      { op: "memoryPolicy", mode: number, nodes: [] },
    ]);
  for (const [domain, persona] of [
    ["LINUX", 0],
    ["LINUX32", 8],
  ] as const)
    t.same(rare(({ linux }) => (linux.personality = { domain })).operations, [{ op: "personality", persona }]);
});

t.test("a memory policy has its flags with its mode and its nodes in order", async (t) => {
  const policy = { mode: "MPOL_BIND", nodes: "7,0-2", flags: ["MPOL_F_STATIC_NODES", "MPOL_F_NUMA_BALANCING"] } as const;
  t.same(rare(({ linux }) => (linux.memoryPolicy = { ...policy, flags: [...policy.flags] })).operations, [
    { op: "memoryPolicy", mode: 2 + 0x8000 + 0x2000, nodes: [0, 1, 2, 7] },
  ]);
});

t.test("what may slow this process down comes last", async (t) => {
  const { operations } = rare(({ process, linux }) => {
    process.ioPriority = { class: "IOPRIO_CLASS_IDLE", priority: 0 };
    linux.personality = { domain: "LINUX32" };
    linux.memoryPolicy = { mode: "MPOL_LOCAL" };
  });
  t.same(
    operations.map(({ op }) => op),
    ["personality", "memoryPolicy", "schedule"],
  );
});

t.test("clocks have their offsets, with every digit", async (t) => {
  const timeOffsets = { boottime: { secs: -5 }, monotonic: { secs: 86400, nanosecs: 7 } };
  t.same(rare(({ linux }) => (linux.timeOffsets = timeOffsets)).clockOffsets, [
    { clock: "monotonic", secs: "86400", nanosecs: 7 },
    { clock: "boottime", secs: "-5", nanosecs: 0 },
  ]);
});

t.test("annotations of crun that are carried out are settings of the plan", async (t) => {
  const settings = (annotations: Record<string, string>): unknown => planRare({ ...configuration(), annotations }).crun;
  t.same(
    settings({
      "run.oci.keep_original_groups": "1",
      "run.oci.seccomp_fail_unknown_syscall": "1",
      "run.oci.mount_context_type": "fscontext",
      "run.oci.pidfd_receiver": "/run/s",
      "run.oci.hooks.stderr": "/log",
      "run.oci.systemd.subgroup": "",
    }),
    {
      keepsGroups: true,
      refusesUnknownCalls: true,
      contextType: "fscontext",
      pidfdSocket: "/run/s",
      hookOutput: { stdout: null, stderr: "/log" },
    },
  );
  t.same(settings({ "run.oci.keep_original_groups": "0", "run.oci.seccomp_fail_unknown_syscall": "0", other: "1" }), {});
});
