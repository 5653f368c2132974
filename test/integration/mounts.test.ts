/**
 * config.json's mounts: file systems, binds, options and propagation (runtime-spec, config.md#mounts).
 */
import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { spawnSync } from "node:child_process";
import { test } from "./harness/suite.js";
import { isTsrunc } from "./harness/environment.js";
import { setNamespace } from "./harness/config.js";
import { describe } from "./harness/execute.js";
import { mountAt } from "./harness/mountinfo.js";
import { mountOnHost, mountsOf } from "./harness/mounting.js";
import type { Config, Mount } from "./harness/config.js";
import type { Bundle, Context } from "./harness/context.js";
import type { MountRecord } from "./harness/mountinfo.js";

/** mountinfo of the mount on /target. */
async function mountOf(c: Context, mount: Omit<Mount, "destination">): Promise<MountRecord> {
  return mountAt(await mountsOf(c, (config) => config.mounts.push({ destination: "/target", ...mount })), "/target");
}

test("the default mounts are those of the config, in its order", async (c) => {
  const mounts = await mountsOf(c, () => undefined);
  const seen = mounts.map(({ target }) => target);
  const expected = ["/", "/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"];
  assert.deepEqual(
    seen.filter((target) => expected.includes(target)),
    expected,
  );
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
  const tmpfs = await mountOf(c, {
    type: "tmpfs",
    source: "name-of-source",
    options: ["size=1m", "mode=0710", "uid=5", "nr_inodes=100", "nosuid"],
  });
  for (const option of ["size=1024k", "mode=710", "uid=5", "nr_inodes=100"])
    assert.ok(tmpfs.superOptions.includes(option), tmpfs.superOptions.join());
  assert.equal(tmpfs.source, "name-of-source");
});

test("options that are a new file system's default are taken", async (c) => {
  const options = ["defaults", "async", "nomand", "nolazytime", "loud", "silent", "symfollow", "diratime", "norelatime", "nostrictatime"];
  const tmpfs = await mountOf(c, {
    type: "tmpfs",
    source: "tmpfs",
    options: [...options, "iversion", "noiversion", "atime", "rw", "exec", "suid", "dev"],
  });
  assert.deepEqual(tmpfs.options, ["rw", "relatime"]);
});

