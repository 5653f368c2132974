/**
 * The cgroup driver systemd: `--systemd-cgroup` (org.freedesktop.systemd1(5), systemd.resource-control(5)).
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { isTsrunc } from "./harness/environment.js";
import { describe, path, until } from "./harness/execute.js";
import type { Result } from "./harness/execute.js";
import { cgroupDirectory, cgroupMode, cgroupOf, hierarchyOf, readCgroup } from "./harness/cgroups.js";
import { inSlice, isLoaded, megabyte, prefix, properties, start, systemctl, test } from "./harness/systemd.js";
import type { State } from "./harness/context.js";
import type { Config } from "./harness/config.js";

test("cgroupsPath names slice, prefix and unit; delete stops the unit", async (c) => {
  const { slice, unit, cgroupsPath } = inSlice(c);
  const pid = await start(c, { config: (config) => (config.linux.cgroupsPath = cgroupsPath) });
  assert.equal(cgroupOf(pid, "memory"), `/system.slice/${slice}/${unit}`);
  assert.deepEqual(properties(unit, "ActiveState", "Slice", "Delegate", "DefaultDependencies"), {
    ActiveState: "active",
    Slice: slice,
    Delegate: "yes",
    DefaultDependencies: "no",
  });
  const directory = cgroupDirectory(pid, "memory");
  await c.ok(["delete", "-f", c.id]);
  assert.ok(!isLoaded(unit));
  assert.ok(!existsSync(directory));
});

test("without cgroupsPath the unit is named after the container, in system.slice", async (c) => {
  const pid = await start(c);
  assert.equal(cgroupOf(pid, "memory"), `/system.slice/${prefix}-${c.id}.scope`);
});

test("a cgroupsPath without a prefix names the unit -name.scope", async (c) => {
  const pid = await start(c, { config: (config) => (config.linux.cgroupsPath = `system.slice::${c.id}`) });
  assert.equal(cgroupOf(pid, "memory"), `/system.slice/-${c.id}.scope`);
});

test("the program and all its descendants are in the unit from the first instruction", async (c) => {
  const bundle = c.bundle({ args: ["sh", "-c", "cat /proc/self/cgroup; (cat /proc/self/cgroup)"] });
  const result = await c.runtime(["--systemd-cgroup", "run", "-b", bundle.directory, c.id]);
  assert.equal(result.status, 0, describe(result));
  const lines = result.stdout.trim().split("\n");
  for (const line of lines) if (/:(memory)?:/.test(line)) assert.ok(line.endsWith(`/${prefix}-${c.id}.scope`), line);
  assert.ok(!isLoaded(`${prefix}-${c.id}.scope`));
});

test("limits are properties of the unit and values in its files", async (c) => {
  const pid = await start(c, {
    config: (config) =>
      Object.assign(config.linux.resources, {
        memory: { limit: 64 * megabyte },
        cpu: { quota: 50500, period: 200000, cpus: "0", mems: "0" },
        pids: { limit: 33 },
      }),
  });
  const v2 = cgroupMode() === "v2";
  const unit = `${prefix}-${c.id}.scope`;
  const memory = v2 ? "MemoryMax" : "MemoryLimit";
  assert.deepEqual(properties(unit, memory, "CPUQuotaPerSecUSec", "CPUQuotaPeriodUSec", "TasksMax"), {
    [memory]: String(64 * megabyte),
    CPUQuotaPerSecUSec: "260ms",
    CPUQuotaPeriodUSec: "200ms",
    TasksMax: "33",
  });
  if (v2) assert.deepEqual(properties(unit, "AllowedCPUs", "AllowedMemoryNodes"), { AllowedCPUs: "0", AllowedMemoryNodes: "0" });
  const read = (controller: string, version1: string, version2: string): string | undefined =>
    readCgroup(cgroupDirectory(pid, controller), hierarchyOf(controller) ? version1 : version2);
  assert.equal(read("memory", "memory.limit_in_bytes", "memory.max"), String(64 * megabyte));
  // As runc since 1.4 systemd's step of 10 ms a second counts at once.
  assert.equal(read("cpu", "cpu.cfs_quota_us", "cpu.max")?.split(" ")[0], "52000");
  assert.equal(read("pids", "pids.max", "pids.max"), "33");
  assert.equal(read("cpuset", "cpuset.cpus", "cpuset.cpus"), "0");
});

test("a controller that systemd does not know is enabled where it is asked for", async (c) => {
  if (cgroupMode() === "v2") {
    const pid = await start(c, {
      config: (config) => (config.linux.resources.hugepageLimits = [{ pageSize: "2MB", limit: 4 * megabyte }]),
    });
    assert.equal(readCgroup(cgroupDirectory(pid, ""), "hugetlb.2MB.max"), String(4 * megabyte));
  }
});

test("annotations org.systemd.property are properties of the unit", async (c) => {
  await start(c, {
    config: (config) =>
      (config.annotations = {
        "org.systemd.property.TimeoutStopUSec": "uint64 5000000",
        "org.systemd.property.RuntimeMaxSec": "3600",
        "org.systemd.property.CollectMode": "'inactive-or-failed'",
      }),
  });
  const found = properties(`${prefix}-${c.id}.scope`, "TimeoutStopUSec", "CollectMode", "RuntimeMaxUSec");
  assert.deepEqual(found, { TimeoutStopUSec: "5s", CollectMode: "inactive-or-failed", RuntimeMaxUSec: "1h" });
});

test("a property that systemd does not take fails create, and nothing is left", async (c) => {
  const bundle = c.bundle({ config: (config) => (config.annotations = { "org.systemd.property.NoSuchThing": "true" }) });
  await c.fails(["--systemd-cgroup", "create", "-b", bundle.directory, c.id], /NoSuchThing/);
  assert.ok(!isLoaded(`${prefix}-${c.id}.scope`));
});

test("a cgroupsPath of another form is refused", async (c) => {
  const bundle = c.bundle({ config: (config) => (config.linux.cgroupsPath = `/${c.id}`) });
  await c.fails(
    ["--systemd-cgroup", "create", "-b", bundle.directory, c.id],
    isTsrunc
      ? /\/linux\/cgroupsPath: found "\/.*", allowed: slice:prefix:name with --systemd-cgroup/
      : /of format "slice:prefix:name" for systemd cgroups, got "\//,
  );
});

test("without --systemd-cgroup a path of that form is a cgroup of that name", async (c) => {
  await c.create(c.bundle({ config: (config) => (config.linux.cgroupsPath = `system.slice:x:${c.id}`) }));
  assert.ok(cgroupOf((await c.state()).pid, "memory").endsWith(`/system.slice:x:${c.id}`));
});

test("a unit of that name that somebody else has is left alone", async (c) => {
  const unit = `x-${c.id}.scope`;
  const other = await c.spawn("/usr/bin/systemd-run", ["--scope", "--quiet", `--unit=${unit}`, "sleep", "1000"]);
  c.defer(async () => {
    systemctl("stop", unit);
    await other.wait();
  });
  await until("the unit runs", () => isLoaded(unit));
  const bundle = c.bundle({ config: (config) => (config.linux.cgroupsPath = `system.slice:x:${c.id}`) });
  await c.fails(["--systemd-cgroup", "create", "-b", bundle.directory, c.id], /x-.*\.scope/);
  await c.ok(["delete", "-f", c.id]);
  assert.equal(properties(unit, "ActiveState")["ActiveState"], "active");
  assert.equal(other.process.exitCode, null);
});

test("a failed unit of that name is no obstacle", async (c) => {
  const unit = `${prefix}-${c.id}.scope`;
  const other = await c.spawn("/usr/bin/systemd-run", ["--scope", "--quiet", "-p", "RuntimeMaxSec=1", `--unit=${unit}`, "sleep", "1000"]);
  await other.wait();
  await until("the unit has failed", () => properties(unit, "ActiveState")["ActiveState"] === "failed");
  const pid = await start(c);
  assert.equal(cgroupOf(pid, "memory"), `/system.slice/${unit}`);
});

test("systemctl stop ends the container", async (c) => {
  const pid = await start(c);
  systemctl("stop", `${prefix}-${c.id}.scope`);
  await c.exitOf(pid);
  assert.equal((await c.state()).status, "stopped");
  await c.ok(["delete", c.id]);
});

test("a create that is killed leaves nothing that delete -f does not remove", async (c) => {
  for (const milliseconds of [10, 40, 70, 100, 150, 200, 300, 400]) {
    const bundle = c.bundle();
    const creating = await c.startRuntime(["--systemd-cgroup", "create", "-b", bundle.directory, c.id]);
    const timer = setTimeout(() => creating.process.kill("SIGKILL"), milliseconds);
    await creating.wait();
    clearTimeout(timer);
    await c.ok(["delete", "-f", c.id]);
    assert.ok(!isLoaded(`${prefix}-${c.id}.scope`), `killed after ${milliseconds} ms`);
  }
});

test("a user namespace and a unit of systemd go together", async (c) => {
  const mappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
  const pid = await start(c, {
    config: (config) => {
      config.linux.namespaces.push({ type: "user" });
      Object.assign(config.linux, { uidMappings: mappings, gidMappings: mappings });
    },
  });
  assert.equal(cgroupOf(pid, "memory"), `/system.slice/${prefix}-${c.id}.scope`);
});

/** uid of the user with a service manager of its own, whom scripts/guest.d/configure-root makes. */
const worker = 1000;

