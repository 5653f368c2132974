/**
 * config.json's mounts, root, devices, masked and read-only paths, and the attacks on them (runtime-spec, config.md#mounts).
 */
import assert from "node:assert/strict";
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { test } from "./harness/suite.ts";
import { describe } from "./harness/execute.ts";
import { mountAt, parseMountinfo } from "./harness/mountinfo.ts";
import type { Config, Mount } from "./harness/config.ts";
import type { Context } from "./harness/context.ts";
import type { MountRecord } from "./harness/mountinfo.ts";

/** mountinfo inside a container with `config`. */
async function mountsOf(c: Context, config: (config: Config) => void): Promise<MountRecord[]> {
  return parseMountinfo(await c.output({ args: ["cat", "/proc/self/mountinfo"], config }));
}

/** mountinfo of the mount on /target. */
async function mountOf(c: Context, mount: Omit<Mount, "destination">): Promise<MountRecord> {
  return mountAt(await mountsOf(c, (config) => config.mounts.push({ destination: "/target", ...mount })), "/target");
}

/** Mounts something on the tests' own mount namespace for the time of a test. */
function mountOnHost(c: Context, ...args: string[]): void {
  const result = spawnSync("mount", args, { encoding: "utf8" });
  assert.equal(result.status, 0, `mount ${args.join(" ")}: ${result.stderr}`);
  const target = args.at(-1) ?? "";
  c.defer(() => assert.equal(spawnSync("umount", ["-l", target]).status, 0));
}

test("the default mounts are those of the config, in its order", async (c) => {
  const mounts = await mountsOf(c, () => undefined);
  const seen = mounts.map(({ target }) => target);
  const expected = ["/", "/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"];
  assert.deepEqual(seen.filter((target) => expected.includes(target)), expected);
  assert.equal(mountAt(mounts, "/proc").type, "proc");
  assert.equal(mountAt(mounts, "/dev").type, "tmpfs");
  assert.ok(mountAt(mounts, "/dev").superOptions.includes("size=65536k"));
  assert.ok(mountAt(mounts, "/dev").options.includes("nosuid"));
  assert.ok(!mountAt(mounts, "/dev").options.includes("relatime"), "strictatime");
  assert.equal(mountAt(mounts, "/dev/pts").type, "devpts");
  assert.ok(mountAt(mounts, "/dev/pts").superOptions.includes("ptmxmode=666"));
  assert.ok(mountAt(mounts, "/sys").options.includes("ro"));
});

test("nothing of the host's mounts is left in the container", async (c) => {
  const mounts = await mountsOf(c, () => undefined);
  const allowed = /^\/($|proc(\/|$)|dev(\/|$)|sys(\/|$))/;
  for (const { target } of mounts) assert.match(target, allowed);
  assert.equal(mounts.filter(({ target }) => target === "/").length, 1);
});

for (const option of ["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime"]) {
  test(`a tmpfs and a bind take ${option}`, async (c) => {
    const source = c.folder("source");
    const tmpfs = await mountOf(c, { type: "tmpfs", source: "tmpfs", options: [option] });
    assert.equal(tmpfs.type, "tmpfs");
    assert.ok(tmpfs.options.includes(option), tmpfs.options.join());
    const bind = await mountOf(c, { type: "bind", source, options: ["bind", option] });
    assert.ok(bind.options.includes(option), bind.options.join());
    assert.equal(bind.root, source);
  });
}

test("a bind takes strictatime and nosymfollow", async (c) => {
  const source = c.folder("source");
  const strict = await mountOf(c, { type: "bind", source, options: ["bind", "strictatime"] });
  assert.ok(!strict.options.includes("relatime") && !strict.options.includes("noatime"), strict.options.join());
  const nosymfollow = await mountOf(c, { type: "bind", source, options: ["bind", "nosymfollow"] });
  assert.ok(nosymfollow.options.includes("nosymfollow"), nosymfollow.options.join());
});

test("of contradicting options the last one counts", async (c) => {
  const source = c.folder("source");
  const bind = await mountOf(c, { type: "bind", source, options: ["bind", "ro", "nosuid", "noexec", "rw", "suid", "exec", "dev"] });
  for (const option of ["ro", "nosuid", "noexec", "nodev"]) assert.ok(!bind.options.includes(option), bind.options.join());
  const tmpfs = await mountOf(c, { type: "tmpfs", source: "tmpfs", options: ["rw", "ro", "exec", "noexec", "noexec", "exec"] });
  assert.ok(tmpfs.options.includes("ro") && !tmpfs.options.includes("noexec"), tmpfs.options.join());
});