for (const option of ["sync", "dirsync", "lazytime", "mand"]) {
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

test("tmpcopyup keeps owners, modes, times, nodes and FIFOs, of the folder itself too", async (c) => {
  const bundle = c.bundle({
    args: ["sh", "-c", "stat -c '%n %a %u:%g %Y %F' /data /data/*; cat /data/note"],
    config: (config) => config.mounts.push({ destination: "/data", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", "nodev"] }),
  });
  const data = `${bundle.rootfs}/data`;
  mkdirSync(data);
  writeFileSync(`${data}/note`, "text\n");
  for (const [name, type] of [
    ["null", "c"],
    ["pipe", "p"],
  ] as const)
    assert.equal(spawnSync("mknod", [`${data}/${name}`, type, ...(type === "c" ? ["1", "3"] : [])]).status, 0);
  chownSync(`${data}/note`, 5, 6);
  chmodSync(`${data}/note`, 0o4755);
  for (const name of ["note", "null", "pipe", ""]) utimesSync(`${data}/${name}`, 1000, 2000);
  chownSync(data, 1000, 1000);
  chmodSync(data, 0o1755);
  utimesSync(data, 1000, 3000);
  assert.equal(
    (await c.run(bundle)).stdout,
    `/data 1755 1000:1000 3000 directory
/data/note 4755 5:6 2000 regular file
/data/null 644 0:0 2000 character special file
/data/pipe 644 0:0 2000 fifo
text
`,
  );
});

test("tmpcopyup leads no further than the folder, is bounded by the tmpfs and may be read-only", async (c) => {
  const secret = c.folder("secret");
  writeFileSync(`${secret}/key`, "of the host");
  const prepare = (options: string[]): Bundle => {
    const bundle = c.bundle({
      args: ["sh", "-c", "ls -R /data; cat /data/link/key 2>&1; touch /data/new 2>&1; true"],
      config: (config) => config.mounts.push({ destination: "/data", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", ...options] }),
    });
    mkdirSync(`${bundle.rootfs}/data`);
    symlinkSync(secret, `${bundle.rootfs}/data/link`);
    return bundle;
  };
  const seen = await c.run(prepare(["ro"]));
  assert.match(seen.stdout, /^\/data:\nlink\n.*key': No such file.*\n.*Read-only file system\n$/, describe(seen));
  const full = prepare(["size=64k"]);
  writeFileSync(`${full.rootfs}/data/big`, Buffer.alloc(1 << 20));
  await c.fails(["create", "-b", full.directory, c.id], isTsrunc ? /copy "big": ENOSPC/ : /no space left on device/);
});

test("an error of tmpcopyup names the folder itself by a dot", async (c) => {
  const bundle = c.bundle({
    config: (config) => {
      config.mounts.push({ destination: "/data", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] });
      setNamespace(config, "user");
      config.linux.uidMappings = config.linux.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
    },
  });
  mkdirSync(`${bundle.rootfs}/data`, { mode: 0o700 });
  await c.fails(["create", "-b", bundle.directory, c.id], isTsrunc ? /copy "\.": EACCES/ : /permission denied/);
});

test("tmpcopyup of a folder that is not there makes an empty tmpfs", async (c) => {
  const seen = await c.shell("ls -A /new/place; stat -c %a /new/place", (config) =>
    config.mounts.push({ destination: "/new/place", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] }),
  );
  assert.equal(seen, "1777");
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
  const mounts = await mountsOf(c, (config) =>
    config.mounts.push({ destination: "/target", type: "bind", source, options: ["rbind", "ro"] }),
  );
  assert.ok(mountAt(mounts, "/target").options.includes("ro"));
  assert.ok(mountAt(mounts, "/target/sub").options.includes("rw"));
});

for (const [option, plain] of [
  ["rro", "ro"],
  ["rnosuid", "nosuid"],
  ["rnodev", "nodev"],
  ["rnoexec", "noexec"],
  ["rnoatime", "noatime"],
  ["rnodiratime", "nodiratime"],
  ["rrelatime", "relatime"],
  ["rnosymfollow", "nosymfollow"],
] as const) {
  test(`${option} sets ${plain} on the whole tree`, async (c) => {
    const source = nested(c);
    const mounts = await mountsOf(c, (config) =>
      config.mounts.push({ destination: "/target", type: "bind", source, options: ["rbind", option] }),
    );
    for (const target of ["/target", "/target/sub"])
      assert.ok(mountAt(mounts, target).options.includes(plain), mountAt(mounts, target).options.join());
  });
}

test("rstrictatime and rrw clear on the whole tree", async (c) => {
  const source = c.folder("source");
  mountOnHost(c, "-t", "tmpfs", "-o", "ro", "tmpfs", source);
  const mounts = await mountsOf(c, (config) =>
    config.mounts.push({ destination: "/target", type: "bind", source, options: ["rbind", "rrw", "rstrictatime"] }),
  );
  const { options } = mountAt(mounts, "/target");
  assert.ok(options.includes("rw") && !options.includes("relatime"), options.join());
});

for (const [option, expected] of [
  ["private", []],
  ["rprivate", []],
  ["shared", ["shared"]],
  ["rshared", ["shared"]],
  ["slave", ["master"]],
  ["rslave", ["master"]],
  ["unbindable", ["unbindable"]],
  ["runbindable", ["unbindable"]],
] as const) {
  test(`a bind with ${option} has that propagation`, async (c) => {
    const source = nested(c);
    spawnSync("mount", ["--make-rshared", source]);
    const mounts = await mountsOf(c, (config) =>
      config.mounts.push({ destination: "/target", type: "bind", source, options: ["rbind", option] }),
    );
    const kinds = (target: string): string[] => mountAt(mounts, target).propagation.map((field) => field.split(":")[0] ?? "");
    const top = kinds("/target").filter((kind) => kind !== "master" || expected.includes("master" as never));
    assert.deepEqual(top, expected);
    if (option.startsWith("r")) {
      assert.deepEqual(
        kinds("/target/sub").filter((kind) => kind !== "master" || expected.includes("master" as never)),
        expected,
      );
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

test("with rslave, mounts of the host reach the container and not the other way round", async (c) => {
  const source = c.folder("shared");
  mountOnHost(c, "-t", "tmpfs", "tmpfs", source);
  spawnSync("mount", ["--make-shared", source]);
  mkdirSync(`${source}/host`);
  mkdirSync(`${source}/container`);
  const bundle = c.bundle({
    args: [
      "sh",
      "-c",
      "mount -t tmpfs tmpfs /target/container; touch /target/container/inner; echo up; while ! [ -e /target/host/mark ]; do sleep 0.02; done; echo seen",
    ],
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
    const bundle = c.bundle({
      config: (config) => config.mounts.push({ destination: `/proc/${name}`, type: "bind", source, options: ["bind"] }),
    });
    await c.fails(["create", "-b", bundle.directory, c.id], /proc/);
  }
});

test("a mount source with odd letters works", async (c) => {
  const source = `${c.directory}/so urce ä "'\\ \n x`;
  mkdirSync(source);
  writeFileSync(`${source}/f`, "odd");
  assert.equal(
    await c.shell("cat '/tar get/f'", (config) => config.mounts.push({ destination: "/tar get", type: "bind", source, options: ["bind"] })),
    "odd",
  );
});

test("a hundred mounts work", async (c) => {
  const source = c.folder("source");
  const mounts = await mountsOf(c, (config) => {
    for (let number = 0; number < 100; number++)
      config.mounts.push({ destination: `/many/${number}`, type: "bind", source, options: ["bind", "ro"] });
  });
  assert.equal(mounts.filter(({ target }) => target.startsWith("/many/")).length, 100);
});

test("an overlay is mounted by the container's own mount entry", async (c) => {
  const [lower, upper, work] = [c.folder("lower"), c.folder("upper"), c.folder("work")];
  writeFileSync(`${lower}/below`, "below");
  const seen = await c.shell("cat /target/below; echo new >/target/above", (config) =>
    config.mounts.push({
      destination: "/target",
      type: "overlay",
      source: "overlay",
      options: [`lowerdir=${lower}`, `upperdir=${upper}`, `workdir=${work}`],
    }),
  );
  assert.equal(seen, "below");
  assert.equal(readFileSync(`${upper}/above`, "utf8"), "new\n");
  // overlayfs makes its own folder in workdir with mode 0.
  rmSync(`${work}/work`, { recursive: true, force: true });
});
