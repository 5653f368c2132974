/**
 * What the kernel keeps for a process beside its user: scheduler, ioPriority, execCPUAffinity (runtime-spec, config.md#linux-process),
 * memoryPolicy, personality (config-linux.md).
 */
import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { existsSync, readFileSync } from "node:fs";
import { test } from "./harness/suite.js";
import { cgroupDirectory, hierarchyOf, readCgroup } from "./harness/cgroups.js";
import { isTsrunc } from "./harness/environment.js";
import { setNamespace } from "./harness/config.js";
import type { Config } from "./harness/config.js";
import type { Context } from "./harness/context.js";

type Scheduler = NonNullable<Config["process"]["scheduler"]>;

/** Priority, nice, real-time priority and policy of the program itself, by its /proc/self/stat (proc_pid_stat(5)). */
async function scheduling(c: Context, scheduler: Scheduler, change: (config: Config) => void = () => undefined): Promise<number[]> {
  const stat = await c.output({
    args: ["cat", "/proc/self/stat"],
    config: (config) => {
      config.process.scheduler = scheduler;
      change(config);
    },
  });
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // Fields 18, 19, 40 and 41; the state behind the name is field 3.
  return [18, 19, 40, 41].map((number) => Number(fields[number - 3]));
}

/** Then a new cgroup of v1 has no real-time budget (sched(7), "Real-time group scheduling"). */
const hasRealTimeGroups = existsSync(`${hierarchyOf("cpu")?.mountPoint ?? ""}/cpu.rt_runtime_us`);

function withRealTimeBudget(config: Config): void {
  if (hasRealTimeGroups) config.linux.resources.cpu = { realtimeRuntime: 1000, realtimePeriod: 1_000_000 };
}

test("SCHED_OTHER and SCHED_BATCH have a nice value, 0 unless it is given", async (c) => {
  assert.deepEqual(await scheduling(c, { policy: "SCHED_OTHER", nice: -5 }), [15, -5, 0, 0]);
  assert.deepEqual(await scheduling(c, { policy: "SCHED_BATCH", nice: 19 }), [39, 19, 0, 3]);
  assert.deepEqual(await scheduling(c, { policy: "SCHED_BATCH" }), [20, 0, 0, 3]);
});

test("SCHED_IDLE is taken", async (c) => {
  assert.equal((await scheduling(c, { policy: "SCHED_IDLE" }))[3], 5);
});

test("SCHED_FIFO and SCHED_RR have a priority", async (c) => {
  assert.deepEqual(await scheduling(c, { policy: "SCHED_FIFO", priority: 7 }, withRealTimeBudget), [-8, 0, 7, 1]);
  assert.deepEqual(await scheduling(c, { policy: "SCHED_RR", priority: 1 }, withRealTimeBudget), [-2, 0, 1, 2]);
});

test("SCHED_DEADLINE has runtime, deadline and period", async (c) => {
  const times = { runtime: 1_000_000, deadline: 10_000_000, period: 20_000_000 };
  assert.deepEqual(await scheduling(c, { policy: "SCHED_DEADLINE", ...times }), [-101, 0, 0, 6]);
});

test("SCHED_FLAG_RESET_ON_FORK ends with the program", async (c) => {
  // Field 19 is the 17th behind the name. A trailing command, else the shell would execute the second one in its own place.
  const nice = "stat=$(cat /proc/$$/stat); set -- ${stat##*) }; echo ${17}";
  const output = await c.shell(`${nice}; sh -c '${nice}'; true`, (config) => {
    config.process.scheduler = { policy: "SCHED_OTHER", nice: -7, flags: ["SCHED_FLAG_RESET_ON_FORK"] };
  });
  assert.equal(output, "-7\n0");
});

test("a scheduler is set in a user namespace too, by the caller's privilege", async (c) => {
  const inUserNamespace = (config: Config): void => {
    setNamespace(config, "user");
    config.linux.uidMappings = config.linux.gidMappings = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    config.process.ioPriority = { class: "IOPRIO_CLASS_RT", priority: 2 };
  };
  assert.deepEqual(await scheduling(c, { policy: "SCHED_OTHER", nice: -3 }, inUserNamespace), [17, -3, 0, 0]);
});