test("file system options reach the file system", async (c) => {
  const tmpfs = await mountOf(c, { type: "tmpfs", source: "name-of-source", options: ["size=1m", "mode=0710", "uid=5", "nr_inodes=100", "nosuid"] });
  for (const option of ["size=1024k", "mode=710", "uid=5", "nr_inodes=100"]) assert.ok(tmpfs.superOptions.includes(option), tmpfs.superOptions.join());
  assert.equal(tmpfs.source, "name-of-source");
});

for (const option of ["sync", "dirsync", "lazytime"]) {
  test(`${option} is set on the file system`, async (c) => {
    const tmpfs = await mountOf(c, { type: "tmpfs", source: "tmpfs", options: [option] });
    assert.ok(tmpfs.superOptions.includes(option), tmpfs.superOptions.join());
  });
}

test("a bind without other options keeps those of its source", async (c) => {
  const source = c.folder("source");
  mountOnHost(c, "-t", "tmpfs", "-o", "nosuid,nodev,noexec", "tmpfs", source);
  const bind = await mountOf(c, { type: "bind", source, options: ["bind"] });
  for (const option of ["nosuid", "nodev", "noexec"]) assert.ok(bind.options.includes(option), bind.options.join());
});

test("a bind shows the source, writable and both ways", async (c) => {
  const source = c.folder("source");
  writeFileSync(`${source}/in`, "from the host");
  const seen = await c.shell("cat /target/in; echo 'from the container' >/target/out", (config) =>
    config.mounts.push({ destination: "/target", type: "bind", source, options: ["bind"] }),
  );
  assert.equal(seen, "from the host");
  assert.equal(readFileSync(`${source}/out`, "utf8"), "from the container\n");
});

test("a read-only bind refuses writes", async (c) => {
  const source = c.folder("source");
  const seen = await c.shell("touch /target/x 2>&1; true", (config) =>
    config.mounts.push({ destination: "/target", type: "bind", source, options: ["bind", "ro"] }),
  );
  assert.match(seen, /Read-only file system/);
});

test("a bind needs no type", async (c) => {
  const source = c.folder("source");
  writeFileSync(`${source}/f`, "x");
  for (const mount of [{ options: ["rbind"] }, { type: "none", options: ["bind"] }] satisfies Omit<Mount, "destination">[]) {
    assert.equal(await c.shell("cat /target/f", (config) => config.mounts.push({ destination: "/target", source, ...mount })), "x");
  }
});

test("a file is bound on a file, which is made where it is missing", async (c) => {
  const source = c.file("source", "content\n");
  const bundle = c.bundle({
    args: ["sh", "-c", "cat /etc/new/file; cat /etc/passwd; ls -l /etc/new"],
    config: (config) => {
      config.mounts.push({ destination: "/etc/new/file", type: "bind", source, options: ["bind", "ro"] });
      config.mounts.push({ destination: "/etc/passwd", type: "bind", source, options: ["bind", "ro"] });
    },
  });
  const result = await c.run(bundle);
  assert.match(result.stdout, /^content\ncontent\n/, describe(result));
  assert.ok(statSync(`${bundle.rootfs}/etc/new/file`).isFile());
  assert.equal(statSync(`${bundle.rootfs}/etc/new/file`).size, 0);
});

test("a relative bind source is relative to the bundle", async (c) => {
  const bundle = c.bundle({
    args: ["cat", "/target/f"],
    config: (config) => config.mounts.push({ destination: "/target", type: "bind", source: "data", options: ["bind"] }),
  });
  mkdirSync(`${bundle.directory}/data`);
  writeFileSync(`${bundle.directory}/data/f`, "relative\n");
  assert.equal((await c.run(bundle)).stdout, "relative\n");
});

test("a relative destination is below /", async (c) => {
  const mounts = await mountsOf(c, (config) => config.mounts.push({ destination: "below/root", type: "tmpfs", source: "tmpfs" }));
  assert.equal(mountAt(mounts, "/below/root").type, "tmpfs");
});

