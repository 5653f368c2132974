/** Kinds of containers that checkpoint and restore by CRIU can save, and those that it refuses. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { COUNT, counter, counts, criu, isGone, keeper, needCriu, restoreArgs, saved } from "./harness/checkpoints.js";
import { setNamespace, withoutNamespaces } from "./harness/config.js";
import { isTsrunc } from "./harness/environment.js";
import { until } from "./harness/execute.js";
import { isLoaded, prefix, properties } from "./harness/systemd.js";
import { base, chownTree, mapping } from "./harness/user-namespace.js";

criu.test("a container in a unit of systemd is restored into one of that name, with its limits", async (c) => {
  if (!existsSync("/run/systemd/system")) c.skip("systemd is not PID 1");
  const bundle = counter(c, (config) => (config.linux.resources = { pids: { limit: 77 } }));
  const unit = `${prefix}-${c.id}.scope`;
  c.deleteLater();
  await c.ok(["--systemd-cgroup", "run", "-d", "-b", bundle.directory, c.id]);
  await counts(bundle);
  await c.ok(["checkpoint", "--image-path", `${c.directory}/images`, c.id]);
  assert.ok(!isLoaded(unit));
  await c.ok(["--systemd-cgroup", ...restoreArgs(c, bundle, "-d")]);
  const { pid } = await c.state();
  assert.equal(readFileSync(`/proc/${pid}/cgroup`, "utf8").trim(), `0::/system.slice/${unit}`);
  assert.deepEqual(properties(unit, "TasksMax", "ActiveState"), { TasksMax: "77", ActiveState: "active" });
  await c.ok(["delete", "-f", c.id]);
  assert.ok(!isLoaded(unit));
});

criu.test("a container with a user namespace is saved and restored", async (c) => {
  const bundle = counter(c, (config) => {
    setNamespace(config, "user");
    config.linux.uidMappings = mapping;
    config.linux.gidMappings = mapping;
  });
  chownTree(bundle.rootfs, base);
  const before = await saved(c, bundle);
  // They hold the container's memory: nobody else may have them.
  const { mode, gid } = statSync(`${c.directory}/images`);
  if (isTsrunc) assert.deepEqual([mode & 0o777, gid], [0o710, base]);
  await c.ok(restoreArgs(c, bundle, "-d"));
  await counts(bundle, before);
  const { pid } = await c.state();
  assert.match(readFileSync(`/proc/${pid}/uid_map`, "utf8"), new RegExp(`^\\s*0\\s+${base}\\s+65536\\s*$`));
});

criu.test("a paused container is saved, and runs when it is restored", async (c) => {
  const bundle = counter(c);
  await c.createAndStart(bundle);
  await counts(bundle);
  await c.ok(["pause", c.id]);
  await c.ok(["checkpoint", "--leave-running", "--image-path", `${c.directory}/first`, c.id]);
  assert.equal((await c.state()).status, "paused");
  await c.ok(["checkpoint", "--image-path", `${c.directory}/images`, c.id]);
  await isGone(c);
  await c.ok(restoreArgs(c, bundle, "-d"));
  assert.equal((await c.state()).status, "running");
  await counts(bundle, 1);
});

criu.test("a container with a cgroup namespace and a writable cgroup mount is saved and restored", async (c) => {
  const bundle = counter(c, (config) => {
    setNamespace(config, "cgroup");
    for (const mount of config.mounts) if (mount.type === "cgroup") mount.options = ["rw"];
  });
  const before = await saved(c, bundle);
  await c.ok(restoreArgs(c, bundle, "-d"));
  await counts(bundle, before);
});

criu.test("the first process and its descendants are saved, but not what exec has brought in", async (c) => {
  const bundle = counter(c, undefined, `sleep 1235 </dev/null >/dev/null 2>&1 & ${COUNT}`);
  await c.createAndStart(bundle);
  await counts(bundle);
  await c.ok(["exec", "-d", c.id, "sh", "-c", "exec sleep 4711 </dev/null >/dev/null 2>&1"]);
  const programs = async (): Promise<string[]> => (await c.ok(["ps", c.id])).stdout.match(/ sleep \d{4}$/gm) ?? [];
  await until("exec's program runs", async () => (await programs()).includes(" sleep 4711"));
  await c.ok(["checkpoint", "--image-path", `${c.directory}/images`, c.id]);
  await c.ok(restoreArgs(c, bundle, "-d"));
  assert.deepEqual(await programs(), [" sleep 1235"]);
});

if (isTsrunc) {
  criu.test("a mount that was added later is saved, and restored where config.json has it by then", async (c) => {
    const shared = `${c.directory}/shared`;
    mkdirSync(shared);
    const bundle = counter(c);
    await c.createAndStart(bundle);
    await counts(bundle);
    const mount = { destination: "/mnt", type: "bind", source: shared, options: ["bind", "rprivate"] };
    await c.ok(["mounts", "add", c.id, c.file("mounts.json", JSON.stringify([mount]))]);
    await c.ok(["checkpoint", "--image-path", `${c.directory}/images`, c.id]);
    await c.fails(restoreArgs(c, bundle, "-d"), /mnt/);
    const file = `${bundle.directory}/config.json`;
    const config = JSON.parse(readFileSync(file, "utf8")) as { mounts: unknown[] };
    config.mounts.push(mount);
    writeFileSync(file, JSON.stringify(config));
    await c.ok(restoreArgs(c, bundle, "-d"));
    writeFileSync(`${shared}/seen`, "yes");
    assert.equal((await c.ok(["exec", c.id, "cat", "/mnt/seen"])).stdout, "yes");
  });
}

criu.test("a pid namespace that the container joined is joined again", async (c) => {
  needCriu(c);
  const holder = await c.companion("unshare", ["--pid", "--fork", "--kill-child", "sh", "-c", "trap '' CHLD; echo up; exec sleep 1000"]);
  await c.printed(holder, "up");
  const path = `/proc/${holder.pid}/ns/pid_for_children`;
  const bundle = keeper(c, ["memory", "1"], (config) => setNamespace(config, "pid", path));
  await c.createAndStart(bundle);
  const before = await counts(bundle);
  const first = (await c.state()).pid;
  await c.ok(["checkpoint", "--image-path", `${c.directory}/images`, c.id]);
  await isReaped(first);
  await c.ok(restoreArgs(c, bundle, "-d"));
  await counts(bundle, before);
  const { pid } = await c.state();
  assert.equal(readlinkSync(`/proc/${pid}/ns/pid`), readlinkSync(path));
});

/** Waits until a pid of a program without children is free: a restore needs it, where the pid namespace is not a new one. */
function isReaped(pid: number): Promise<true> {
  return until(`process ${pid} is reaped`, () => !existsSync(`/proc/${pid}`) || undefined, 30);
}

