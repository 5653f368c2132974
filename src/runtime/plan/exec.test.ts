import t from "tap";
import type { ContainerRecord, Process } from "../generated/plan.js";
import { execDefaults, planCgroupJoin, planExecAffinity, planExecProcess } from "./exec.js";

const base: Process = {
  args: [],
  env: ["PATH=/bin", "A=0"],
  setHome: true,
  cwd: "/",
  uid: 1,
  gid: 2,
  additionalGids: [5],
  umask: 0o22,
  capabilities: { bounding: "32", effective: "32", inheritable: "33", permitted: "32", ambient: "0" },
  rlimits: [],
  noNewPrivileges: false,
  terminal: false,
  preserveFds: 0,
  keyring: "_ses.c1",
  keyringLabel: null,
  operations: [
    { op: "apparmor", profile: "old" },
    { op: "personality", persona: 8 },
  ],
};
const limits = { lastCapability: 40, missingCapabilities: [21] };

t.test("what is not said is as in the container's first process", async (t) => {
  t.same(planExecProcess(base, { args: ["id"] }, undefined), { ...base, args: ["id"] });
});

t.test("what is said counts", async (t) => {
  const planned = planExecProcess(
    base,
    {
      args: ["id"],
      env: ["A=1", "HOME=/h"],
      cwd: "/t",
      uid: 7,
      additionalGids: [5, 6],
      noNewPrivileges: true,
      terminal: true,
      apparmorProfile: "new",
    },
    undefined,
  );
  t.match(planned, { cwd: "/t", uid: 7, gid: 2, additionalGids: [5, 6], noNewPrivileges: true, terminal: true, setHome: false });
  t.same(planned.env, ["PATH=/bin", "A=1", "HOME=/h"]);
  t.same(planExecProcess(base, { apparmorProfile: "", processLabel: "" }, undefined), base, "an empty label is none");
  t.same(planned.operations, [
    { op: "apparmor", profile: "new" },
    { op: "personality", persona: 8 },
  ]);
});

t.test("a capability is added, but never to the inheritable set, and to the ambient one only where it is inheritable", async (t) => {
  const add = (...capabilities: string[]): Process["capabilities"] => planExecProcess(base, { capabilities }, limits).capabilities;
  // CAP_CHOWN is 0 and inheritable, CAP_NET_RAW is 13, CAP_KILL is 5 and there already.
  t.same(add("CAP_NET_RAW", "CAP_KILL", "CAP_NET_RAW"), {
    bounding: "8224",
    effective: "8224",
    inheritable: "33",
    permitted: "8224",
    ambient: "32",
  });
  t.same(add("CAP_CHOWN"), { bounding: "33", effective: "33", inheritable: "33", permitted: "33", ambient: "1" });
  t.same(planExecProcess({ ...base, capabilities: null }, { capabilities: ["CAP_KILL"] }, limits).capabilities, {
    bounding: "32",
    effective: "32",
    inheritable: "0",
    permitted: "32",
    ambient: "0",
  });
  for (const [name, cause] of [
    ["CAP_NOSUCH", /unknown$/],
    ["cap_kill", /unknown$/],
    ["CAP_SYS_ADMIN", /the runtime is without it/],
  ] as const)
    t.throws(() => add(name), { code: "invalidArgument", message: cause }, name);
  t.throws(() => planExecProcess(base, { capabilities: ["CAP_BPF"] }, { ...limits, lastCapability: 37 }), {
    message: /unknown to the host's kernel/,
  });
});

t.test("the environment is config.json's, without what the first process alone was given", async (t) => {
  const defaults = { ...base, env: ["LISTEN_FDS=2", "LISTEN_PID=1", "PATH=/bin"], terminal: true };
  t.same(execDefaults({ defaults, env: ["LISTEN_FDS=7", "PATH=/bin"] } as ContainerRecord).env, ["LISTEN_FDS=7", "PATH=/bin"]);
  t.same(execDefaults({ defaults } as ContainerRecord).env, ["LISTEN_FDS=2", "LISTEN_PID=1", "PATH=/bin"]);
  t.equal(execDefaults({ defaults: { ...base, terminal: true } } as ContainerRecord).terminal, false);
  t.throws(() => execDefaults({} as ContainerRecord), { code: "unsupported" });
});

t.test("the CPUs are told by numbers; without any the kernel's are reset", async (t) => {
  t.equal(planExecAffinity(undefined), null);
  t.equal(planExecAffinity({}), null);
  t.same(planExecAffinity({ initial: "0-2", final: "4" }), { initial: [0, 1, 2], final: [4] });
  t.same(planExecAffinity({ final: "1" }), { initial: null, final: [1] });
});

t.test("cgroups are the container's, or below them", async (t) => {
  const v1 = [
    { controllers: ["cpu", "cpuacct"], path: "/cg/cpu/c1" },
    { controllers: ["name=systemd"], path: "/cg/systemd/c1" },
  ];
  const v2 = [{ controllers: [], path: "/cg/c1" }];
  const join = (cgroups: ContainerRecord["cgroups"], wanted: string[] = [], record: Partial<ContainerRecord> = {}): unknown =>
    planCgroupJoin({ namespaces: [], cgroups, ...record } as unknown as ContainerRecord, wanted);
  const none = { joinTasks: [], cloneInto: null, fallBackToInitCgroup: false, mayStartOutside: true };
  t.same(join(v1), { ...none, joinTasks: ["/cg/cpu/c1", "/cg/systemd/c1"] });
  t.same(join(v2), { ...none, cloneInto: "/cg/c1", fallBackToInitCgroup: true });
  t.same(join(v2, ["a/b"]), { ...none, cloneInto: "/cg/c1/a/b" });
  t.match(join(v1, ["cpuacct:a", "systemd:/b"]), { joinTasks: ["/cg/cpu/c1/a", "/cg/systemd/c1/b"] });
  t.match(join(v1, ["a"]), { joinTasks: ["/cg/cpu/c1/a", "/cg/systemd/c1/a"] });
  t.same(join([]), none);
  const tracer = { defaults: { ...base, capabilities: { ...base.capabilities, bounding: String(2 ** 19) } } } as Partial<ContainerRecord>;
  t.match(join(v2, [], tracer), { mayStartOutside: false });
  t.match(join(v2, [], { ...tracer, namespaces: ["user"] }), { mayStartOutside: true });
  for (const [cgroups, wanted, cause] of [
    [v2, ["../x"], /bad sub cgroup path: "\.\."/],
    [v1, ["cpu:../x"], /bad sub cgroup path: "\.\."/],
    [v1, ["nosuch:a"], /unknown controller: the container has no cgroup with "nosuch"/],
    [v1, ["a", "b"], /each needs its controller/],
    [v1, [":a"], /an empty name/],
    [v1, ["cpu:a", "cpu:b"], /has two cgroups/],
    [[], ["a"], /no cgroup of its own/],
  ] as const)
    t.throws(() => join([...cgroups], [...wanted]), { code: "invalidArgument", message: cause }, wanted.join(" "));
});
