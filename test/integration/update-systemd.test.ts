/**
 * `update` of containers that are units of systemd: the limits become properties of the running unit, so that they are still there when systemd
 * writes the unit's files anew.
 */
import assert from "node:assert/strict";
import { cgroupDirectory } from "./harness/cgroups.js";
import { isTsrunc } from "./harness/environment.js";
import { megabyte, prefix, properties, reload, setProperty, settings, start, systemctl, testOnV2 } from "./harness/systemd.js";
import type { Config, Resources } from "./harness/config.js";
import type { Context } from "./harness/context.js";

const someLimits: Resources = {
  memory: { limit: 64 * megabyte, swap: 96 * megabyte },
  cpu: { shares: 512, quota: 20000, period: 50000, cpus: "0-1", mems: "0" },
  pids: { limit: 33 },
};

interface Unit {
  name: string;
  /** Of its cgroup. */
  directory: string;
}

async function unitWith(c: Context, resources: Resources): Promise<Unit> {
  const config = (config: Config): void => void Object.assign(config.linux.resources, resources);
  const pid = await start(c, { config });
  return { name: `${prefix}-${c.id}.scope`, directory: cgroupDirectory(pid, "") };
}

function changes(before: Record<string, string>, after: Record<string, string>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(after).filter(([file, value]) => before[file] !== value));
}

testOnV2("limits of a unit change alone, and outlive a reload of systemd and a property that is set", async (c) => {
  const { name, directory } = await unitWith(c, someLimits);
  const before = settings(directory);
  await c.ok([
    "update",
    "--memory",
    "80m",
    "--memory-swap",
    "100m",
    "--pids-limit",
    "44",
    "--cpu-period",
    "100000",
    "--cpuset-cpus",
    "0",
    c.id,
  ]);
  const expected = {
    "memory.max": String(80 * megabyte),
    "memory.swap.max": String(20 * megabyte),
    "pids.max": "44",
    "cpu.max": "20000 100000",
    "cpuset.cpus": "0",
  };
  const after = settings(directory);
  assert.deepEqual(changes(before, after), expected);
  const { MemoryMax, TasksMax, CPUQuotaPerSecUSec, CPUQuotaPeriodUSec, AllowedCPUs } = properties(
    name,
    "MemoryMax",
    "TasksMax",
    "CPUQuotaPerSecUSec",
    "CPUQuotaPeriodUSec",
    "AllowedCPUs",
  );
  assert.deepEqual(
    { MemoryMax, TasksMax, CPUQuotaPerSecUSec, CPUQuotaPeriodUSec, AllowedCPUs },
    { MemoryMax: String(80 * megabyte), TasksMax: "44", CPUQuotaPerSecUSec: "200ms", CPUQuotaPeriodUSec: "100ms", AllowedCPUs: "0" },
  );
  await reload(directory);
  assert.deepEqual(settings(directory), after, "after a reload");
  await setProperty(directory, name);
  assert.deepEqual(settings(directory), { ...after, "pids.max": "4001" }, "after set-property");
});

testOnV2("an update of a unit that fails half-way leaves its properties and its files as they were", async (c) => {
  const { name, directory } = await unitWith(c, someLimits);
  const names = ["MemoryMax", "TasksMax", "CPUWeight", "CPUQuotaPerSecUSec", "AllowedCPUs"];
  const [before, propertiesBefore] = [settings(directory), properties(name, ...names)];
  // systemd takes any CPU, the kernel does not.
  const args = ["--memory", "80m", "--memory-swap", "90m", "--pids-limit", "44", "--cpu-share", "700", "--cpuset-cpus", "4000"];
  const { stderr } = await c.fails(["update", ...args, c.id], /cpuset\.cpus/);
  if (isTsrunc) assert.match(stderr, /: write "cpuset\.cpus" = "4000" \(--cpuset-cpus\): E/);
  assert.deepEqual(settings(directory), before);
  assert.deepEqual(properties(name, ...names), propertiesBefore);
  await reload(directory);
  assert.deepEqual(settings(directory), before, "after a reload");
});

if (isTsrunc) {
  testOnV2("a value that systemd does not take is refused with its field, before anything changes", async (c) => {
    const { directory } = await unitWith(c, someLimits);
    const before = settings(directory);
    const input = JSON.stringify({ pids: { limit: 5 }, unified: { "memory.high": "much" } });
    const { stderr } = await c.fails(["update", "-r", "-", c.id], /\/unified\/memory\.high/, { input });
    const allowed = 'allowed is "max" or a number of bytes above 0 such as 67108864 or 64M';
    assert.equal(stderr, `update "${c.id}": /unified/memory.high: systemd does not take "much": ${allowed}\n`);
    assert.deepEqual(settings(directory), before);
  });

  testOnV2("an idle unit is woken with a weight that outlives a reload", async (c) => {
    const { name, directory } = await unitWith(c, someLimits);
    await c.ok(["update", "--cpu-idle", "1", c.id]);
    assert.equal(settings(directory)["cpu.idle"], "1");
    await c.ok(["update", "--cpu-idle", "0", c.id]);
    // The weight that it was created with.
    assert.deepEqual([settings(directory)["cpu.idle"], settings(directory)["cpu.weight"]], ["0", "59"]);
    assert.equal(properties(name, "CPUWeight")["CPUWeight"], "59");
    await reload(directory);
    assert.equal(settings(directory)["cpu.weight"], "59");
  });

  testOnV2("device rules of a unit are replaced in systemd's list too", async (c) => {
    const deny = { allow: false, access: "rwm" };
    const { name } = await unitWith(c, { ...someLimits, devices: [deny] });
    assert.doesNotMatch(systemctlDevices(name), /10:229/);
    const fuse = { allow: true, type: "c", major: 10, minor: 229, access: "rw" };
    await c.ok(["update", "-r", "-", c.id], { input: JSON.stringify({ devices: [deny, fuse] }) });
    assert.match(systemctlDevices(name), /10:229 rw/);
    await c.ok(["update", "-r", "-", c.id], { input: JSON.stringify({ devices: [deny] }) });
    assert.doesNotMatch(systemctlDevices(name), /10:229/);
  });
}

/** DeviceAllow of a unit, all entries. */
function systemctlDevices(name: string): string {
  return systemctl("show", "--property=DeviceAllow", name);
}