test("mount points that are missing are made, with mode 0755", async (c) => {
  const bundle = c.bundle({
    args: ["true"],
    config: (config) => config.mounts.push({ destination: "/a/b/c", type: "tmpfs", source: "tmpfs" }),
  });
  assert.equal((await c.run(bundle)).status, 0);
  for (const path of ["a", "a/b", "a/b/c"]) assert.equal(statSync(`${bundle.rootfs}/${path}`).mode & 0o7777, 0o755, path);
});

test("a tmpfs takes over the mode of the folder below it", async (c) => {
  const bundle = c.bundle({
    args: ["stat", "-c", "%a", "/private", "/tmp"],
    config: (config) => {
      config.mounts.push({ destination: "/private", type: "tmpfs", source: "tmpfs" });
      config.mounts.push({ destination: "/tmp", type: "tmpfs", source: "tmpfs" });
    },
  });
  mkdirSync(`${bundle.rootfs}/private`, { mode: 0o710 });
  assert.equal((await c.run(bundle)).stdout, "710\n1777\n");
});

test("tmpcopyup copies what was there into the tmpfs", async (c) => {
  const bundle = c.bundle({
    args: ["sh", "-c", "cat /data/file /data/sub/deep; readlink /data/link; stat -c '%a %u' /data/file; echo new >/data/file"],
    config: (config) => config.mounts.push({ destination: "/data", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] }),
  });
  mkdirSync(`${bundle.rootfs}/data/sub`, { recursive: true });
  writeFileSync(`${bundle.rootfs}/data/file`, "one\n", { mode: 0o640 });
  writeFileSync(`${bundle.rootfs}/data/sub/deep`, "two\n");
  symlinkSync("/nowhere", `${bundle.rootfs}/data/link`);
  const result = await c.run(bundle);
  assert.equal(result.stdout, "one\ntwo\n/nowhere\n640 0\n", describe(result));
  assert.equal(readFileSync(`${bundle.rootfs}/data/file`, "utf8"), "one\n");
});

test("later mounts lie over earlier ones", async (c) => {
  const [first, second] = [c.folder("first"), c.folder("second")];
  writeFileSync(`${first}/f`, "first");
  writeFileSync(`${second}/f`, "second");
  const seen = await c.shell("cat /target/f", (config) => {
    config.mounts.push({ destination: "/target", type: "bind", source: first, options: ["bind"] });
    config.mounts.push({ destination: "/target", type: "bind", source: second, options: ["bind"] });
  });
  assert.equal(seen, "second");
});

/** A folder on the host with another mount below it. */
function nested(c: Context): string {
  const source = c.folder("source");
  mountOnHost(c, "-t", "tmpfs", "tmpfs", source);
  mkdirSync(`${source}/sub`);
  mountOnHost(c, "-t", "tmpfs", "tmpfs", `${source}/sub`);
  return source;
}

test("rbind takes the mounts below along, bind does not", async (c) => {
  const source = nested(c);
  const recursive = await mountsOf(c, (config) => config.mounts.push({ destination: "/target", type: "bind", source, options: ["rbind"] }));
  assert.equal(mountAt(recursive, "/target/sub").type, "tmpfs");
  const single = await mountsOf(c, (config) => config.mounts.push({ destination: "/target", type: "bind", source, options: ["bind"] }));
  assert.ok(!single.some(({ target }) => target === "/target/sub"));
});

test("rbind with ro makes only the top read-only", async (c) => {
  const source = nested(c);
  const mounts = await mountsOf(c, (config) => config.mounts.push({ destination: "/target", type: "bind", source, options: ["rbind", "ro"] }));
  assert.ok(mountAt(mounts, "/target").options.includes("ro"));
  assert.ok(mountAt(mounts, "/target/sub").options.includes("rw"));
});

for (const [option, plain] of [["rro", "ro"], ["rnosuid", "nosuid"], ["rnodev", "nodev"], ["rnoexec", "noexec"], ["rnoatime", "noatime"], ["rnodiratime", "nodiratime"], ["rrelatime", "relatime"], ["rnosymfollow", "nosymfollow"]] as const) {
  test(`${option} sets ${plain} on the whole tree`, async (c) => {
    const source = nested(c);
    const mounts = await mountsOf(c, (config) => config.mounts.push({ destination: "/target", type: "bind", source, options: ["rbind", option] }));
    for (const target of ["/target", "/target/sub"]) assert.ok(mountAt(mounts, target).options.includes(plain), mountAt(mounts, target).options.join());
  });
}

