/**
 * An attacker who sees the rootfs by another mount exchanges directories of it while a container is created, also those that are mounted
 * on. Whatever the runtime does below a mount of its own must happen in that mount, wherever it went.
 */
import assert from "node:assert/strict";
import { lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { test } from "./harness/suite.js";
import { binaries } from "./harness/environment.js";
import { describe } from "./harness/execute.js";
import { setNamespace } from "./harness/config.js";
import { Terminal } from "./harness/terminal.js";
import type { Config } from "./harness/config.js";
import type { Bundle, Context } from "./harness/context.js";

/** Where what was at `name` in the rootfs is after the exchange. */
const away = "/away";

interface Attack {
  args: string[];
  config?: (config: Config) => void;
}

/** A bundle with a directory to exchange with another one. */
function victim(c: Context, name: string, attack: Attack): Bundle {
  const bundle = c.bundle(attack);
  mkdirSync(`${bundle.rootfs}/${name}`, { recursive: true });
  mkdirSync(`${bundle.rootfs}${away}`);
  return bundle;
}

/** Exchanges `name` in the rootfs after all mounts and devices are made: in a createRuntime hook. */
function exchangedByHook(c: Context, name: string, { args, config }: Attack): Bundle {
  const bundle = victim(c, name, {
    args,
    config: (spec) => {
      config?.(spec);
      const hook = c.file(
        "exchange",
        `#!/bin/sh\nexec ${binaries}/swap --once "$(cat ${c.directory}/rootfs)/${name}" "$(cat ${c.directory}/rootfs)${away}"\n`,
        0o755,
      );
      spec.hooks = { createRuntime: [{ path: hook, env: ["PATH=/bin:/usr/bin"] }] };
    },
  });
  c.file("rootfs", bundle.rootfs);
  return bundle;
}

/** A mount that reads a file when it is made: the moment of an attack. */
function mountThatReads({ mounts }: Config): void {
  mounts.push({ destination: "/moment", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] });
}

/** Exchanges `name` in the rootfs while the mount `mountThatReads` is made. */
async function exchangedWhileMounting(c: Context, name: string, attack: Attack): Promise<Bundle> {
  const bundle = victim(c, name, attack);
  mkdirSync(`${bundle.rootfs}/moment`);
  writeFileSync(`${bundle.rootfs}/moment/file`, "content");
  const swap = await c.helper("swap", [
    "--when-opened",
    `${bundle.rootfs}/moment/file`,
    `${bundle.rootfs}/${name}`,
    `${bundle.rootfs}${away}`,
  ]);
  await c.printed(swap, "ready");
  return bundle;
}

/** A line for the shell: says whether a file can be opened for writing. */
const tries = (file: string): string => `if (: >>${file}) 2>/dev/null; then echo ${file} is writable; else echo ${file} is not; fi`;

test("masked and read-only paths in an exchanged /proc stay masked and read-only", async (c) => {
  const bundle = exchangedByHook(c, "proc", {
    args: ["sh", "-c", `wc -c <${away}/timer_list; ls -A ${away}/acpi; ${tries(`${away}/sys/kernel/core_pattern`)}; ls -A /proc`],
    config: ({ linux }) => {
      linux.maskedPaths = ["/proc/timer_list", "/proc/acpi", "/proc/does-not-exist"];
      linux.readonlyPaths = ["/proc/sys"];
    },
  });
  const result = await c.run(bundle);
  assert.equal(result.stdout, `0\n${away}/sys/kernel/core_pattern is not\n`, describe(result));
});

test("a bind is masked and read-only below a directory that was exchanged, by the name in the configuration and by that of links", async (c) => {
  const source = c.folder("source");
  for (const name of ["masked", "by-link", "readonly"]) writeFileSync(`${source}/${name}`, "content");
  const bundle = exchangedByHook(c, "real", {
    args: ["sh", "-c", `cd ${away}/data; wc -c <masked; wc -c <by-link; ${tries("readonly")}`],
    config: (config) => {
      config.mounts.push({ destination: "/link/data", type: "bind", source, options: ["bind"] });
      config.linux.maskedPaths = ["/real/data/masked", "/link/data/by-link"];
      config.linux.readonlyPaths = ["/real/./data/../data/readonly"];
    },
  });
  symlinkSync("real", `${bundle.rootfs}/link`);
  const result = await c.run(bundle);
  assert.equal(result.stdout, "0\n0\nreadonly is not\n", describe(result));
});

test("a read-only tmpfs and /dev on exchanged directories become read-only", async (c) => {
  for (const name of ["dev", "data"]) {
    const bundle = exchangedByHook(c, name, {
      args: ["sh", "-c", tries(`${away}/file`)],
      config: ({ mounts }) => {
        mounts.push({ destination: "/data", type: "tmpfs", source: "tmpfs", options: ["ro"] });
        mounts.find(({ destination }) => destination === "/dev")?.options?.push("ro");
      },
    });
    const result = await c.run(bundle);
    assert.equal(result.stdout, `${away}/file is not\n`, describe(result));
  }
});

