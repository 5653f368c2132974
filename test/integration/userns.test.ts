/**
 * Containers in a user namespace, made by root (runtime-spec, config-linux.md#user-namespace-mappings).
 */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, chownSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { test, testOn } from "./harness/suite.js";
import { isTsrunc } from "./harness/environment.js";
import { describe } from "./harness/execute.js";
import { mountOnHost } from "./harness/mounting.js";
import { setNamespace } from "./harness/config.js";
import { mountAt, parseMountinfo } from "./harness/mountinfo.js";
import { capabilities } from "./harness/report.js";
import { base, chownTree, mappedBundle } from "./harness/user-namespace.js";
import type { Config } from "./harness/config.js";
import type { Context } from "./harness/context.js";
import type { Report } from "./harness/report.js";

async function output(c: Context, args: string[], config?: (config: Config) => void): Promise<string> {
  const result = await c.run(mappedBundle(c, { args, ...(config && { config }) }));
  assert.equal(result.status, 0, describe(result));
  return result.stdout.trim();
}

test("the mappings are those of the config", async (c) => {
  const uids = [
    { containerID: 0, hostID: base, size: 1000 },
    { containerID: 1000, hostID: 200000, size: 1 },
    { containerID: 1001, hostID: base + 1001, size: 5000 },
  ];
  const seen = await output(c, ["cat", "/proc/self/uid_map", "/proc/self/gid_map"], (config) => (config.linux.uidMappings = uids));
  const rows = seen.split("\n").map((line) => line.trim().split(/\s+/).map(Number));
  assert.deepEqual(rows, [...uids.map(({ containerID, hostID, size }) => [containerID, hostID, size]), [0, base, 65536]]);
});

test("root in the container is the mapped user on the host", async (c) => {
  const bundle = mappedBundle(c, {
    args: ["sh", "-c", "touch /made; chown 1000:1000 /made; id -u; exec probe wait"],
    config: (config) => (config.process.capabilities = { bounding: ["CAP_CHOWN"], permitted: ["CAP_CHOWN"], effective: ["CAP_CHOWN"] }),
  });
  const started = await c.createAndStart(bundle);
  await c.printed(started, "ready");
  assert.match(started.output(), /^0\n/);
  const { pid } = await c.state();
  assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), new RegExp(`^Uid:\t${base}\t${base}\t${base}\t${base}$`, "m"));
  const { uid, gid } = statSync(`${bundle.rootfs}/made`);
  assert.deepEqual([uid, gid], [base + 1000, base + 1000]);
  for (const type of ["user", "mnt", "pid", "net", "uts", "ipc"]) {
    assert.notEqual(readlinkSync(`/proc/${pid}/ns/${type}`), readlinkSync(`/proc/self/ns/${type}`), type);
  }
});

test("the other namespaces belong to the user namespace", async (c) => {
  const seen = await output(c, ["sh", "-c", "hostname changed && hostname; ip link set lo down && echo down"], (config) => {
    config.process.capabilities = {
      bounding: ["CAP_SYS_ADMIN", "CAP_NET_ADMIN"],
      permitted: ["CAP_SYS_ADMIN", "CAP_NET_ADMIN"],
      effective: ["CAP_SYS_ADMIN", "CAP_NET_ADMIN"],
    };
  });
  assert.equal(seen, "changed\ndown");
});

test("user, groups, capabilities and cwd work as without mappings", async (c) => {
  const report = JSON.parse(
    await output(c, ["probe", "report"], (config) => {
      config.process.user = { uid: 1000, gid: 1000, additionalGids: [5, 2000] };
      config.process.cwd = "/home/worker";
      config.process.capabilities = {
        bounding: ["CAP_KILL"],
        permitted: ["CAP_KILL"],
        effective: ["CAP_KILL"],
        inheritable: ["CAP_KILL"],
        ambient: ["CAP_KILL"],
      };
    }),
  ) as Report;
  assert.deepEqual([report.uid[0], report.gid[0], report.groups], [1000, 1000, [5, 2000]]);
  assert.equal(report.cwd, "/home/worker");
  assert.deepEqual(capabilities(report.effective), ["CAP_KILL"]);
  assert.deepEqual(capabilities(report.bounding), ["CAP_KILL"]);
  assert.deepEqual(Object.keys(report.descriptors), ["0", "1", "2"]);
});

