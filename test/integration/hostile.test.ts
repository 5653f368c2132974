/**
 * What a hostile container, image or neighbour tries. Each test is a way that once led out of the container, killed
 * somebody else's processes or held the runtime up.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, symlinkSync, writeFileSync } from "node:fs";
import { test } from "./harness/suite.js";
import { describe, until } from "./harness/execute.js";
import { hierarchyOf, mountPointOf } from "./harness/cgroups.js";
import { setNamespace } from "./harness/config.js";
import type { Config } from "./harness/config.js";
import { isTsrunc, slowness } from "./harness/environment.js";
import type { Context } from "./harness/context.js";

const pids = mountPointOf("pids");

/** A process of somebody else in a cgroup. */
async function foreigner(c: Context, cgroup: string): Promise<number> {
  const sleeper = await c.companion("/bin/sleep", ["100"]);
  writeFileSync(`${cgroup}/cgroup.procs`, String(sleeper.pid));
  return sleeper.pid;
}

/** Gives a user namespace, in which the container's root may mount; sysfs would need a network namespace of the same owner. */
function mountsInUserNamespace(config: Config): void {
  setNamespace(config, "user");
  config.linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
  config.linux.gidMappings = config.linux.uidMappings;
  config.process.capabilities = { bounding: ["CAP_SYS_ADMIN"], effective: ["CAP_SYS_ADMIN"], permitted: ["CAP_SYS_ADMIN"] };
  config.mounts = config.mounts.filter(({ destination }) => !destination.startsWith("/sys"));
}

function lives(pid: number): boolean {
  return existsSync(`/proc/${pid}/cmdline`) && spawnSync("kill", ["-0", String(pid)]).status === 0;
}

test("a cgroup with others' processes below it is refused, and they live on", async (c) => {
  const directory = `${pids}/${c.id}-manager`;
  mkdirSync(`${directory}/foreign`, { recursive: true });
  c.defer(() => {
    rmdirSync(`${directory}/foreign`);
    rmdirSync(directory);
  });
  const pid = await foreigner(c, `${directory}/foreign`);
  const bundle = c.bundle({ config: (config) => (config.linux.cgroupsPath = `/${c.id}-manager`) });
  await c.fails(["create", "-b", bundle.directory, c.id], /not empty/);
  assert.ok(lives(pid));
});

test("delete of a stopped container leaves one alive that uses its cgroup now", async (c) => {
  const second = c.otherId("second");
  const shared = { config: (config: { linux: { cgroupsPath?: string } }) => (config.linux.cgroupsPath = `/${c.id}-shared`) };
  await c.create(c.bundle(shared));
  process.kill((await c.state()).pid, "SIGKILL");
  await c.status("stopped");
  await c.createAndStart(c.bundle({ args: ["probe", "wait"], ...shared }), [], { id: second });
  await c.ok(["delete", c.id]);
  assert.equal((await c.state(second)).status, "running");
});

test("delete of one whose create was killed leaves a container alive that uses its cgroup now", async (c) => {
  const second = c.otherId("second");
  const config = (config: Config): void => void (config.linux.cgroupsPath = `/${c.id}-shared`);
  const killer = c.file("killer", "#!/bin/sh\nkill -9 $PPID\n", 0o755);
  const killed = c.bundle({
    config: (spec) => {
      config(spec);
      spec.hooks = { createRuntime: [{ path: killer }] };
    },
  });
  c.deleteLater();
  assert.equal((await c.runtime(["create", "-b", killed.directory, c.id])).signal, "SIGKILL");
  await c.createAndStart(c.bundle({ args: ["probe", "wait"], config }), [], { id: second });
  await c.ok(["delete", "--force", c.id]);
  assert.equal((await c.state(second)).status, "running");
});

for (const [what, make] of [
  ["a FIFO", ["mkfifo"]],
  ["an endless device", ["ln", "-s", "/dev/zero"]],
] as const) {
  test(`a passwd that is ${what} does not hold create up`, async (c) => {
    const bundle = c.bundle({ args: ["sh", "-c", "echo $HOME"], config: (config) => (config.process.env = ["PATH=/bin"]) });
    const passwd = `${bundle.rootfs}/etc/passwd`;
    spawnSync("rm", ["-f", passwd]);
    assert.equal(spawnSync(make[0], [...make.slice(1), passwd]).status, 0);
    const result = await c.run(bundle, [], { timeoutSeconds: 5 });
    assert.equal(result.stdout, "/\n", describe(result));
  });
}

