/**
 * config.json's root, devices, masked and read-only paths (runtime-spec, config-linux.md), and what an image may hold to lead them
 * astray.
 */
import assert from "node:assert/strict";
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { test } from "./harness/suite.js";
import { isTsrunc } from "./harness/environment.js";
import { describe } from "./harness/execute.js";
import { mountAt, parseMountinfo } from "./harness/mountinfo.js";
import { mountOnHost, mountsOf } from "./harness/mounting.js";
import { setNamespace } from "./harness/config.js";
import { Terminal } from "./harness/terminal.js";
import type { Config } from "./harness/config.js";

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

for (const [propagation, expected] of [
  ["", []],
  ["private", []],
  ["rprivate", []],
  ["slave", []],
  ["rslave", []],
  ["shared", ["shared"]],
  ["rshared", ["shared"]],
  ["unbindable", ["unbindable"]],
  ["runbindable", ["unbindable"]],
] as const) {
  test(`rootfsPropagation "${propagation}" is that of the container's root`, async (c) => {
    const mounts = await mountsOf(c, (config) => {
      if (propagation !== "") config.linux.rootfsPropagation = propagation;
    });
    const kinds = mountAt(mounts, "/").propagation.map((field) => field.split(":")[0]);
    assert.deepEqual(
      kinds.filter((kind) => kind !== "master"),
      expected,
    );
  });
}

for (const propagation of ["shared", "slave", "private", "unbindable"]) {
  test(`rootfsPropagation "${propagation}" leaves the shared mounts of the host where they are`, async (c) => {
    const top = c.folder("shared");
    mountOnHost(c, "-t", "tmpfs", "top", top);
    mkdirSync(`${top}/below`);
    mountOnHost(c, "-t", "tmpfs", "below", `${top}/below`);
    assert.equal(spawnSync("mount", ["--make-rshared", top]).status, 0);
    const before = readFileSync("/proc/self/mountinfo", "utf8");
    await c.shell("true", (config) => (config.linux.rootfsPropagation = propagation));
    assert.equal(readFileSync("/proc/self/mountinfo", "utf8"), before);
  });
}

for (const [propagation, expected] of [
  ["", ["master"]],
  ["slave", ["master"]],
  ["rslave", ["master"]],
  ["private", []],
  ["rprivate", []],
] as const) {
  test(`with rootfsPropagation "${propagation}" the root of a shared rootfs ${expected.length > 0 ? "hears" : "does not hear"} of the host's mounts`, async (c) => {
    const bundle = c.bundle({
      args: ["sh", "-c", "cat /proc/self/mountinfo; echo end; read line; ls /place; mount -t tmpfs tmpfs /own && echo mounted"],
      config: ({ linux, process }) => {
        if (propagation !== "") linux.rootfsPropagation = propagation;
        const capabilities = ["CAP_SYS_ADMIN"];
        process.capabilities = { bounding: capabilities, effective: capabilities, permitted: capabilities };
      },
    });
    for (const name of ["place", "own"]) mkdirSync(`${bundle.rootfs}/${name}`);
    mountOnHost(c, "--bind", bundle.rootfs, bundle.rootfs);
    assert.equal(spawnSync("mount", ["--make-shared", bundle.rootfs]).status, 0);
    const input = `${c.directory}/input`;
    assert.equal(spawnSync("mkfifo", [input]).status, 0);
    c.deleteLater();
    const running = await c.startBelowShell(`exec "$@" <>${input}`, ["run", "-b", bundle.directory, c.id]);
    await c.printed(running, "end\n");
    const { propagation: fields } = mountAt(parseMountinfo(running.output().split("end")[0] ?? ""), "/");
    assert.deepEqual(
      fields.map((field) => field.split(":")[0]),
      expected,
    );
    mountOnHost(c, "-t", "tmpfs", "tmpfs", `${bundle.rootfs}/place`);
    writeFileSync(`${bundle.rootfs}/place/file`, "");
    const before = readFileSync("/proc/self/mountinfo", "utf8");
    writeFileSync(input, "\n");
    const result = await running.wait();
    assert.match(result.stdout, expected.length > 0 ? /end\nfile\nmounted\n$/ : /end\nmounted\n$/, describe(result));
    assert.equal(readFileSync("/proc/self/mountinfo", "utf8"), before);
  });
}