test("the default devices work", async (c) => {
  const seen = await output(c, [
    "sh",
    "-c",
    "echo x >/dev/null && head -c 3 /dev/zero | wc -c; head -c 5 /dev/urandom | wc -c; stat -c '%F %t:%T' /dev/null; ls -l /dev/ptmx",
  ]);
  const lines = seen.split("\n");
  assert.deepEqual(lines.slice(0, 3), ["3", "5", "character special file 1:3"]);
  assert.match(lines[3] ?? "", /pts\/ptmx$/);
});

test("devices are bound with nosuid and noexec", async (c) => {
  const config = ({ linux }: Config): void => void (linux.devices = [{ type: "c", path: "/dev/tty0", major: 4, minor: 0 }]);
  const mounts = parseMountinfo(await output(c, ["cat", "/proc/self/mountinfo"], config));
  for (const name of ["null", "zero", "full", "random", "urandom", "tty", "tty0"]) {
    const { options } = mountAt(mounts, `/dev/${name}`);
    assert.ok(options.includes("nosuid") && options.includes("noexec") && !options.includes("nodev"), `${name}: ${options.join()}`);
  }
});

test("proc, sysfs, devpts, mqueue and tmpfs are mounted in the user namespace", async (c) => {
  const mounts = parseMountinfo(await output(c, ["cat", "/proc/self/mountinfo"]));
  for (const [target, type] of [
    ["/proc", "proc"],
    ["/sys", "sysfs"],
    ["/dev", "tmpfs"],
    ["/dev/pts", "devpts"],
    ["/dev/mqueue", "mqueue"],
  ] as const) {
    assert.equal(mountAt(mounts, target).type, type);
  }
});

test("binds keep the locked options of their source when they are remounted", async (c) => {
  const seen = parseMountinfo(
    await output(c, ["cat", "/proc/self/mountinfo"], (config) =>
      config.mounts.push({ destination: "/target", type: "bind", source: "/sys", options: ["rbind", "ro"] }),
    ),
  );
  assert.ok(mountAt(seen, "/target").options.includes("ro"));
});

test("a source that the container's root cannot reach is bound with the locked options of its mount", async (c) => {
  const hidden = c.folder("hidden");
  chmodSync(hidden, 0o700);
  mkdirSync(`${hidden}/below`);
  mountOnHost(c, "-t", "tmpfs", "-o", "nosuid,nodev,noexec,mode=777", "tmpfs", `${hidden}/below`);
  writeFileSync(`${hidden}/below/f`, "seen\n");
  const line =
    "cat /mnt/f /etc/seen; grep -c ' /mnt .*nosuid,nodev,noexec' /proc/self/mountinfo; mount -o remount,bind,exec /mnt 2>&1; true";
  const seen = await output(c, ["sh", "-c", line], (config) => {
    config.mounts.push({ destination: "/mnt", type: "bind", source: `${hidden}/below`, options: ["bind"] });
    config.mounts.push({ destination: "/etc/seen", type: "bind", source: `${hidden}/below/f`, options: ["rbind"] });
    config.process.capabilities = { bounding: ["CAP_SYS_ADMIN"], effective: ["CAP_SYS_ADMIN"], permitted: ["CAP_SYS_ADMIN"] };
  });
  assert.match(seen, /^seen\nseen\n1\nmount: .*(denied|not permitted)/);
});

test("a source between folders of the host's root and of the container's is bound, with the locked options of its mount", async (c) => {
  const outer = c.folder("outer");
  chmodSync(outer, 0o700);
  const inner = `${outer}/inner`;
  mkdirSync(`${inner}/source`, { recursive: true });
  chmodSync(inner, 0o700);
  chownSync(inner, base + 5, base + 5);
  mountOnHost(c, "-t", "tmpfs", "-o", "nosuid,nodev,noexec,mode=755", "tmpfs", `${inner}/source`);
  writeFileSync(`${inner}/source/f`, "seen\n");
  mkdirSync(`${inner}/source/sub`);
  mountOnHost(c, "-t", "tmpfs", "-o", "ro,nosuid,mode=755", "tmpfs", `${inner}/source/sub`);
  const line =
    'cat /mnt/f /etc/seen; for m in /mnt /etc/seen /mnt/sub; do grep -c " $m .*nosuid" /proc/self/mountinfo; done; ' +
    "for o in exec suid; do mount -o remount,bind,$o /mnt 2>&1; done; umount /mnt/sub 2>&1; touch /mnt/sub/x 2>&1; true";
  const seen = await output(c, ["sh", "-c", line], (config) => {
    config.mounts.push({ destination: "/mnt", type: "bind", source: `${inner}/source`, options: ["rbind"] });
    config.mounts.push({ destination: "/etc/seen", type: "bind", source: `${inner}/source/f`, options: ["bind"] });
    config.process.capabilities = { bounding: ["CAP_SYS_ADMIN"], effective: ["CAP_SYS_ADMIN"], permitted: ["CAP_SYS_ADMIN"] };
  });
  const lines = seen.split("\n");
  assert.deepEqual(lines.slice(0, 5), ["seen", "seen", "1", "1", "1"]);
  assert.equal(lines.length, 9, seen);
  for (const refused of lines.slice(5)) assert.match(refused, /denied|not permitted|Invalid argument|Read-only/);
});