criu.test("a container in the host's pid namespace is restored with its pids, and not where somebody else has them", async (c) => {
  const bundle = keeper(c, ["memory", "1"], (config) => withoutNamespaces(config, "pid"));
  await c.createAndStart(bundle);
  const { pid } = await c.state();
  await counts(bundle);
  await c.ok(["checkpoint", "--leave-running", "--image-path", `${c.directory}/images`, c.id]);
  await c.fails(["restore", "-d", "-b", bundle.directory, "--image-path", `${c.directory}/images`, c.otherId("second")], /criu failed/);
  await c.ok(["checkpoint", "--image-path", `${c.directory}/images`, c.id]);
  await isReaped(pid);
  await c.ok(restoreArgs(c, bundle, "-d"));
  assert.equal((await c.state()).pid, pid);
  await counts(bundle, await counts(bundle));
});

criu.test("a restored container is confined by its seccomp profile, and so is what exec brings in", async (c) => {
  const bundle = counter(c, (config) => {
    config.linux.seccomp = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["sethostname"], action: "SCMP_ACT_ERRNO", errnoRet: 99 }],
    };
  });
  await saved(c, bundle);
  await c.ok(restoreArgs(c, bundle, "-d"));
  const { pid } = await c.state();
  assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), /^Seccomp:\t2$/m);
  assert.equal((await c.ok(["exec", c.id, "grep", "Seccomp:", "/proc/self/status"])).stdout, "Seccomp:\t2\n");
  await c.ok(["delete", "-f", c.id]);
});

criu.test("a stopped container cannot be checkpointed", async (c) => {
  const bundle = counter(c);
  await c.createAndStart(bundle);
  await c.ok(["kill", c.id, "KILL"]);
  await c.status("stopped");
  await c.fails(["checkpoint", "--image-path", `${c.directory}/images`, c.id], /ontainer cannot be checkpointed in stopped state/);
});

criu.test("the error for a caller in a user namespace says that CRIU needs root of the host", async (c) => {
  const bundle = counter(c);
  await c.createAndStart(bundle);
  for (const args of [
    ["checkpoint", c.id],
    ["restore", "-b", bundle.directory, "other"],
  ]) {
    const result = spawnSync("unshare", ["--user", "--map-root-user", c.program, "--root", c.root, ...args], { encoding: "utf8" });
    assert.equal(result.status, 1);
    assert.match(result.stderr, /CRIU needs root of the host|rootless containers/);
  }
});