test("a plain user's containers are units of the user's own manager, with limits", async (c) => {
  const runtimeDirectory = `/run/user/${worker}`;
  // Its mounts do not reach the tests' mount namespace: it must have run before.
  if (!existsSync(`${runtimeDirectory}/systemd/private`)) c.skip(`user ${worker} has no service manager: loginctl enable-linger`);
  const home = `${c.directory}/home`;
  mkdirSync(home);
  const { directory } = c.bundle();
  spawnSync("rm", [`${directory}/config.json`]);
  for (const folder of [home, directory]) {
    chownSync(folder, worker, worker);
    spawnSync("chown", ["-R", `${worker}:${worker}`, folder]);
  }
  const attempt = async (...args: string[]): Promise<Result> => {
    const drop = ["--reuid", String(worker), "--regid", String(worker), "--clear-groups"];
    const env = { PATH: path, HOME: home, USER: "worker", XDG_RUNTIME_DIR: runtimeDirectory, TMPDIR: c.temporary };
    const started = await c.spawn("/usr/bin/setpriv", [...drop, c.program, "--root", `${home}/state`, ...args], { cwd: home, env });
    return started.wait();
  };
  const as = async (...args: string[]): Promise<Result> => {
    const result = await attempt(...args);
    assert.equal(result.status, 0, describe(result));
    return result;
  };
  await as("spec", "--rootless", "--bundle", directory);
  const config = JSON.parse(readFileSync(`${directory}/config.json`, "utf8")) as Config;
  Object.assign(config.process, { terminal: false, args: ["probe", "wait"] });
  const oomGroup = cgroupMode() === "v2" && { unified: { "memory.oom.group": "1" } };
  config.linux.resources = { memory: { limit: 64 * megabyte }, pids: { limit: 33 }, ...oomGroup };
  writeFileSync(`${directory}/config.json`, JSON.stringify(config));
  c.defer(() => as("delete", "-f", c.id));
  await as("--systemd-cgroup", "run", "-d", "-b", directory, c.id);
  const { pid } = JSON.parse((await as("state", c.id)).stdout) as State;
  assert.equal(cgroupOf(pid, "memory"), `/user.slice/user-${worker}.slice/user@${worker}.service/user.slice/${prefix}-${c.id}.scope`);
  const cgroup = cgroupDirectory(pid, "memory");
  assert.equal(readCgroup(cgroup, "memory.max"), String(64 * megabyte));
  assert.equal(readCgroup(cgroup, "pids.max"), "33");
  if (oomGroup) assert.equal(readCgroup(cgroup, "memory.oom.group"), "1");

  await as("update", "--memory", "80m", c.id);
  assert.equal(readCgroup(cgroup, "memory.max"), String(80 * megabyte));
  const half = await attempt("update", "--pids-limit", "44", "--cpuset-cpus", "0", c.id);
  assert.equal(half.status, 1, describe(half));
  assert.equal(readCgroup(cgroup, "pids.max"), "33");
  await as("delete", "-f", c.id);
  assert.ok(!existsSync(cgroup));

  // The user's manager has not every controller.
  config.linux.resources = { cpu: { cpus: "0" } };
  writeFileSync(`${directory}/config.json`, JSON.stringify(config));
  const refused = await attempt("--systemd-cgroup", "create", "-b", directory, c.id);
  assert.equal(refused.status, 1, describe(refused));
  assert.match(refused.stderr, /the controller "cpuset" is not delegated to this cgroup, which has "[a-z ]+": see Delegate=/);
});