test("a read-only root, masked and read-only paths work", async (c) => {
  const seen = await output(
    c,
    ["sh", "-c", "touch /x 2>&1; wc -c </proc/kcore 2>&1; echo 1 2>&1 >/proc/sys/kernel/panic; true"],
    (config) => (config.root.readonly = true),
  );
  assert.match(seen, /x: Read-only file system/);
});

test("rlimits, oomScoreAdj and sysctl work", async (c) => {
  const seen = await output(
    c,
    ["sh", "-c", "ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj /proc/sys/net/ipv4/ip_forward"],
    (config) => {
      config.process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 300, hard: 400 }];
      config.process.oomScoreAdj = 200;
      config.linux.sysctl = { "net.ipv4.ip_forward": "1" };
    },
  );
  assert.equal(seen, "300\n400\n200\n1");
});

test("a sysctl of the user namespace is set", async (c) => {
  const seen = await output(
    c,
    ["cat", "/proc/sys/user/max_net_namespaces"],
    (config) => (config.linux.sysctl = { "user.max_net_namespaces": "17" }),
  );
  assert.equal(seen, "17");
});

test("cgroups and their limits work", async (c) => {
  const seen = await output(
    c,
    ["sh", "-c", "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; true"],
    (config) => (config.linux.resources.pids = { limit: 77 }),
  );
  assert.equal(seen, "77");
});

testOn(["v2"], "the container's root may make cgroups below its own where that is mounted writable, and lift no limit", async (c) => {
  const script =
    "mkdir /sys/fs/cgroup/sub && echo $$ >/sys/fs/cgroup/sub/cgroup.procs && cat /proc/self/cgroup; echo 9 >/sys/fs/cgroup/pids.max";
  const seen = await output(c, ["sh", "-c", `${script} 2>/dev/null || echo refused`], (config) => {
    setNamespace(config, "cgroup");
    config.linux.resources.pids = { limit: 50 };
    for (const mount of config.mounts) if (mount.destination === "/sys/fs/cgroup") mount.options = ["nosuid", "noexec", "nodev"];
  });
  assert.equal(seen, "0::/sub\nrefused");
});

test("a cgroup namespace works together with a user namespace", async (c) => {
  const seen = await output(c, ["cat", "/proc/self/cgroup"], (config) => setNamespace(config, "cgroup"));
  for (const line of seen.split("\n")) assert.match(line, /^\d+:[^:]*:\/$/);
});

test("an existing user namespace is joined by path", async (c) => {
  const owner = c.otherId("owner");
  await c.createAndStart(mappedBundle(c, {}), [], { id: owner });
  const { pid } = await c.state(owner);
  const bundle = mappedBundle(c, {
    args: ["sh", "-c", "readlink /proc/self/ns/user; cat /proc/self/uid_map; touch /made"],
    config: (config) => {
      setNamespace(config, "user", `/proc/${pid}/ns/user`);
      delete config.linux.uidMappings;
      delete config.linux.gidMappings;
    },
  });
  const result = await c.run(bundle);
  assert.equal(result.status, 0, describe(result));
  const [link, map] = result.stdout.split("\n");
  assert.equal(link, readlinkSync(`/proc/${pid}/ns/user`));
  assert.deepEqual(map?.trim().split(/\s+/).map(Number), [0, base, 65536]);
  assert.equal(statSync(`${bundle.rootfs}/made`).uid, base);
});

test("all namespaces of a container with a user namespace are joined by path", async (c) => {
  const owner = c.otherId("owner");
  await c.createAndStart(mappedBundle(c, {}), [], { id: owner });
  const { pid } = await c.state(owner);
  const result = await c.run(
    mappedBundle(c, {
      args: ["sh", "-c", "for n in user net ipc uts pid; do readlink /proc/self/ns/$n; done"],
      config: (config) => {
        delete config.linux.uidMappings;
        delete config.linux.gidMappings;
        delete config.hostname;
        setNamespace(config, "user", `/proc/${pid}/ns/user`);
        setNamespace(config, "network", `/proc/${pid}/ns/net`);
        setNamespace(config, "ipc", `/proc/${pid}/ns/ipc`);
        setNamespace(config, "uts", `/proc/${pid}/ns/uts`);
        setNamespace(config, "pid", `/proc/${pid}/ns/pid`);
      },
    }),
  );
  assert.equal(result.status, 0, describe(result));
  assert.deepEqual(
    result.stdout.trim().split("\n"),
    ["user", "net", "ipc", "uts", "pid"].map((name) => readlinkSync(`/proc/${pid}/ns/${name}`)),
  );
});