test("rstrictatime and rrw clear on the whole tree", async (c) => {
  const source = c.folder("source");
  mountOnHost(c, "-t", "tmpfs", "-o", "ro", "tmpfs", source);
  const mounts = await mountsOf(c, (config) => config.mounts.push({ destination: "/target", type: "bind", source, options: ["rbind", "rrw", "rstrictatime"] }));
  const { options } = mountAt(mounts, "/target");
  assert.ok(options.includes("rw") && !options.includes("relatime"), options.join());
});

for (const [option, expected] of [["private", []], ["rprivate", []], ["shared", ["shared"]], ["rshared", ["shared"]], ["slave", ["master"]], ["rslave", ["master"]], ["unbindable", ["unbindable"]], ["runbindable", ["unbindable"]]] as const) {
  test(`a bind with ${option} has that propagation`, async (c) => {
    const source = nested(c);
    spawnSync("mount", ["--make-rshared", source]);
    const mounts = await mountsOf(c, (config) => config.mounts.push({ destination: "/target", type: "bind", source, options: ["rbind", option] }));
    const kinds = (target: string): string[] => mountAt(mounts, target).propagation.map((field) => field.split(":")[0] ?? "");
    const top = kinds("/target").filter((kind) => kind !== "master" || expected.includes("master" as never));
    assert.deepEqual(top, expected);
    if (option.startsWith("r")) {
      assert.deepEqual(kinds("/target/sub").filter((kind) => kind !== "master" || expected.includes("master" as never)), expected);
    }
  });
}

test("proc, sysfs, mqueue, devpts, tmpfs and cgroup are mounted", async (c) => {
  const mounts = await mountsOf(c, () => undefined);
  const types = new Map(mounts.map(({ target, type }) => [target, type]));
  assert.equal(types.get("/proc"), "proc");
  assert.equal(types.get("/sys"), "sysfs");
  assert.equal(types.get("/dev/mqueue"), "mqueue");
  assert.equal(types.get("/dev/pts"), "devpts");
  assert.equal(types.get("/dev/shm"), "tmpfs");
  assert.match(types.get("/sys/fs/cgroup") ?? "", /^(tmpfs|cgroup2)$/);
});

test("a cgroup mount shows the controllers of the host, read-only, at the container's own cgroup", async (c) => {
  const mounts = await mountsOf(c, () => undefined);
  if (mountAt(mounts, "/sys/fs/cgroup").type === "cgroup2") {
    assert.ok(mountAt(mounts, "/sys/fs/cgroup").options.includes("ro"));
    return;
  }
  for (const controller of ["memory", "cpu", "pids", "devices"]) {
    const mount = mountAt(mounts, `/sys/fs/cgroup/${controller}`);
    assert.equal(mount.type, "cgroup");
    assert.ok(mount.options.includes("ro"));
    assert.ok(mount.root.endsWith(c.id), mount.root);
  }
  assert.ok(mountAt(mounts, "/sys/fs/cgroup").options.includes("ro"));
});

test("the root is read-only when the config says so, and its mounts are not", async (c) => {
  const seen = await c.shell("touch /x 2>&1; touch /dev/shm/x && echo written", (config) => (config.root.readonly = true));
  assert.match(seen, /Read-only file system/);
  assert.match(seen, /written/);
});

test("a read-only root keeps the options of the mount that it is", async (c) => {
  const bundle = c.bundle({ args: ["cat", "/proc/self/mountinfo"], config: (config) => (config.root.readonly = true) });
  mountOnHost(c, "--bind", bundle.rootfs, bundle.rootfs);
  assert.equal(spawnSync("mount", ["-o", "remount,bind,nosuid,nodev", bundle.rootfs]).status, 0);
  const result = await c.run(bundle);
  const { options } = mountAt(parseMountinfo(result.stdout), "/");
  for (const option of ["ro", "nosuid", "nodev"]) assert.ok(options.includes(option), options.join());
});