test("a stopped init does not hold state and delete up", async (c) => {
  await c.create(c.bundle());
  await c.ok(["kill", c.id, "STOP"]);
  for (let call = 0; call < 12; call++) assert.equal((await c.state()).status, "created");
  await c.ok(["delete", "-f", c.id], { timeoutSeconds: 5 });
});

test("delete -f ends a container that is frozen", async (c) => {
  await c.createAndStart(c.bundle({ args: ["probe", "wait"], config: (config) => (config.linux.cgroupsPath = `/${c.id}-ice`) }));
  const [file, frozen, thawed] = hierarchyOf("freezer") ? ["freezer.state", "FROZEN", "THAWED"] : ["cgroup.freeze", "1", "0"];
  const state = `${mountPointOf("freezer")}/${c.id}-ice/${file}`;
  c.defer(() => {
    if (existsSync(state)) writeFileSync(state, thawed);
  });
  writeFileSync(state, frozen);
  await c.ok(["delete", "-f", c.id], { timeoutSeconds: 5 });
});

/** Who freezes an init again and again: nobody, a process of the container or one outside of it. */
type Freezer = "nobody" | "a process of the container" | "a process outside of it";

/** A container whose init is frozen in a cgroup below its own. Returns its pid. */
async function freezesItself(c: Context, again: Freezer): Promise<number> {
  const refreezes = again !== "nobody";
  const own = `/${c.id}-ice`;
  await c.createAndStart(
    c.bundle({ args: ["sh", "-c", "sleep 1000 & exec probe wait"], config: (config) => (config.linux.cgroupsPath = own) }),
  );
  const top = `${mountPointOf("freezer")}${own}`;
  const { pid } = await c.state();
  const nested = `${top}/nested/deeper`;
  mkdirSync(nested, { recursive: true });
  writeFileSync(`${nested}/cgroup.procs`, String(pid));
  const [file, frozen, thawed] = hierarchyOf("freezer") ? ["freezer.state", "FROZEN", "THAWED"] : ["cgroup.freeze", "1", "0"];
  c.defer(() => {
    if (existsSync(nested)) writeFileSync(`${nested}/${file}`, thawed);
  });
  const freeze = `echo ${frozen} >${nested}/${file}`;
  const script = refreezes ? `while ${freeze}; do :; done` : freeze;
  const freezer = await c.companion("/bin/sh", ["-c", `exec 2>/dev/null; ${script}`]);
  if (again === "a process of the container") writeFileSync(`${top}/cgroup.procs`, String(freezer.pid));
  if (!refreezes) await freezer.wait();
  if (hierarchyOf("freezer"))
    await until("the init is frozen", () => readFileSync(`${nested}/${file}`, "utf8") === "FROZEN\n" || refreezes);
  return pid;
}

for (const again of ["nobody", "a process of the container", "a process outside of it"] as const) {
  const kind = again === "nobody" ? "is frozen below its own cgroup" : `is frozen below its own cgroup again and again by ${again}`;
  test(`delete -f ends a container whose init ${kind}`, async (c) => {
    const pid = await freezesItself(c, again);
    const begin = Date.now();
    await c.ok(["delete", "-f", c.id]);
    assert.ok(Date.now() - begin < 3000 * slowness, `took ${Date.now() - begin} ms`);
    assert.ok(!lives(pid));
  });
}

test("kill KILL ends a container that is frozen, also one that is frozen below its own cgroup", async (c) => {
  for (const nested of [false, true]) {
    if (nested) {
      await freezesItself(c, "nobody");
    } else {
      await c.createAndStart(c.bundle({ config: (config) => (config.linux.cgroupsPath = `/${c.id}-ice`) }));
      const [file, frozen] = hierarchyOf("freezer") ? ["freezer.state", "FROZEN"] : ["cgroup.freeze", "1"];
      writeFileSync(`${mountPointOf("freezer")}/${c.id}-ice/${file}`, frozen);
    }
    await c.ok(["kill", c.id, "KILL"]);
    await c.status("stopped");
    await c.ok(["delete", c.id]);
  }
});