test("path and mappings together are accepted when they say the same (containerd, CRI-O)", async (c) => {
  const owner = c.otherId("owner");
  await c.createAndStart(mappedBundle(c, {}), [], { id: owner });
  const { pid } = await c.state(owner);
  const same = mappedBundle(c, { args: ["true"], config: (config) => setNamespace(config, "user", `/proc/${pid}/ns/user`) });
  const result = await c.run(same);
  assert.equal(result.status, 0, describe(result));
  const other = mappedBundle(c, {
    args: ["true"],
    config: (config) => {
      setNamespace(config, "user", `/proc/${pid}/ns/user`);
      config.linux.uidMappings = [{ containerID: 0, hostID: base + 1, size: 65536 }];
    },
  });
  await c.fails(["create", "-b", other.directory, c.id], /[mM]apping/);
});

test("a program of the mapped image that the container's root cannot read is still executed by its owner", async (c) => {
  const bundle = mappedBundle(c, { args: ["/only"], config: (config) => (config.process.user = { uid: 1000, gid: 1000 }) });
  writeFileSync(`${bundle.rootfs}/only`, readFileSync(`${bundle.rootfs}/bin/probe`), { mode: 0o500 });
  chownSync(`${bundle.rootfs}/only`, base + 1000, base + 1000);
  const result = await c.run(bundle);
  assert.equal(result.status, 125, describe(result)); // probe without a command
});

test("a cwd that the container's root and its user cannot enter fails create", async (c) => {
  const bundle = mappedBundle(c, { config: (config) => (config.process.cwd = "/closed") });
  mkdirSync(`${bundle.rootfs}/closed`, { mode: 0o700 });
  await c.fails(
    ["create", "-b", bundle.directory, c.id],
    /chdir to cwd \(\\?"\/closed\\?"\) set in config\.json failed: permission denied/,
  );
});

test("a terminal by console socket belongs to the container's user", async (c) => {
  const socket = `${c.directory}/console`;
  const console = await c.helper("recvfd", ["terminal", socket]);
  await c.printed(console, "listening");
  const bundle = mappedBundle(c, {
    args: ["sh", "-c", "stat -c '%u' /dev/console; tty; echo end"],
    config: (config) => (config.process.terminal = true),
  });
  await c.createAndStart(bundle, ["--console-socket", socket]);
  await c.printed(console, "end");
  assert.match(console.output(), /^0\r$/m);
});

for (const recursive of [false, true]) {
  const option = recursive ? "ridmap" : "idmap";
  test(`a bind with ${option} shows the files of the host as the container's`, async (c) => {
    const source = c.folder("source");
    writeFileSync(`${source}/root`, "");
    writeFileSync(`${source}/worker`, "");
    chownSync(`${source}/worker`, 1000, 1000);
    const seen = await output(c, ["sh", "-c", "stat -c '%u:%g' /target/root /target/worker; touch /target/new"], (config) =>
      config.mounts.push({ destination: "/target", type: "bind", source, options: [recursive ? "rbind" : "bind", option] }),
    );
    assert.equal(seen, "0:0\n1000:1000");
    assert.equal(statSync(`${source}/new`).uid, 0);
  });
}

test("idmap reaches a source between folders of the host's root and of the container's", async (c) => {
  const outer = c.folder("outer");
  mkdirSync(`${outer}/inner/source`, { recursive: true });
  chmodSync(outer, 0o700);
  chmodSync(`${outer}/inner`, 0o700);
  chownSync(`${outer}/inner`, base + 5, base + 5);
  mountOnHost(c, "-t", "tmpfs", "-o", "nosuid,nodev,noexec,mode=755", "tmpfs", `${outer}/inner/source`);
  writeFileSync(`${outer}/inner/source/f`, "seen\n");
  const seen = await output(c, ["sh", "-c", "cat /mnt/f; stat -c %u /mnt/f"], (config) =>
    config.mounts.push({ destination: "/mnt", type: "bind", source: `${outer}/inner/source`, options: ["bind", "idmap"] }),
  );
  assert.equal(seen, "seen\n0");
});