for (const [propagation, expected] of [["", []], ["private", []], ["rprivate", []], ["slave", []], ["rslave", []], ["shared", ["shared"]], ["rshared", ["shared"]], ["unbindable", ["unbindable"]], ["runbindable", ["unbindable"]]] as const) {
  test(`rootfsPropagation "${propagation}" is that of the container's root`, async (c) => {
    const mounts = await mountsOf(c, (config) => {
      if (propagation !== "") config.linux.rootfsPropagation = propagation;
    });
    const kinds = mountAt(mounts, "/").propagation.map((field) => field.split(":")[0]);
    assert.deepEqual(kinds.filter((kind) => kind !== "master"), expected);
  });
}

test("with rslave, mounts of the host reach the container and not the other way round", async (c) => {
  const source = c.folder("shared");
  mountOnHost(c, "-t", "tmpfs", "tmpfs", source);
  spawnSync("mount", ["--make-shared", source]);
  mkdirSync(`${source}/host`);
  mkdirSync(`${source}/container`);
  const bundle = c.bundle({
    args: ["sh", "-c", "mount -t tmpfs tmpfs /target/container; touch /target/container/inner; echo up; while ! [ -e /target/host/mark ]; do sleep 0.02; done; echo seen"],
    config: (config) => {
      config.linux.rootfsPropagation = "rslave";
      config.mounts.push({ destination: "/target", type: "bind", source, options: ["rbind", "rslave"] });
      config.process.capabilities = { bounding: ["CAP_SYS_ADMIN"], permitted: ["CAP_SYS_ADMIN"], effective: ["CAP_SYS_ADMIN"] };
    },
  });
  const started = await c.createAndStart(bundle);
  await c.printed(started, "up");
  assert.deepEqual(readdirSync(`${source}/container`), []);
  mountOnHost(c, "-t", "tmpfs", "tmpfs", `${source}/host`);
  writeFileSync(`${source}/host/mark`, "");
  await c.printed(started, "seen");
  await c.status("stopped");
});

test("with rshared, mounts of the container reach the host", async (c) => {
  const source = c.folder("shared");
  mountOnHost(c, "-t", "tmpfs", "tmpfs", source);
  spawnSync("mount", ["--make-shared", source]);
  mkdirSync(`${source}/inner`);
  const seen = await c.shell("mount -t tmpfs tmpfs /target/inner && touch /target/inner/mark && echo done", (config) => {
    config.linux.rootfsPropagation = "rshared";
    config.mounts.push({ destination: "/target", type: "bind", source, options: ["rbind", "rshared"] });
    config.process.capabilities = { bounding: ["CAP_SYS_ADMIN"], permitted: ["CAP_SYS_ADMIN"], effective: ["CAP_SYS_ADMIN"] };
  });
  assert.equal(seen, "done");
  assert.deepEqual(readdirSync(`${source}/inner`), ["mark"]);
  assert.equal(spawnSync("umount", [`${source}/inner`]).status, 0);
});

test("the default devices and links are in /dev", async (c) => {
  const seen = await c.shell(
    "cd /dev; for f in null zero full random urandom tty; do stat -c '%n %a %F %t:%T %u:%g' $f; done; for l in fd stdin stdout stderr ptmx core; do echo $l $(readlink $l); done",
  );
  const lines = seen.split("\n");
  const [nothing, zero, full, random, urandom, tty] = ["1:3", "1:5", "1:7", "1:8", "1:9", "5:0"].map((number) => `666 character special file ${number} 0:0`);
  assert.deepEqual(lines.slice(0, 6), [`null ${nothing}`, `zero ${zero}`, `full ${full}`, `random ${random}`, `urandom ${urandom}`, `tty ${tty}`]);
  assert.deepEqual(lines.slice(6, 11), ["fd /proc/self/fd", "stdin /proc/self/fd/0", "stdout /proc/self/fd/1", "stderr /proc/self/fd/2", "ptmx pts/ptmx"]);
  assert.match(lines[11] ?? "", /^core( \/proc\/kcore)?$/);
});

