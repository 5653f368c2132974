/**
 * `update`: limits of a container that exists, read back from its cgroups. Only what is named changes, and a failure changes nothing.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { test, testOn } from "./harness/suite.js";
import { isTsrunc } from "./harness/environment.js";
import { until } from "./harness/execute.js";
import { cgroupDirectory, hierarchies, hierarchyOf, mountPointOf, readCgroup } from "./harness/cgroups.js";
import { limit, limited } from "./harness/limits.js";
import type { Resources } from "./harness/config.js";
import type { Context } from "./harness/context.js";

const megabyte = 1024 * 1024;

/** Limits of each kind, for a container to begin with. */
const someLimits: Resources = {
  memory: { limit: 64 * megabyte, swap: 128 * megabyte, reservation: 32 * megabyte },
  cpu: { shares: 512, quota: 20000, period: 50000 },
  pids: { limit: 50 },
};

/** What a container's cgroups say, by names that are the same on v1 and v2. */
interface Limits {
  memory: string | undefined;
  reservation: string | undefined;
  /** Of memory and swap on v1, of swap on v2. */
  swap: string | undefined;
  shares: string | undefined;
  bandwidth: string | undefined;
  cpus: string | undefined;
  pids: string | undefined;
}

const onV1 = hierarchyOf("memory") !== undefined;

/** What the kernel refuses when all other limits are written. Of the controllers of hybrid hosts only this one is on v2. */
const refusedUnified = { "hugetlb.2MB.max": "much" };