test("delete removes cgroups whatever names the container gave them", async (c) => {
  await c.create(c.bundle({ config: (config) => (config.linux.cgroupsPath = `/${c.id}-names`) }));
  mkdirSync(Buffer.concat([Buffer.from(`${pids}/${c.id}-names/`), Buffer.from([0xff])]));
  await c.ok(["delete", "-f", c.id]);
  assert.ok(!existsSync(`${pids}/${c.id}-names`));
});

test("start fails when the init dies before the program runs", async (c) => {
  const bundle = c.bundle({ config: (config) => (config.hooks = { startContainer: [{ path: "/bin/sleep", args: ["sleep", "30"] }] }) });
  await c.create(bundle);
  const { pid } = await c.state();
  const starting = await c.startRuntime(["start", c.id]);
  await until("the hook runs", () => spawnSync("pgrep", ["-P", String(pid)]).status === 0);
  process.kill(pid, "SIGKILL");
  const result = await starting.wait();
  assert.equal(result.status, 1, describe(result));
  assert.match(result.stderr, /killed before/);
});

test("the hostname of a joined namespace that is the caller's own is refused", async (c) => {
  const bundle = c.bundle({ config: (config) => setNamespace(config, "uts", "/proc/self/ns/uts") });
  await c.fails(["create", "-b", bundle.directory, c.id], /the uts namespace is the caller's own/);
});

test("a user namespace keeps the locks of the host's mounts: a read-only source stays read-only", async (c) => {
  const source = c.folder("source");
  spawnSync("chmod", ["0777", source]);
  assert.equal(spawnSync("mount", ["--bind", source, source]).status, 0);
  c.defer(() => spawnSync("umount", [source]));
  assert.equal(spawnSync("mount", ["-o", "remount,bind,ro", source]).status, 0);
  const bundle = c.bundle({
    args: ["sh", "-c", "mount -o remount,bind,rw /data; touch /data/escaped; echo done"],
    config: (config) => {
      mountsInUserNamespace(config);
      config.mounts.push({ destination: "/data", type: "bind", source, options: ["bind"] });
    },
  });
  mkdirSync(`${bundle.rootfs}/data`);
  const result = await c.run(bundle);
  assert.match(result.stdout, /done/, describe(result));
  assert.ok(!existsSync(`${source}/escaped`));
});

for (const recursive of [false, true]) {
  const option = recursive ? "rbind" : "bind";
  test(`a ${option} with mapped owners keeps the locks of the host's mounts`, async (c) => {
    const source = c.folder("source");
    mkdirSync(`${source}/hidden`);
    writeFileSync(`${source}/hidden/secret`, "");
    spawnSync("chmod", ["-R", "0777", source]);
    const mount = (...args: string[]): void => {
      assert.equal(spawnSync("mount", args).status, 0);
      c.defer(() => spawnSync("umount", [args.at(-1) as string]));
    };
    mount("--bind", source, source);
    if (recursive) mount("-t", "tmpfs", "tmpfs", `${source}/hidden`);
    assert.equal(spawnSync("mount", ["-o", "remount,bind,ro", source]).status, 0);
    const bundle = c.bundle({
      args: ["sh", "-c", "mount -o remount,bind,rw /data; touch /data/escaped; umount -l /data/hidden; ls /data/hidden; stat -c %u /data"],
      config: (config) => {
        mountsInUserNamespace(config);
        config.mounts.push({ destination: "/data", type: "bind", source, options: [option, "idmap"] });
      },
    });
    mkdirSync(`${bundle.rootfs}/data`);
    const result = await c.run(bundle);
    assert.equal(result.stdout, recursive ? "0\n" : "secret\n0\n", describe(result));
    assert.ok(!existsSync(`${source}/escaped`));
  });
}

test("a bind with mapped owners does not uncover what the host's mounts hide", async (c) => {
  const source = c.folder("source");
  mkdirSync(`${source}/hidden`);
  assert.equal(spawnSync("mount", ["-t", "tmpfs", "tmpfs", `${source}/hidden`]).status, 0);
  c.defer(() => spawnSync("umount", [`${source}/hidden`]));
  const bundle = c.bundle({
    config: (config) => {
      setNamespace(config, "user");
      config.linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
      config.linux.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
      config.mounts.push({ destination: "/data", type: "bind", source, options: ["bind", "idmap"] });
    },
  });
  await c.fails(["create", "-b", bundle.directory, c.id], /what is mounted below stays on top/);
});

test("a state root without space is an error, and nothing is left in it", async (c) => {
  const root = c.folder("root");
  const bundle = c.bundle();
  for (const size of ["nr_inodes=2", "nr_inodes=3", "nr_inodes=4", "size=4k"]) {
    assert.equal(spawnSync("mount", ["-t", "tmpfs", "-o", `${size},mode=0700`, "tmpfs", root]).status, 0);
    c.defer(() => spawnSync("umount", ["-q", root]));
    const pidFile = `${c.directory}/pid`;
    const result = await c.runtime(["--root", root, "create", "-b", bundle.directory, "--pid-file", pidFile, c.id]);
    assert.equal(result.status, 1, describe(result));
    assert.match(result.stderr, /no space left on device/i);
    assert.deepEqual(readdirSync(root), [], size);
    assert.ok(!existsSync(pidFile), size);
    assert.equal(spawnSync("umount", [root]).status, 0);
  }
});

test("a limit on the size of files is an error that leaves nothing", async (c) => {
  const { directory } = c.bundle();
  for (const blocks of [0, 1]) {
    // The test reads what is said from a file, which has that limit too.
    const limited = await c.startBelowShell(`(ulimit -f ${blocks}; "$@" 2>&1; echo "status $?") | cat`, ["create", "-b", directory, c.id]);
    const { stdout } = await limited.wait();
    assert.match(stdout, isTsrunc ? /: EFBIG\b.*file too large.*\nstatus 1\n$/ : /\nstatus 1\n$/);
    assert.deepEqual(existsSync(c.root) ? readdirSync(c.root) : [], []);
  }
});

for (const [target, message] of [
  ["/proc", /it leads into \/proc/],
  ["/", /it leads to \//],
] as const) {
  test(`a copy of what a link to ${target} leads to is refused before anything is read`, async (c) => {
    const bundle = c.bundle({
      config: (config) => config.mounts.push({ destination: "/data", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", "size=1m"] }),
    });
    symlinkSync(target, `${bundle.rootfs}/data`);
    await c.fails(["create", "-b", bundle.directory, c.id], message);
  });
}

for (const [how, link, mount] of [
  ["a link", "/", { type: "tmpfs", source: "tmpfs", options: [] }],
  ["a relative link", "..", { type: "bind", source: "/usr", options: ["bind"] }],
] as const) {
  test(`a mount that ${how} leads onto the rootfs itself is refused: it would be hidden, or hide everything`, async (c) => {
    const config = ({ mounts }: Config): void => void mounts.push({ ...mount, options: [...mount.options], destination: "/data" });
    const bundle = c.bundle({ config });
    symlinkSync(link, `${bundle.rootfs}/data`);
    await c.fails(
      ["create", "-b", bundle.directory, c.id],
      isTsrunc ? /\/mounts\/7\): open "\/data" in the rootfs: it leads to \/\n/ : /error mounting/,
    );
  });
}

test("a mount that a link leads elsewhere in the rootfs is made there", async (c) => {
  const bundle = c.bundle({
    args: ["sh", "-c", "stat -f -c %T /place; ls -A /data"],
    config: (config) => config.mounts.push({ destination: "/data/below", type: "tmpfs", source: "tmpfs" }),
  });
  mkdirSync(`${bundle.rootfs}/place`);
  symlinkSync("/place", `${bundle.rootfs}/data`);
  const { stdout } = await c.run(bundle);
  assert.match(stdout, /\nbelow\n$/);
});