test(`a real-time policy without a budget ${hasRealTimeGroups ? "says what it needs" : "needs none here"}`, async (c) => {
  if (!hasRealTimeGroups) {
    assert.equal((await scheduling(c, { policy: "SCHED_RR", priority: 5 }))[3], 2);
    return;
  }
  const bundle = c.bundle({ config: (config) => (config.process.scheduler = { policy: "SCHED_RR", priority: 5 }) });
  const { stderr } = await c.fails(["create", "-b", bundle.directory, c.id], /operation not permitted/);
  if (isTsrunc)
    assert.equal(
      stderr,
      `create "${c.id}": set the scheduling policy (/process/scheduler): EPERM (operation not permitted): real-time policies need CAP_SYS_NICE, and where the kernel has real-time groups /linux/resources/cpu/realtimeRuntime\n`,
    );
});

test("SCHED_DEADLINE on some of the CPUs says that it needs all", async (c) => {
  if (availableParallelism() < 2) c.skip("the host has one CPU");
  const scheduler = { policy: "SCHED_DEADLINE", runtime: 1_000_000, deadline: 10_000_000 };
  await c.ok([
    "run",
    "-b",
    c.bundle({ args: ["true"], config: (config) => (config.process.scheduler = scheduler) }).directory,
    `${c.id}-all`,
  ]);
  const bundle = c.bundle({
    config: (config) => {
      config.process.scheduler = scheduler;
      config.linux.resources.cpu = { cpus: "0" };
    },
  });
  const { stderr } = await c.fails(["create", "-b", bundle.directory, c.id], /operation not permitted/);
  if (isTsrunc) assert.match(stderr, /: process scheduler can't be used together with AllowedCPUs/);
});

test("ioPriority has a class and a priority", async (c) => {
  const ioPriority = (className: string, priority: number): Promise<string> =>
    c.output({
      args: ["busybox", "ionice", "-p", "1"],
      config: (config) => (config.process.ioPriority = { class: className, priority }),
    });
  assert.equal(await ioPriority("IOPRIO_CLASS_BE", 6), "best-effort: prio 6");
  assert.equal(await ioPriority("IOPRIO_CLASS_RT", 0), "realtime: prio 0");
  assert.match(await ioPriority("IOPRIO_CLASS_IDLE", 4), /^idle/);
});

test("hooks run before the scheduler is set, which may forbid a fork", async (c) => {
  const hook = { path: "/bin/sh", args: ["sh", "-c", `cut -d " " -f 41 /proc/self/stat >${c.directory}/policy`] };
  const bundle = c.bundle({
    args: ["true"],
    config: (config) => {
      config.process.scheduler = { policy: "SCHED_DEADLINE", runtime: 1_000_000, deadline: 10_000_000 };
      config.hooks = { createRuntime: [hook], poststop: [] };
    },
  });
  await c.ok(["run", "-b", bundle.directory, c.id]);
  assert.equal(readFileSync(`${c.directory}/policy`, "utf8"), "0\n");
});

test("startContainer hooks run under SCHED_DEADLINE where children may be", async (c) => {
  const bundle = c.bundle({
    args: ["cat", "/hooked"],
    config: (config) => {
      const flags = ["SCHED_FLAG_RESET_ON_FORK"];
      config.process.scheduler = { policy: "SCHED_DEADLINE", runtime: 1_000_000, deadline: 10_000_000, flags };
      config.hooks = { startContainer: [{ path: "/bin/sh", args: ["sh", "-c", "echo hooked >/hooked"] }] };
    },
  });
  assert.equal((await c.run(bundle)).stdout, "hooked\n");
});

test("execCPUAffinity is for exec: it is accepted, and the program of create may use all CPUs", async (c) => {
  const own = /^Cpus_allowed_list:\t(.+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  const output = await c.output({
    args: ["grep", "Cpus_allowed_list", "/proc/self/status"],
    config: (config) => (config.process.execCPUAffinity = { initial: "0", final: "0" }),
  });
  assert.equal(output.split("\t")[1], own);
});

test("a program of exec runs on the final CPUs of execCPUAffinity", async (c) => {
  await c.createAndStart(c.bundle({ config: (config) => (config.process.execCPUAffinity = { initial: "0", final: "0" }) }));
  const { stdout } = await c.runtime(["exec", c.id, "grep", "Cpus_allowed_list", "/proc/self/status"]);
  assert.equal(stdout, "Cpus_allowed_list:\t0\n");
});

test("personality LINUX32 shows a machine of 32 bits, LINUX the host's", async (c) => {
  const machine = (domain: string): Promise<string> =>
    c.output({ args: ["uname", "-m"], config: (config) => (config.linux.personality = { domain }) });
  assert.equal(await machine("LINUX"), process.arch === "x64" ? "x86_64" : "aarch64");
  assert.equal(await machine("LINUX32"), process.arch === "x64" ? "i686" : "armv8l");
  const report = await c.report((config) => (config.linux.personality = { domain: "LINUX32" }));
  assert.equal(report.personality, 8);
});

test("memoryPolicy has a mode, nodes and flags", async (c) => {
  if (!existsSync("/proc/self/numa_maps")) c.skip("the kernel has no NUMA");
  const policy = async (memoryPolicy: NonNullable<Config["linux"]["memoryPolicy"]>): Promise<string | undefined> => {
    const maps = await c.output({
      args: ["cat", "/proc/self/numa_maps"],
      config: (config) => (config.linux.memoryPolicy = memoryPolicy),
    });
    return /^\w+ (.+?) (?:file=|heap|stack|anon=)/.exec(maps)?.[1];
  };
  assert.equal(await policy({ mode: "MPOL_BIND", nodes: "0" }), "bind:0");
  assert.equal(await policy({ mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_STATIC_NODES"] }), "bind=static:0");
  assert.equal(await policy({ mode: "MPOL_PREFERRED", nodes: "0", flags: ["MPOL_F_RELATIVE_NODES"] }), "prefer=relative:0");
  assert.equal(await policy({ mode: "MPOL_INTERLEAVE", nodes: "0" }), "interleave:0");
  assert.equal(await policy({ mode: "MPOL_PREFERRED_MANY", nodes: "0" }), "prefer (many):0");
  if (existsSync("/sys/kernel/mm/mempolicy/weighted_interleave")) {
    assert.equal(await policy({ mode: "MPOL_WEIGHTED_INTERLEAVE", nodes: "0" }), "weighted interleave:0");
  } else {
    await assert.rejects(
      policy({ mode: "MPOL_WEIGHTED_INTERLEAVE", nodes: "0" }),
      /EINVAL \(invalid argument\): the kernel may not know mode 0x6/,
    );
  }
  assert.equal(await policy({ mode: "MPOL_PREFERRED" }), "local");
  assert.equal(await policy({ mode: "MPOL_LOCAL" }), "local");
  assert.equal(await policy({ mode: "MPOL_DEFAULT" }), "default");
});

test("the error for a memory node that the host lacks names the nodes it has", async (c) => {
  if (!existsSync("/proc/self/numa_maps")) c.skip("the kernel has no NUMA");
  const bundle = c.bundle({ config: (config) => (config.linux.memoryPolicy = { mode: "MPOL_BIND", nodes: "1000" }) });
  const own = /^Mems_allowed_list:\t(.+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  const { stderr } = await c.fails(["create", "-b", bundle.directory, c.id], /invalid argument/);
  if (isTsrunc)
    assert.equal(
      stderr,
      `create "${c.id}": set the memory policy for nodes [1000] (/linux/memoryPolicy): EINVAL (invalid argument): this container may use the nodes ${own}\n`,
    );
});

if (hasRealTimeGroups) {
  test("a real-time policy has the budget of the container's cgroup", async (c) => {
    const bundle = c.bundle({
      config: (config) => {
        config.process.scheduler = { policy: "SCHED_RR", priority: 5 };
        withRealTimeBudget(config);
      },
    });
    await c.create(bundle);
    const { pid } = await c.state();
    assert.equal(readCgroup(cgroupDirectory(pid, "cpu"), "cpu.rt_runtime_us"), "1000");
  });
}