test("ridmap maps the mounts below, idmap the top alone", async (c) => {
  const source = c.folder("source");
  mkdirSync(`${source}/sub`);
  mountOnHost(c, "-t", "tmpfs", "tmpfs", `${source}/sub`);
  for (const folder of [source, `${source}/sub`]) {
    chmodSync(folder, 0o755);
    writeFileSync(`${folder}/file`, "");
  }
  const lines = [{ containerID: 0, hostID: 1000, size: 10 }];
  for (const [option, below] of [
    ["idmap", 0],
    ["ridmap", 1000],
  ] as const) {
    const seen = await c.shell("stat -c %u /target/file /target/sub/file", (config) =>
      config.mounts.push({ destination: "/target", source, options: ["rbind", option], uidMappings: lines, gidMappings: lines }),
    );
    assert.equal(seen, `1000\n${below}`);
  }
});

test("idmap takes the ids of a user namespace that is joined", async (c) => {
  const source = c.folder("source");
  writeFileSync(`${source}/file`, "");
  await c.create(mappedBundle(c, {}));
  const { pid } = await c.state();
  const bundle = mappedBundle(c, {
    args: ["stat", "-c", "%u:%g", "/target/file"],
    config: (config) => {
      setNamespace(config, "user", `/proc/${pid}/ns/user`);
      delete config.linux.uidMappings;
      delete config.linux.gidMappings;
      config.mounts.push({ destination: "/target", source, options: ["bind", "idmap"] });
    },
  });
  const result = await c.runtime(["run", "-b", bundle.directory, c.otherId("joining")]);
  assert.equal(result.stdout, "0:0\n", describe(result));
});

test("a copy of a folder into a tmpfs keeps its owners", async (c) => {
  const bundle = mappedBundle(c, {
    args: ["stat", "-c", "%u:%g %a", "/data", "/data/file"],
    config: (config) => config.mounts.push({ destination: "/data", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] }),
  });
  mkdirSync(`${bundle.rootfs}/data`);
  writeFileSync(`${bundle.rootfs}/data/file`, "", { mode: 0o600 });
  chownTree(`${bundle.rootfs}/data`, base + 7);
  assert.equal((await c.run(bundle)).stdout, "7:7 755\n7:7 600\n");
});

test("a bind with mappings of its own shows the files by them, also without a user namespace", async (c) => {
  const source = c.folder("source");
  chmodSync(source, 0o755);
  writeFileSync(`${source}/file`, "");
  const seen = await c.shell("stat -c '%u:%g' /target/file", (config) =>
    config.mounts.push({
      destination: "/target",
      type: "bind",
      source,
      options: ["bind", "idmap"],
      uidMappings: [{ containerID: 0, hostID: 1000, size: 10 }],
      gidMappings: [{ containerID: 0, hostID: 2000, size: 10 }],
    }),
  );
  assert.equal(seen, "1000:2000");
});

test("options of the host's mount that a user namespace locks stay, whether or not more are set", async (c) => {
  const source = c.folder("source");
  mountOnHost(c, "-t", "tmpfs", "-o", "ro,nosuid,nodev,noatime", "tmpfs", source);
  for (const options of [["bind"], ["rbind", "noexec"], ["bind", "ro", "nosuid"], ["rbind", "rro", "noatime"]]) {
    const seen = await output(c, ["cat", "/proc/self/mountinfo"], (config) =>
      config.mounts.push({ destination: "/target", type: "bind", source, options }),
    );
    const mount = mountAt(parseMountinfo(seen), "/target");
    for (const option of ["ro", "nosuid", "nodev", "noatime"]) assert.ok(mount.options.includes(option), `${options}: ${mount.options}`);
    assert.equal(mount.options.includes("noexec"), options.includes("noexec"));
  }
});

test("an option that a user namespace locks cannot be taken back, and the error names it", async (c) => {
  const source = c.folder("source");
  mountOnHost(c, "-t", "tmpfs", "-o", "ro,nosuid,noatime", "tmpfs", source);
  for (const [option, locked] of [
    ["rw", "ro"],
    ["suid", "nosuid"],
    ["rsuid", "nosuid"],
    ["strictatime", "noatime"],
  ] as const) {
    const bundle = mappedBundle(c, {
      config: (config) => config.mounts.push({ destination: "/target", type: "bind", source, options: ["rbind", option] }),
    });
    await c.fails(
      ["create", "-b", bundle.directory, c.id],
      isTsrunc ? new RegExp(`locks "${locked}" of the mount it came from`) : /not permitted/,
    );
  }
});