function limitsOf(pid: number): Limits {
  return {
    memory: limit(pid, "memory", "memory.limit_in_bytes", "memory.max"),
    reservation: limit(pid, "memory", "memory.soft_limit_in_bytes", "memory.low"),
    swap: limit(pid, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max"),
    shares: limit(pid, "cpu", "cpu.shares", "cpu.weight"),
    bandwidth: bandwidth(pid),
    cpus: limit(pid, "cpuset", "cpuset.cpus"),
    pids: limit(pid, "pids", "pids.max"),
  };
}

/** Quota and period. */
function bandwidth(pid: number): string | undefined {
  return onV1 ? `${limit(pid, "cpu", "cpu.cfs_quota_us")} ${limit(pid, "cpu", "cpu.cfs_period_us")}` : limit(pid, "cpu", "", "cpu.max");
}

/** A limit of memory and swap together, with that of memory. */
function withSwap(both: number, memory: number): string {
  return String(onV1 ? both : both - memory);
}

/** Runs `update`, which must succeed, and gives what has changed. */
async function updated(c: Context, pid: number, ...args: string[]): Promise<Partial<Limits>> {
  const before = limitsOf(pid);
  await c.ok(["update", ...args, c.id]);
  return changes(before, limitsOf(pid));
}

/** The same for resources by standard input. */
async function updatedBy(c: Context, pid: number, resources: object): Promise<Partial<Limits>> {
  const before = limitsOf(pid);
  await c.ok(["update", "--resources", "-", c.id], { input: JSON.stringify(resources) });
  return changes(before, limitsOf(pid));
}

function changes(before: Limits, after: Limits): Partial<Limits> {
  return Object.fromEntries(Object.entries(after).filter(([name, value]) => value !== before[name as keyof Limits]));
}

test("only the limits that are named change", async (c) => {
  const pid = await limited(c, someLimits);
  assert.deepEqual(await updated(c, pid), {});
  assert.deepEqual(await updated(c, pid, "--memory", "32m"), { memory: String(32 * megabyte) });
  assert.deepEqual(await updated(c, pid, "--memory-reservation", "16777216"), { reservation: String(16 * megabyte) });
  assert.deepEqual(await updated(c, pid, "--pids-limit", "20"), { pids: "20" });
  assert.deepEqual(await updated(c, pid, "--cpu-period", "100000"), { bandwidth: "20000 100000" });
  assert.deepEqual(await updated(c, pid, "--cpu-quota", "30000"), { bandwidth: "30000 100000" });
  assert.deepEqual(await updated(c, pid, "--cpuset-cpus", "0"), { cpus: "0" });
  assert.deepEqual(await updated(c, pid, "--cpuset-mems", "0"), {});
  if (!isTsrunc) return;
  const { resources } = JSON.parse(readFileSync(`${c.root}/${c.id}/state.json`, "utf8")) as { resources: Resources };
  assert.deepEqual(resources.memory, { limit: 32 * megabyte, swap: 128 * megabyte, reservation: 16 * megabyte });
  assert.deepEqual(resources.cpu, { shares: 512, quota: 30000, period: 100000, cpus: "0", mems: "0" });
});

test("shares change alone", async (c) => {
  const pid = await limited(c, someLimits);
  assert.deepEqual(await updated(c, pid, "--cpu-share", "262144"), { shares: onV1 ? "262144" : "10000" });
  assert.deepEqual(await updated(c, pid, "--cpu-share", "2"), { shares: onV1 ? "2" : "1" });
});

test("memory and swap are raised and lowered together", async (c) => {
  const pid = await limited(c, someLimits);
  const set = async (memory: number, both: number): Promise<void> => {
    await c.ok(["update", "--memory", `${memory}m`, "--memory-swap", `${both}M`, c.id]);
    const { memory: limit, swap } = limitsOf(pid);
    assert.deepEqual([limit, swap], [String(memory * megabyte), withSwap(both * megabyte, memory * megabyte)]);
  };
  await set(256, 512);
  await set(48, 48);
  await set(64, 100);
  await set(40, 70);
});

test("-1 is no limit", async (c) => {
  const pid = await limited(c, someLimits);
  const isUnlimited = (value: string | undefined): boolean => value === "max" || BigInt(value ?? "0") > 2n ** 60n;
  await c.ok(["update", "--memory-swap", "-1", c.id]);
  assert.ok(isUnlimited(limitsOf(pid).swap));
  assert.equal(limitsOf(pid).memory, String(64 * megabyte));
  // Also of memory and swap together, where there is a limit of those.
  await c.ok(["update", "--memory", "64m", "--memory-swap", "80m", c.id]);
  await c.ok(["update", "--memory", "-1", "--pids-limit", "-1", "--cpu-quota", "-1", c.id]);
  const { memory, swap, pids, bandwidth } = limitsOf(pid);
  assert.ok(isUnlimited(memory) && isUnlimited(swap), `${memory} ${swap}`);
  assert.deepEqual([pids, bandwidth], ["max", onV1 ? "-1 50000" : "max 50000"]);
});

testOn(["v2"], "a limit of memory and swap together goes by the limit of memory that there is", async (c) => {
  const pid = await limited(c, someLimits);
  assert.deepEqual(await updated(c, pid, "--memory-swap", "96m"), { swap: String(32 * megabyte) });
});

test("what is 0 or empty stays as it is, for callers that fill every field", async (c) => {
  const pid = await limited(c, someLimits);
  const empty = {
    memory: { limit: 0, reservation: 0, swap: 0, kernel: 0, kernelTCP: 0 },
    cpu: { shares: 0, quota: 0, period: 0, realtimeRuntime: 0, realtimePeriod: 0, cpus: "", mems: "" },
    pids: { limit: 0 },
    blockIO: { weight: 0 },
  };
  assert.deepEqual(await updatedBy(c, pid, empty), {});
  assert.deepEqual(await updatedBy(c, pid, { ...empty, pids: { limit: 9 } }), { pids: "9" });
  const flags = ["--memory", "0", "--memory-swap", "0", "--cpu-quota", "0", "--cpu-period", "0", "--pids-limit", "0", "--cpuset-cpus", ""];
  assert.deepEqual(await updated(c, pid, ...flags), {});
});

test("resources come from a file or from standard input", async (c) => {
  const pid = await limited(c, someLimits);
  const file = c.file("limits.json", JSON.stringify({ pids: { limit: 31 }, cpu: { quota: 10000 } }));
  assert.deepEqual(await updated(c, pid, "-r", file), { pids: "31", bandwidth: "10000 50000" });
  assert.deepEqual(await updatedBy(c, pid, { memory: { limit: 80 * megabyte } }), { memory: String(80 * megabyte) });
});

test("quota and period change together, in either direction", async (c) => {
  const pid = await limited(c, someLimits);
  for (const [quota, period] of [
    [40000, 100000],
    [10000, 25000],
    [25000, 25000],
    [5000, 10000],
    [90000, 100000],
  ]) {
    await c.ok(["update", "--cpu-quota", String(quota), "--cpu-period", String(period), c.id]);
    assert.equal(bandwidth(pid), `${quota} ${period}`);
  }
});

testOn(["v1", "hybrid"], "quota and period change within what the cgroup above has", async (c) => {
  const parent = `${c.id}-parent`;
  for (const { mountPoint } of hierarchies()) {
    mkdirSync(`${mountPoint}/${parent}`);
    c.defer(() => rmdirSync(`${mountPoint}/${parent}`));
  }
  writeFileSync(`${mountPointOf("cpu")}/${parent}/cpu.cfs_quota_us`, "50000");
  await c.createAndStart(
    c.bundle({
      config: (config) => {
        config.linux.cgroupsPath = `/${parent}/child`;
        config.linux.resources.cpu = { quota: 20000, period: 50000 };
      },
    }),
  );
  const { pid } = await c.state();
  for (const [quota, period] of [
    [12000, 25000],
    [45000, 100000],
    [4000, 10000],
  ]) {
    await c.ok(["update", "--cpu-quota", String(quota), "--cpu-period", String(period), c.id]);
    assert.equal(bandwidth(pid), `${quota} ${period}`);
  }
});

test("the share of the disks changes", async (c) => {
  const weight = (pid: number): string => {
    const found = onV1
      ? (limit(pid, "blkio", "blkio.weight") ?? limit(pid, "blkio", "blkio.bfq.weight"))
      : (limit(pid, "io", "", "io.bfq.weight") ?? limit(pid, "io", "", "io.weight"));
    return found ?? "";
  };
  const pid = await limited(c, { ...someLimits, blockIO: { weight: 300 } });
  assert.match(weight(pid), onV1 ? /^300$/ : /default (300|2930)$/);
  await c.ok(["update", "--blkio-weight", "500", c.id]);
  assert.match(weight(pid), onV1 ? /^500$/ : /default (500|4950)$/);
});

test("real-time limits change on cgroup v1, which alone has them", async (c) => {
  const pid = await limited(c, someLimits);
  const flags = (period: number, runtime: number): string[] => ["--cpu-rt-period", String(period), "--cpu-rt-runtime", String(runtime)];
  if (!onV1) {
    await c.fails(["update", ...flags(500_000, 1000), c.id], isTsrunc ? /--cpu-rt-period: cgroup v2 has no real-time limits/ : /./);
    return;
  }
  const file = (name: string): string | undefined => limit(pid, "cpu", `cpu.rt_${name}_us`);
  if (file("period") === undefined) c.skip("this kernel has no real-time groups");
  for (const [period, runtime] of [
    [500_000, 4000],
    [100_000, 900],
    [1_000_000, 8000],
  ] as const) {
    await c.ok(["update", ...flags(period, runtime), c.id]);
    assert.deepEqual([file("period"), file("runtime")], [String(period), String(runtime)]);
  }
});

if (isTsrunc) {
  test("a burst is set within the quota, and 0 takes it away", async (c) => {
    const pid = await limited(c, someLimits);
    const burst = (): string | undefined => limit(pid, "cpu", "cpu.cfs_burst_us", "cpu.max.burst");
    await c.ok(["update", "--cpu-burst", "15000", c.id]);
    assert.equal(burst(), "15000");
    await c.ok(["update", "--cpu-burst", "40000", "--cpu-quota", "45000", c.id]);
    assert.deepEqual([burst(), bandwidth(pid)], ["40000", "45000 50000"]);
    await c.ok(["update", "--cpu-burst", "1000", "--cpu-quota", "10000", c.id]);
    assert.deepEqual([burst(), bandwidth(pid)], ["1000", "10000 50000"]);
    await c.ok(["update", "--cpu-burst", "0", c.id]);
    assert.equal(burst(), "0");
  });

  test("an idle container is woken by 0, with a weight", async (c) => {
    const pid = await limited(c, someLimits);
    const idle = (): string | undefined => limit(pid, "cpu", "cpu.idle");
    await c.ok(["update", "--cpu-idle", "1", c.id]);
    assert.equal(idle(), "1");
    await c.fails(["update", "--cpu-share", "1024", c.id], /EINVAL \(.*\): the container is idle \(--cpu-idle\)/);
    await c.ok(["update", "--cpu-idle", "0", "--cpu-share", "1024", c.id]);
    assert.equal(idle(), "0");
    assert.equal(limitsOf(pid).shares, onV1 ? "1024" : "100");
  });
}

for (const status of ["created", "paused"] as const) {
  test(`limits of a container that is ${status} change`, async (c) => {
    const bundle = c.bundle({ config: (config) => void Object.assign(config.linux.resources, someLimits) });
    if (status === "created") await c.create(bundle);
    else await c.createAndStart(bundle);
    const { pid } = await c.state();
    if (status === "paused") freeze(c, pid);
    await c.status(status);
    assert.deepEqual(await updated(c, pid, "--pids-limit", "12", "--memory", "80m"), { pids: "12", memory: String(80 * megabyte) });
    await c.status(status);
  });
}

/** Freezes a container until the end of the test. */
function freeze(c: Context, pid: number): void {
  const v1 = hierarchyOf("freezer") !== undefined;
  const directory = cgroupDirectory(pid, v1 ? "freezer" : "");
  const write = (frozen: boolean): void =>
    v1
      ? writeFileSync(`${directory}/freezer.state`, frozen ? "FROZEN" : "THAWED")
      : writeFileSync(`${directory}/cgroup.freeze`, frozen ? "1" : "0");
  write(true);
  c.defer(() => write(false));
}

test("an update that fails half-way leaves every limit as it was, and names the value", async (c) => {
  const pid = await limited(c, someLimits);
  const before = limitsOf(pid);
  // A CPU that this machine does not have: refused by the kernel after the others were written.
  const { stderr } = await c.fails(
    ["update", "--memory", "80m", "--memory-swap", "100m", "--cpu-share", "600", "--cpu-quota", "30000", "--cpuset-cpus", "4000", c.id],
    /cpuset\.cpus/,
  );
  if (isTsrunc) {
    assert.equal(stderr, `update "${c.id}": write "cpuset.cpus" = "4000" (--cpuset-cpus): ERANGE (numerical result out of range)\n`);
  }
  assert.deepEqual(limitsOf(pid), before);
  // The last value of all.
  const resources = { ...someLimits, memory: { limit: 80 * megabyte, swap: 90 * megabyte }, pids: { limit: 9 }, unified: refusedUnified };
  await c.fails(["update", "-r", "-", c.id], /hugetlb|unified/, { input: JSON.stringify(resources) });
  assert.deepEqual(limitsOf(pid), before);
});

testOn(["v1", "hybrid"], "a limit below what is in use is refused with what is in use, and nothing changes", async (c) => {
  const pid = await limited(c, someLimits);
  const before = limitsOf(pid);
  const { stderr } = await c.fails(["update", "--cpu-share", "600", "--memory", "4k", c.id], /usage|in use/);
  if (isTsrunc) {
    const refusal =
      /^update ".*": write "memory.limit_in_bytes" = "4096" \(--memory\): EBUSY \(.*\): [0-9]+ is in use \(memory.usage_in_bytes\)\n$/;
    assert.match(stderr, refusal);
  }
  assert.deepEqual(limitsOf(pid), before);
});

testOn(["v1", "hybrid"], "a limit that another limit forbids is refused with that limit, and nothing changes", async (c) => {
  const pid = await limited(c, { memory: { limit: 64 * megabyte, swap: 128 * megabyte } });
  const before = limitsOf(pid);
  const { stderr } = await c.fails(["update", "--memory", String(256 * megabyte), c.id], /memory/);
  if (isTsrunc)
    assert.match(stderr, /\(--memory\): EINVAL \(.*\): at most memory.memsw.limit_in_bytes, which is 134217728 \(--memory-swap\)\n$/);
  assert.deepEqual(limitsOf(pid), before);
});

testOn(["v1", "hybrid"], "shares that the kernel would change are refused", async (c) => {
  const pid = await limited(c, someLimits);
  await c.fails(["update", "--cpu-share", "1", c.id], /the minimum allowed cpu-shares is 2/);
  await c.fails(["update", "--cpu-share", "262145", c.id], /the maximum allowed cpu-shares is 262144/);
  if (isTsrunc) assert.equal(limitsOf(pid).shares, "512");
});

testOn(["v2"], "checkBeforeUpdate refuses a limit below what is in use", async (c) => {
  const pid = await limited(c, someLimits);
  const before = limitsOf(pid);
  await c.fails(["update", "-r", "-", c.id], /in use|usage/, {
    input: JSON.stringify({ memory: { limit: 4096, checkBeforeUpdate: true } }),
  });
  assert.deepEqual(limitsOf(pid), before);
});

test("a container that has stopped is not running", async (c) => {
  await c.createAndStart(c.bundle({ args: ["true"] }));
  await c.status("stopped");
  await c.fails(["update", "--pids-limit", "5", c.id], /container not running/);
});

// No machine that the tests run on has resctrl: what is written to it is tested in native/services/src/resctrl.rs.
test("lines of Intel RDT need a mounted resctrl", async (c) => {
  const pid = await limited(c, someLimits);
  const before = limitsOf(pid);
  for (const [flag, line] of [
    ["--l3-cache-schema", "L3:0=f"],
    ["--mem-bw-schema", "MB:0=50"],
  ] as const) {
    const { stderr } = await c.fails(["update", "--pids-limit", "9", flag, line, c.id], /Intel RDT|resctrl/);
    const text = `${flag}: needs a mounted resctrl file system (mount -t resctrl), this host has none`;
    if (isTsrunc) assert.equal(stderr, `update "${c.id}": ${text}\n`);
  }
  assert.deepEqual(limitsOf(pid), before);
});

test("limits of the kernel's own memory are ignored with a warning", async (c) => {
  const pid = await limited(c, someLimits);
  const before = limitsOf(pid);
  const { stderr } = await c.ok(["update", "--kernel-memory", "50m", "--kernel-memory-tcp", "3g", c.id]);
  assert.match(stderr, /Kernel memory settings are ignored/);
  assert.deepEqual(limitsOf(pid), before);
});

if (isTsrunc) {
  test("limits that runc's update leaves out are changed too", async (c) => {
    const pid = await limited(c, { ...someLimits, hugepageLimits: [{ pageSize: "2MB", limit: 4 * megabyte }] });
    const directory = cgroupDirectory(pid, "hugetlb");
    const file = hierarchyOf("hugetlb") ? "hugetlb.2MB.limit_in_bytes" : "hugetlb.2MB.max";
    await updatedBy(c, pid, { hugepageLimits: [{ pageSize: "2MB", limit: 8 * megabyte }] });
    assert.equal(readCgroup(directory, file), String(8 * megabyte));
    // And go back with those that fail.
    const input = JSON.stringify({ hugepageLimits: [{ pageSize: "2MB", limit: 2 * megabyte }], unified: refusedUnified });
    await c.fails(["update", "-r", "-", c.id], /"much"/, { input });
    assert.equal(readCgroup(directory, file), String(8 * megabyte));
  });

  test("throttles of a disk go back to what they were, and to none", async (c) => {
    const [major, minor] = [statSync("/dev/vda", { throwIfNoEntry: false }) ? 254 : 7, 0];
    const rate = (value: number): object[] => [{ major, minor, rate: value }];
    const pid = await limited(c, { ...someLimits, blockIO: { throttleReadBpsDevice: rate(1000001) } });
    const throttles = (): (string | undefined)[] =>
      onV1
        ? ["read_bps", "write_iops"].map((name) => limit(pid, "blkio", `blkio.throttle.${name}_device`))
        : [limit(pid, "io", "", "io.max")];
    const before = throttles();
    const blockIO = { throttleReadBpsDevice: rate(1000002), throttleWriteIOPSDevice: rate(1004) };
    await c.fails(["update", "-r", "-", c.id], /"much"/, { input: JSON.stringify({ blockIO, unified: refusedUnified }) });
    assert.deepEqual(throttles(), before);
    await updatedBy(c, pid, { blockIO });
    assert.notDeepEqual(throttles(), before);
    assert.match(throttles().join(" "), onV1 ? /1000002 .* 1004$/ : /rbps=1000002 wbps=max riops=max wiops=1004$/);
  });

  test("a controller that a limit needs only now is enabled", async (c) => {
    const pid = await limited(c, someLimits);
    await updatedBy(c, pid, { hugepageLimits: [{ pageSize: "2MB", limit: 8 * megabyte }] });
    const file = hierarchyOf("hugetlb") ? "hugetlb.2MB.limit_in_bytes" : "hugetlb.2MB.max";
    assert.equal(readCgroup(cgroupDirectory(pid, "hugetlb"), file), String(8 * megabyte));
  });

  test("device rules stay, and are replaced where they are given", async (c) => {
    const said = `${c.directory}/said`;
    writeFileSync(said, "");
    const script =
      "while :; do sleep 0.02; (: </dev/zero) 2>/dev/null && (: </dev/fuse) 2>/dev/null && echo both || echo one; done >>/said";
    const pid = await limitedWithFuse(c, script, said);
    const latest = (): string => readFileSync(said, "utf8").trimEnd().split("\n").at(-1) ?? "";
    await until("fuse is denied", () => latest() === "one");
    await c.ok(["update", "--pids-limit", "40", c.id]);
    const size = readFileSync(said, "utf8").length;
    await until("it has looked again", () => readFileSync(said, "utf8").length > size + 8);
    assert.ok(!readFileSync(said, "utf8").includes("both"));
    const deny = { allow: false, access: "rwm" };
    await c.ok(["update", "-r", "-", c.id], {
      input: JSON.stringify({ devices: [deny, { allow: true, type: "c", major: 10, minor: 229, access: "rwm" }] }),
    });
    await until("fuse is allowed", () => latest() === "both");
    await c.ok(["update", "-r", "-", c.id], { input: JSON.stringify({ devices: [deny] }) });
    await until("fuse is denied again", () => latest() === "one");
    assert.equal(limitsOf(pid).pids, "40");
  });
}

/** A container with the device node of FUSE, which its rules deny, and a script that writes to a file of the host. */
async function limitedWithFuse(c: Context, script: string, said: string): Promise<number> {
  await c.createAndStart(
    c.bundle({
      args: ["sh", "-c", script],
      config: (config) => {
        Object.assign(config.linux.resources, someLimits, { devices: [{ allow: false, access: "rwm" }] });
        config.linux.devices = [{ type: "c", path: "/dev/fuse", major: 10, minor: 229, fileMode: 0o666 }];
        config.mounts.push({ destination: "/said", type: "bind", source: said, options: ["bind"] });
      },
    }),
  );
  return (await c.state()).pid;
}