for (const [propagation, option, expected] of [
  ["rslave", "rshared", ["shared", "master"]],
  ["rslave", "rprivate", []],
  ["rprivate", "rshared", ["shared"]],
  ["rshared", "rslave", ["master"]],
  ["rshared", "rprivate", []],
  ["unbindable", "bind", ["shared"]],
  ["unbindable", "rslave", ["master"]],
] as const) {
  test(`with rootfsPropagation "${propagation}" a shared source is bound with ${option} as without`, async (c) => {
    const source = c.folder("source");
    mountOnHost(c, "-t", "tmpfs", "tmpfs", source);
    assert.equal(spawnSync("mount", ["--make-shared", source]).status, 0);
    const mounts = await mountsOf(c, (config) => {
      config.linux.rootfsPropagation = propagation;
      config.mounts.push({ destination: "/data", type: "bind", source, options: ["rbind", option] });
    });
    assert.deepEqual(
      mountAt(mounts, "/data").propagation.map((field) => field.split(":")[0]),
      expected,
    );
  });
}

test("the default devices and links are in /dev", async (c) => {
  const seen = await c.shell(
    "cd /dev; for f in null zero full random urandom tty; do stat -c '%n %a %F %t:%T %u:%g' $f; done; for l in fd stdin stdout stderr ptmx core; do echo $l $(readlink $l); done",
  );
  const lines = seen.split("\n");
  const [nothing, zero, full, random, urandom, tty] = ["1:3", "1:5", "1:7", "1:8", "1:9", "5:0"].map(
    (number) => `666 character special file ${number} 0:0`,
  );
  assert.deepEqual(lines.slice(0, 6), [
    `null ${nothing}`,
    `zero ${zero}`,
    `full ${full}`,
    `random ${random}`,
    `urandom ${urandom}`,
    `tty ${tty}`,
  ]);
  assert.deepEqual(lines.slice(6, 11), [
    "fd /proc/self/fd",
    "stdin /proc/self/fd/0",
    "stdout /proc/self/fd/1",
    "stderr /proc/self/fd/2",
    "ptmx pts/ptmx",
  ]);
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
  assert.equal(
    seen,
    "/dev/mynull 640 character special file 1:3 12:34\n/dev/sub/block 600 block special file 7:fa 0:6\n/dev/pipe 622 fifo 0:0 1:2",
  );
});