test("devices of the config are made with type, numbers, mode and owner", async (c) => {
  const seen = await c.shell("stat -c '%n %a %F %t:%T %u:%g' /dev/mynull /dev/sub/block /dev/pipe", (config) => {
    config.linux.devices = [
      { type: "c", path: "/dev/mynull", major: 1, minor: 3, fileMode: 0o640, uid: 12, gid: 34 },
      { type: "b", path: "/dev/sub/block", major: 7, minor: 250, fileMode: 0o600, uid: 0, gid: 6 },
      { type: "p", path: "/dev/pipe", fileMode: 0o622, uid: 1, gid: 2 },
    ];
  });
  assert.equal(seen, "/dev/mynull 640 character special file 1:3 12:34\n/dev/sub/block 600 block special file 7:fa 0:6\n/dev/pipe 622 fifo 0:0 1:2");
});

test("a device of type u is a character device", async (c) => {
  const seen = await c.shell("stat -c '%n %a %F %t:%T' /dev/u", (config) => {
    config.linux.devices = [{ type: "u", path: "/dev/u", major: 1, minor: 5, fileMode: 0o666 }];
  });
  assert.equal(seen, "/dev/u 666 character special file 1:5");
});

test("a default device that the config names as well works", async (c) => {
  const seen = await c.shell("stat -c '%n %a %F %t:%T' /dev/null; echo x >/dev/null && echo works", (config) => {
    config.linux.devices = [{ type: "c", path: "/dev/null", major: 1, minor: 3, fileMode: 0o622 }];
  });
  assert.equal(seen, "/dev/null 622 character special file 1:3\nworks");
});

test("masked files read empty, masked folders are empty and read-only", async (c) => {
  const bundle = c.bundle({
    args: ["sh", "-c", "wc -c </secret; ls -A /folder | wc -l; touch /folder/x 2>&1; echo x 2>/dev/null >/secret; cat /proc/keys | wc -c; ls -A /proc/acpi 2>/dev/null | wc -l"],
    config: (config) => config.linux.maskedPaths?.push("/secret", "/folder", "/does/not/exist"),
  });
  writeFileSync(`${bundle.rootfs}/secret`, "secret");
  mkdirSync(`${bundle.rootfs}/folder`);
  writeFileSync(`${bundle.rootfs}/folder/secret`, "secret");
  const result = await c.run(bundle);
  const lines = result.stdout.trim().split("\n");
  assert.deepEqual([lines[0], lines[1], lines[3], lines[4]], ["0", "0", "0", "0"], describe(result));
  assert.match(lines[2] ?? "", /Read-only file system/);
  assert.equal(readFileSync(`${bundle.rootfs}/secret`, "utf8"), "secret");
});

test("read-only paths refuse writes and keep their content", async (c) => {
  const bundle = c.bundle({
    args: ["sh", "-c", "cat /data/file; touch /data/x 2>&1; echo 1 2>&1 >/proc/sys/kernel/panic; ls /proc/sys/kernel/panic"],
    config: (config) => config.linux.readonlyPaths?.push("/data", "/does/not/exist"),
  });
  mkdirSync(`${bundle.rootfs}/data`);
  writeFileSync(`${bundle.rootfs}/data/file`, "content\n");
  const result = await c.run(bundle);
  assert.match(result.stdout, /^content\n.*Read-only file system\n/, describe(result));
  assert.match(result.stdout + result.stderr, /panic: Read-only file system/);
  assert.match(result.stdout, /\/proc\/sys\/kernel\/panic\n$/);
});