test("a hook's own mounts on those of the configuration are masked, and one that it removed is not missed", async (c) => {
  const source = c.folder("source");
  mkdirSync(`${source}/sub`);
  writeFileSync(`${source}/sub/secret`, "content");
  const hook = c.file(
    "mount",
    `#!/bin/sh
pid=$(sed 's/.*"pid":\\([0-9]*\\).*/\\1/')
rootfs=$(cat ${c.directory}/rootfs)
nsenter -t $pid -m mount --bind ${source} $rootfs/data
nsenter -t $pid -m umount -l $rootfs/gone
`,
    0o755,
  );
  const bundle = c.bundle({
    args: ["sh", "-c", "wc -c </data/sub/secret; wc -c </gone/secret"],
    config: (config) => {
      for (const destination of ["/data", "/gone"]) config.mounts.push({ destination, type: "tmpfs", source: "tmpfs" });
      config.linux.maskedPaths = ["/data/sub/secret", "/gone/secret"];
      config.hooks = { createRuntime: [{ path: hook, env: ["PATH=/bin:/usr/bin:/sbin"] }] };
    },
  });
  mkdirSync(`${bundle.rootfs}/gone`);
  writeFileSync(`${bundle.rootfs}/gone/secret`, "content");
  c.file("rootfs", bundle.rootfs);
  const result = await c.run(bundle);
  assert.equal(result.stdout, "0\n0\n", describe(result));
});

test("mounts, devices and links of /dev are made in an exchanged /dev", async (c) => {
  const bundle = await exchangedWhileMounting(c, "dev", {
    args: ["sh", "-c", `cd ${away}; stat -c '%n %F' null ptmx fd sub/mine; stat -f -c '%n %T' shm; ls -A /dev`],
    config: (config) => {
      const dev = config.mounts.findIndex(({ destination }) => destination === "/dev");
      const after = config.mounts.splice(dev + 1);
      mountThatReads(config);
      config.mounts.push(...after);
      config.linux.devices = [{ type: "c", path: "/dev/sub/mine", major: 1, minor: 3, fileMode: 0o666 }];
    },
  });
  const result = await c.run(bundle);
  const expected = "null character special file\nptmx symbolic link\nfd symbolic link\nsub/mine character special file\nshm tmpfs\n";
  assert.equal(result.stdout, expected, describe(result));
  assert.deepEqual(readdirSync(`${bundle.rootfs}/dev`), []);
});

test("the terminal is that of the devpts in an exchanged /dev, and its console is there", async (c) => {
  const bundle = await exchangedWhileMounting(c, "dev", {
    args: ["sh", "-c", `stat -c '%n %F' ${away}/console; ls -A /dev | wc -l`],
    config: (config) => {
      config.process.terminal = true;
      mountThatReads(config);
    },
  });
  const terminal = new Terminal(c, c.program, ["--root", c.root, "run", "-b", bundle.directory, c.id]);
  assert.equal(await terminal.end(), "exited 0", terminal.output);
  assert.equal(terminal.output, `${away}/console character special file\r\n0\r\n`);
});

test("devices are bound in an exchanged /dev of a user namespace", async (c) => {
  const bundle = await exchangedWhileMounting(c, "dev", {
    args: ["sh", "-c", `stat -c '%n %F' ${away}/null; ls -A /dev | wc -l`],
    config: (config) => {
      setNamespace(config, "user");
      config.linux.uidMappings = [{ containerID: 0, hostID: 0, size: 65536 }];
      config.linux.gidMappings = config.linux.uidMappings;
      mountThatReads(config);
    },
  });
  const result = await c.run(bundle);
  assert.equal(result.stdout, `${away}/null character special file\n0\n`, describe(result));
});

test("a mount and a remount below an exchanged directory are made in the mount that was on it", async (c) => {
  const source = c.folder("source");
  const bundle = await exchangedWhileMounting(c, "data", {
    args: ["sh", "-c", `${tries(`${away}/file`)}; stat -f -c %T ${away}/below; ls -A /data`],
    config: (config) => {
      config.mounts.push({ destination: "/data", type: "bind", source, options: ["bind"] });
      mountThatReads(config);
      config.mounts.push({ destination: "/data/below", type: "tmpfs", source: "tmpfs" });
      config.mounts.push({ destination: "/data", type: "bind", source, options: ["remount", "bind", "ro"] });
    },
  });
  const result = await c.run(bundle);
  assert.equal(result.stdout, `${away}/file is not\ntmpfs\n`, describe(result));
  assert.ok(lstatSync(`${source}/below`).isDirectory());
});

test("the working directory is made in the mount that was on an exchanged directory", async (c) => {
  const source = c.folder("source");
  const bundle = exchangedByHook(c, "data", {
    args: ["true"],
    config: (config) => {
      config.process.cwd = "/data/work";
      config.mounts.push({ destination: "/data", type: "bind", source, options: ["bind"] });
    },
  });
  await c.run(bundle); // its path leads nowhere by now
  assert.deepEqual(readdirSync(source), ["work"]);
});

test("a container of many mounts has enough descriptors for them, and the caller's limit", async (c) => {
  const source = c.file("source", "content");
  const bundle = c.bundle({
    args: ["sh", "-c", "ulimit -Sn; ls /many | wc -l"],
    config: ({ mounts, process }) => {
      delete process.rlimits;
      for (let index = 0; index < 100; index++) mounts.push({ destination: `/many/${index}`, type: "bind", source, options: ["bind"] });
    },
  });
  const limited = await c.startBelowShell('ulimit -Sn 64; exec "$@"', ["run", "-b", bundle.directory, c.id]);
  const result = await limited.wait();
  assert.equal(result.stdout, "64\n100\n", describe(result));
});