test("the mode of a device may tell its type (podman)", async (c) => {
  const seen = await c.shell("stat -c '%a %F' /dev/mynull /dev/block /dev/pipe", (config) => {
    config.linux.devices = [
      { type: "c", path: "/dev/mynull", major: 1, minor: 3, fileMode: 0o020640, uid: 0, gid: 0 },
      { type: "b", path: "/dev/block", major: 7, minor: 250, fileMode: 0o060600, uid: 0, gid: 0 },
      { type: "p", path: "/dev/pipe", fileMode: 0o010622, uid: 0, gid: 0 },
    ];
  });
  assert.equal(seen, "640 character special file\n600 block special file\n622 fifo");
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
    args: [
      "sh",
      "-c",
      "wc -c </secret; ls -A /folder | wc -l; touch /folder/x 2>&1; echo x 2>/dev/null >/secret; cat /proc/keys | wc -c; ls -A /proc/acpi 2>/dev/null | wc -l",
    ],
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

test("what is masked below a read-only path stays masked, in mounts of the container too", async (c) => {
  const source = c.folder("source");
  writeFileSync(`${source}/secret`, "secret");
  const seen = await c.shell(
    "wc -c </data/secret; wc -c </folder/data/secret; touch /data/x /folder/x /folder/data/x 2>&1; true",
    (config) => {
      for (const destination of ["/data", "/folder/data"]) config.mounts.push({ destination, type: "bind", source, options: ["bind"] });
      config.linux.readonlyPaths = ["/data", "/folder", "/folder/data"];
      config.linux.maskedPaths = ["/data/secret", "/folder/data/secret"];
    },
  );
  assert.match(seen, /^0\n0\n(.*Read-only file system\n?){3}$/);
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

test("a mount on a link that leads nowhere yet makes the file that it leads to, within the rootfs", async (c) => {
  const source = c.file("source", "content\n");
  for (const links of [
    { "etc/target": "../run/resolve/target" },
    { "etc/target": "beside" },
    { "etc/target": "/run/first", "run/first": "second", "run/second": "../var/third" },
    { "etc/target": `../../../../..${c.directory}/escaped` },
  ]) {
    const bundle = c.bundle({
      args: ["cat", "/etc/target"],
      config: (config) => config.mounts.push({ destination: "/etc/target", type: "bind", source, options: ["bind"] }),
    });
    for (const [link, target] of Object.entries(links)) symlinkSync(target, `${bundle.rootfs}/${link}`);
    assert.equal((await c.run(bundle)).stdout, "content\n", JSON.stringify(links));
  }
  assert.ok(!existsSync(`${c.directory}/escaped`));
});

test("a mount on a link to itself is refused", async (c) => {
  const bundle = c.bundle({
    config: (config) => config.mounts.push({ destination: "/etc/target", type: "bind", source: c.file("source", ""), options: ["bind"] }),
  });
  symlinkSync("target", `${bundle.rootfs}/etc/target`);
  await c.fails(["create", "-b", bundle.directory, c.id], /too many levels of symbolic links/);
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
    assert.match(
      result.stderr,
      isTsrunc ? new RegExp(`"/proc" is a symbolic link to "${target}"`) : /must be mounted on ordinary directory/,
    );
  }
});

test("/sys as a symlink is refused", async (c) => {
  const bundle = c.bundle({ args: ["true"] });
  rmSync(`${bundle.rootfs}/sys`, { recursive: true });
  symlinkSync("/tmp", `${bundle.rootfs}/sys`);
  const result = await c.run(bundle);
  assert.equal(result.status, 1, describe(result));
  assert.match(result.stderr, isTsrunc ? /"\/sys" is a symbolic link to "\/tmp"/ : /must be mounted on ordinary directory/);
});

test("an error about a symbolic link that is not followed names it", async (c) => {
  const cases: { name: string; target: string; config: (config: Config) => void; other: RegExp }[] = [
    {
      name: "links",
      target: "/tmp",
      config: (config) => config.mounts.push({ destination: "/links/proc", type: "proc", source: "proc" }),
      other: /links\/proc/,
    },
    {
      name: "circle",
      target: "circle",
      config: (config) => config.mounts.push({ destination: "/circle/place", type: "tmpfs", source: "tmpfs" }),
      other: /too many (levels of symbolic )?links/,
    },
  ];
  for (const { name, target, config, other } of cases) {
    const bundle = c.bundle({ config });
    rmSync(`${bundle.rootfs}/${name}`, { recursive: true, force: true });
    symlinkSync(target, `${bundle.rootfs}/${name}`);
    await c.fails(["create", "-b", bundle.directory, c.id], isTsrunc ? new RegExp(`"/${name}" is a symbolic link to "${target}"`) : other);
  }
});

test("an error about a masked file names the symbolic link on the way to /dev/null", async (c) => {
  const bundle = c.bundle({
    config: (config) => {
      config.mounts = config.mounts.filter(({ destination }) => !destination.startsWith("/dev"));
      config.linux.maskedPaths = ["/etc/passwd"];
    },
  });
  rmSync(`${bundle.rootfs}/dev`, { recursive: true });
  symlinkSync("/tmp", `${bundle.rootfs}/dev`);
  await c.fails(["create", "-b", bundle.directory, c.id], /open "\/dev\/null" for maskedPaths: .*"\/dev" is a symbolic link to "\/tmp"/);
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

/** Without a file system of the container's own on /dev, as an image may be run. */
function withImagesDev(config: Config): void {
  config.mounts = config.mounts.filter(({ destination }) => destination !== "/dev");
}

// runc 1.1 hangs.
if (isTsrunc)
  test("a terminal does not cover what a /dev/console of the image leads to", async (c) => {
    for (const target of ["/etc/passwd", "/proc/keys", "/does/not/exist"]) {
      const bundle = c.bundle({
        args: ["sh", "-c", "stat -c %F /dev/console /etc/passwd /proc/keys"],
        config: (config) => {
          withImagesDev(config);
          config.process.terminal = true;
        },
      });
      symlinkSync(target, `${bundle.rootfs}/dev/console`);
      const terminal = new Terminal(c, c.program, ["--root", c.root, "run", "-b", bundle.directory, c.id]);
      assert.equal(await terminal.end(), "exited 1", terminal.output);
      assert.match(terminal.output, /make file "\/dev\/console" in the rootfs: a symbolic link is there/);
    }
  });

test("/dev/ptmx is the link to the container's own devpts, also if linux.devices names it", async (c) => {
  const seen = await c.shell("readlink /dev/ptmx; stat -L -c '%t:%T %u %a' /dev/ptmx", (config) => {
    config.linux.devices = [{ path: "/dev/ptmx", type: "c", major: 1, minor: 3, uid: 5, fileMode: 0o600 }];
  });
  assert.equal(seen, "pts/ptmx\n5:2 0 666");
});

test("a /dev/ptmx of the image that leads elsewhere is replaced", async (c) => {
  const bundle = c.bundle({ args: ["readlink", "/dev/ptmx"], config: withImagesDev });
  symlinkSync("/etc/passwd", `${bundle.rootfs}/dev/ptmx`);
  const result = await c.run(bundle);
  assert.equal(result.stdout, "pts/ptmx\n", describe(result));
});

test("the standard links of an image's own /dev are replaced where they lead elsewhere, and its files stay", async (c) => {
  const bundle = c.bundle({
    args: ["sh", "-c", "cd /dev; for link in fd stdin stdout stderr; do readlink $link; done; cat ptmx"],
    config: withImagesDev,
  });
  for (const name of ["fd", "stdin", "stdout"]) symlinkSync("/etc/passwd", `${bundle.rootfs}/dev/${name}`);
  writeFileSync(`${bundle.rootfs}/dev/ptmx`, "a file\n");
  const result = await c.run(bundle);
  assert.equal(result.stdout, "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\na file\n", describe(result));
});

// runc 1.1 takes the link, and hangs in a user namespace.
for (const mapped of isTsrunc ? [false, true] : []) {
  test(`a default device that is a link of the image is refused${mapped ? " in a user namespace" : ""}`, async (c) => {
    for (const target of ["/etc/passwd", "/does/not/exist"]) {
      const bundle = c.bundle({
        config: (config) => {
          withImagesDev(config);
          if (!mapped) return;
          setNamespace(config, "user");
          config.linux.uidMappings = [{ containerID: 0, hostID: 0, size: 65536 }];
          config.linux.gidMappings = config.linux.uidMappings;
        },
      });
      symlinkSync(target, `${bundle.rootfs}/dev/null`);
      await c.fails(
        ["create", "-b", bundle.directory, c.id],
        mapped ? /a symbolic link is there/ : /make device "\/dev\/null": another file is there/,
      );
    }
  });
}

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