test("read-only paths keep nosuid, nodev and noexec of what they lie on", async (c) => {
  const mounts = await mountsOf(c, (config) => {
    config.mounts.push({ destination: "/target", type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev", "noexec"] });
    config.linux.readonlyPaths = ["/target"];
  });
  const { options } = mountAt(mounts, "/target");
  for (const option of ["ro", "nosuid", "nodev", "noexec"]) assert.ok(options.includes(option), options.join());
});

test("--no-pivot works and leaves nothing of the host visible", async (c) => {
  const bundle = c.bundle({ args: ["sh", "-c", "cat /proc/self/mountinfo; ls /"] });
  const result = await c.run(bundle, ["--no-pivot"]);
  assert.equal(result.status, 0, describe(result));
  assert.match(result.stdout, /^bin$/m);
});

test("mounts over parts of /proc are allowed for what LXCFS and the like cover, and for nothing else", async (c) => {
  const source = c.file("cpuinfo", "a fake\n");
  for (const name of ["cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo"]) {
    const bind = (config: Config): unknown => config.mounts.push({ destination: `/proc/${name}`, type: "bind", source, options: ["bind"] });
    assert.equal(await c.shell(`cat /proc/${name}`, (config) => void bind(config)), "a fake", name);
  }
  for (const name of ["version", "sys/kernel/panic", "self/attr/exec"]) {
    const bundle = c.bundle({ config: (config) => config.mounts.push({ destination: `/proc/${name}`, type: "bind", source, options: ["bind"] }) });
    await c.fails(["create", "-b", bundle.directory, c.id], /proc/);
  }
});

test("a mount source with odd letters works", async (c) => {
  const source = `${c.directory}/so urce ä "'\\ \n x`;
  mkdirSync(source);
  writeFileSync(`${source}/f`, "odd");
  assert.equal(await c.shell("cat '/tar get/f'", (config) => config.mounts.push({ destination: "/tar get", type: "bind", source, options: ["bind"] })), "odd");
});

test("a hundred mounts work", async (c) => {
  const source = c.folder("source");
  const mounts = await mountsOf(c, (config) => {
    for (let number = 0; number < 100; number++) config.mounts.push({ destination: `/many/${number}`, type: "bind", source, options: ["bind", "ro"] });
  });
  assert.equal(mounts.filter(({ target }) => target.startsWith("/many/")).length, 100);
});

test("an overlay is mounted by the container's own mount entry", async (c) => {
  const [lower, upper, work] = [c.folder("lower"), c.folder("upper"), c.folder("work")];
  writeFileSync(`${lower}/below`, "below");
  const seen = await c.shell("cat /target/below; echo new >/target/above", (config) =>
    config.mounts.push({ destination: "/target", type: "overlay", source: "overlay", options: [`lowerdir=${lower}`, `upperdir=${upper}`, `workdir=${work}`] }),
  );
  assert.equal(seen, "below");
  assert.equal(readFileSync(`${upper}/above`, "utf8"), "new\n");
  // overlayfs makes its own folder in workdir with mode 0.
  rmSync(`${work}/work`, { recursive: true, force: true });
});

// ---- attacks: what the image holds must never move a mount, a device or a file out of the rootfs ----

test("a mount target that is a symlink stays within the rootfs (CVE-2021-30465)", async (c) => {
  const [host, source] = [c.folder("host"), c.folder("source")];
  writeFileSync(`${source}/mark`, "x");
  const bundle = c.bundle({
    args: ["sh", "-c", "cat /link/mark && grep -c mark /proc/self/mountinfo; true"],
    config: (config) => config.mounts.push({ destination: "/link", type: "bind", source, options: ["bind"] }),
  });
  symlinkSync(host, `${bundle.rootfs}/link`);
  const result = await c.run(bundle);
  assert.match(result.stdout, /^x/, describe(result));
  assert.deepEqual(readdirSync(host), []);
  assert.ok(existsSync(`${bundle.rootfs}${host}`), "the symlink is followed as if the rootfs were /");
});

test("a mount target with .. and symlinks on its way stays within the rootfs", async (c) => {
  const host = c.folder("host");
  const bundle = c.bundle({
    args: ["true"],
    config: (config) => {
      config.mounts.push({ destination: "/up/made/here", type: "tmpfs", source: "tmpfs" });
      config.mounts.push({ destination: "/../../../../escaped", type: "tmpfs", source: "tmpfs" });
    },
  });
  symlinkSync(`../../../../../../../../..${host}`, `${bundle.rootfs}/up`);
  const result = await c.run(bundle);
  assert.equal(result.status, 0, describe(result));
  assert.deepEqual(readdirSync(host), []);
  assert.equal(existsSync("/escaped"), false);
});

test("/proc as a symlink or as a folder of the image is refused or real (CVE-2019-16884)", async (c) => {
  for (const target of ["/fake", "/sys", "/tmp"]) {
    const bundle = c.bundle({ args: ["grep", "-c", "proc", "/proc/self/mountinfo"] });
    mkdirSync(`${bundle.rootfs}/fake`, { recursive: true });
    rmSync(`${bundle.rootfs}/proc`, { recursive: true });
    symlinkSync(target, `${bundle.rootfs}/proc`);
    const result = await c.run(bundle);
    assert.equal(result.status, 1, describe(result));
    assert.match(result.stderr, /proc/);
  }
});

test("/sys as a symlink is refused", async (c) => {
  const bundle = c.bundle({ args: ["true"] });
  rmSync(`${bundle.rootfs}/sys`, { recursive: true });
  symlinkSync("/tmp", `${bundle.rootfs}/sys`);
  const result = await c.run(bundle);
  assert.equal(result.status, 1, describe(result));
  assert.match(result.stderr, /sys/);
});

test("/dev as a symlink makes no device outside the rootfs (CVE-2026-41579)", async (c) => {
  for (const mounted of [true, false]) {
    const host = c.folder("host");
    const bundle = c.bundle({
      args: ["true"],
      config: (config) => {
        if (!mounted) config.mounts = config.mounts.filter(({ destination }) => !destination.startsWith("/dev"));
      },
    });
    rmSync(`${bundle.rootfs}/dev`, { recursive: true });
    symlinkSync(host, `${bundle.rootfs}/dev`);
    await c.run(bundle); // either refused, or done below the rootfs
    assert.deepEqual(readdirSync(host), []);
  }
});

test("/dev/ptmx, /dev/console and the links of an image's own /dev do not lead outside", async (c) => {
  const host = c.file("victim", "untouched");
  const bundle = c.bundle({
    args: ["true"],
    config: (config) => (config.mounts = config.mounts.filter(({ destination }) => destination !== "/dev")),
  });
  for (const name of ["ptmx", "null", "fd", "console"]) symlinkSync(host, `${bundle.rootfs}/dev/${name}`);
  await c.run(bundle);
  assert.equal(readFileSync(host, "utf8"), "untouched");
  assert.ok(lstatSync(host).isFile());
});

test("an image's false /dev/null does not unmask what is masked (CVE-2025-31133)", async (c) => {
  const bundle = c.bundle({
    args: ["cat", "/masked"],
    config: (config) => {
      config.mounts = config.mounts.filter(({ destination }) => !destination.startsWith("/dev"));
      config.linux.maskedPaths = ["/masked"];
    },
  });
  writeFileSync(`${bundle.rootfs}/shown`, "shown");
  writeFileSync(`${bundle.rootfs}/masked`, "masked");
  symlinkSync("/shown", `${bundle.rootfs}/dev/null`);
  const result = await c.run(bundle);
  assert.equal(result.stdout, "", describe(result));
});

test("a masked path that is a symlink masks within the container only", async (c) => {
  const host = c.file("victim", "untouched");
  const bundle = c.bundle({
    args: ["sh", "-c", "wc -c </inside"],
    config: (config) => (config.linux.maskedPaths = ["/out", "/in"]),
  });
  writeFileSync(`${bundle.rootfs}/inside`, "12345");
  symlinkSync(host, `${bundle.rootfs}/out`);
  symlinkSync("/inside", `${bundle.rootfs}/in`);
  const result = await c.run(bundle);
  assert.equal(result.stdout.trim(), "0", describe(result));
  assert.equal(readFileSync(host, "utf8"), "untouched");
});

test("a mount target that is swapped with a symlink while it is made never lands on the host (CVE-2024-45310)", async (c) => {
  const [host, source] = [c.folder("host"), c.folder("source")];
  const bundle = c.bundle({
    args: ["true"],
    config: (config) => {
      for (const name of ["a", "b", "c"]) {
        config.mounts.push({ destination: `/race/${name}/deep/er`, type: "bind", source, options: ["bind"] });
        config.mounts.push({ destination: `/race/file-${name}`, type: "bind", source: "/etc/hostname", options: ["bind"] });
      }
    },
  });
  mkdirSync(`${bundle.rootfs}/race`);
  symlinkSync(host, `${bundle.rootfs}/other`);
  await c.helper("swap", [`${bundle.rootfs}/race`, `${bundle.rootfs}/other`]);
  for (let round = 0; round < 25; round++) {
    await c.runtime(["run", "-b", bundle.directory, c.otherId(String(round))]);
    assert.deepEqual(readdirSync(host), []);
  }
});

test("a rootfs that is a symlink is refused or resolved, never left", async (c) => {
  const bundle = c.bundle({ args: ["true"] });
  await (await c.spawn("/bin/mv", [bundle.rootfs, `${bundle.directory}/real`])).wait();
  symlinkSync("real", bundle.rootfs);
  await c.fails(["create", "-b", bundle.directory, c.id], /symlink/);
});
