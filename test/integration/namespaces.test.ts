/**
 * config.json's namespaces, names and sysctl (runtime-spec, config-linux.md#namespaces).
 */
import assert from "node:assert/strict";
import { readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { test } from "./harness/suite.js";
import { describe } from "./harness/execute.js";
import { mountOnHost } from "./harness/mounting.js";
import { setNamespace, withoutNamespaces } from "./harness/config.js";
import type { Config } from "./harness/config.js";
import type { Context } from "./harness/context.js";

/** type in config.json -> name in /proc/PID/ns */
const files = { cgroup: "cgroup", ipc: "ipc", mount: "mnt", network: "net", pid: "pid", time: "time", user: "user", uts: "uts" } as const;
type Type = keyof typeof files;
const types = Object.keys(files) as Type[];

function namespaceOf(pid: number | "self", type: Type): string {
  return readlinkSync(`/proc/${pid}/ns/${files[type]}`);
}

/** Starts a container and returns the pid of its init. */
async function runningPid(c: Context, config: (config: Config) => void, id = c.id): Promise<number> {
  await c.createAndStart(c.bundle({ config }), [], { id });
  return (await c.state(id)).pid;
}

test("each namespace of the config is new, the others are the caller's", async (c) => {
  const pid = await runningPid(c, () => undefined);
  for (const type of ["ipc", "mount", "network", "pid", "uts"] as const)
    assert.notEqual(namespaceOf(pid, type), namespaceOf("self", type), type);
  for (const type of ["cgroup", "time", "user"] as const) assert.equal(namespaceOf(pid, type), namespaceOf("self", type), type);
});

for (const type of ["ipc", "network", "pid", "uts"] as const) {
  test(`without a ${type} namespace the container has the caller's`, async (c) => {
    const pid = await runningPid(c, (config) => {
      withoutNamespaces(config, type);
      config.mounts = config.mounts.filter(
        ({ type: kind }) => !(type === "network" && kind === "sysfs") && !(type === "ipc" && kind === "mqueue"),
      );
    });
    assert.equal(namespaceOf(pid, type), namespaceOf("self", type));
  });
}

test("a container without a mount namespace has that of the runtime, and delete leaves only what was there", async (c) => {
  const bundle = c.bundle({ config: (config) => withoutNamespaces(config, "mount") });
  // A rootfs that is a mount of the caller's, as managers have it: it is not the container's to remove.
  mountOnHost(c, "--bind", bundle.rootfs, bundle.rootfs);
  const before = readFileSync("/proc/self/mountinfo", "utf8");
  await c.create(bundle);
  const { pid } = await c.state();
  assert.equal(namespaceOf(pid, "mount"), namespaceOf("self", "mount"));
  assert.equal(readlinkSync(`/proc/${pid}/root`), bundle.rootfs);
  await c.ok(["start", c.id]);
  await c.ok(["kill", c.id, "KILL"]);
  await c.status("stopped");
  await c.ok(["delete", c.id]);
  assert.equal(readFileSync("/proc/self/mountinfo", "utf8"), before);
});

test("a create that fails without a mount namespace leaves no mount", async (c) => {
  const bundle = c.bundle({ args: ["/no/such/program"], config: (config) => withoutNamespaces(config, "mount") });
  const before = readFileSync("/proc/self/mountinfo", "utf8");
  await c.fails(["create", "-b", bundle.directory, c.id], /no such file or directory/);
  assert.equal(readFileSync("/proc/self/mountinfo", "utf8"), before);
});

test("a cgroup namespace makes the container's cgroup the root of what it sees", async (c) => {
  const bundle = c.bundle({ args: ["cat", "/proc/self/cgroup"], config: (config) => setNamespace(config, "cgroup") });
  const result = await c.run(bundle);
  assert.equal(result.status, 0, describe(result));
  for (const line of result.stdout.trim().split("\n")) assert.match(line, /^\d+:[^:]*:\/$/);
});

test("a new time namespace is the container's own", async (c) => {
  const pid = await runningPid(c, (config) => setNamespace(config, "time"));
  assert.notEqual(namespaceOf(pid, "time"), namespaceOf("self", "time"));
});

for (const type of ["cgroup", "ipc", "network", "pid", "uts"] as const) {
  test(`a ${type} namespace is joined by the path in /proc`, async (c) => {
    const first = c.otherId("first");
    const owner = await runningPid(c, (config) => setNamespace(config, "cgroup"), first);
    const pid = await runningPid(c, (config) => {
      setNamespace(config, "cgroup");
      if (type === "uts") delete config.hostname;
      setNamespace(config, type, `/proc/${owner}/ns/${files[type]}`);
    });
    assert.equal(namespaceOf(pid, type), namespaceOf(owner, type));
    for (const other of ["ipc", "network", "pid", "uts"] as const) {
      if (other !== type) assert.notEqual(namespaceOf(pid, other), namespaceOf(owner, other), other);
    }
  });
}

test("a mount namespace is joined by path", async (c) => {
  const holder = await c.companion("/usr/bin/unshare", [
    "--mount",
    "--propagation",
    "private",
    "--kill-child",
    "--fork",
    "sh",
    "-c",
    "echo up; exec sleep 100",
  ]);
  await c.printed(holder, "up");
  const [child = ""] = readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, "utf8").split(" ");
  const pid = await runningPid(c, (config) => setNamespace(config, "mount", `/proc/${child}/ns/mnt`));
  assert.equal(namespaceOf(pid, "mount"), namespaceOf(Number(child), "mount"));
});

test("a time namespace is joined by path", async (c) => {
  const holder = await c.companion("/usr/bin/unshare", [
    "--time",
    "--boottime",
    "1000000",
    "--fork",
    "--kill-child",
    "sh",
    "-c",
    "echo up; exec sleep 100",
  ]);
  await c.printed(holder, "up");
  const path = `/proc/${holder.pid}/ns/time_for_children`;
  const uptime = await c.shell("cat /proc/uptime", (config) => setNamespace(config, "time", path));
  assert.ok(Number(uptime.split(" ")[0]) > 1000000 - 1, uptime);
});

test("all namespaces of another container are joined at once, as a pod does", async (c) => {
  const first = c.otherId("first");
  const owner = await runningPid(c, () => undefined, first);
  const shared = ["ipc", "network", "uts"] as const;
  const pid = await runningPid(c, (config) => {
    delete config.hostname;
    for (const type of shared) setNamespace(config, type, `/proc/${owner}/ns/${files[type]}`);
  });
  for (const type of shared) assert.equal(namespaceOf(pid, type), namespaceOf(owner, type), type);
});

test("a namespace is joined by a bind mount of it", async (c) => {
  const file = c.file("netns", "");
  assert.equal(spawnSync("unshare", [`--net=${file}`, "true"]).status, 0);
  c.defer(() => spawnSync("umount", [file]));
  const [inside, outside] = [
    await c.shell("readlink /proc/self/ns/net", (config) => setNamespace(config, "network", file)),
    spawnSync("nsenter", [`--net=${file}`, "readlink", "/proc/self/ns/net"], { encoding: "utf8" }).stdout.trim(),
  ];
  assert.equal(inside, outside);
  assert.notEqual(inside, readlinkSync("/proc/self/ns/net"));
});

test("a joined pid namespace: init is not pid 1 and delete ends only its own processes", async (c) => {
  const first = c.otherId("first");
  const owner = await runningPid(c, () => undefined, first);
  const started = await c.createAndStart(
    c.bundle({
      args: ["sh", "-c", "echo $$; sleep 100 & wait"],
      config: (config) => setNamespace(config, "pid", `/proc/${owner}/ns/pid`),
    }),
  );
  await c.printed(started, "\n");
  assert.notEqual(started.output().trim(), "1");
  await c.ok(["delete", "-f", c.id]);
  assert.equal((await c.state(first)).status, "running");
});

test("hostname and domainname are set in the uts namespace and nowhere else", async (c) => {
  const before = [readFileSync("/proc/sys/kernel/hostname", "utf8"), readFileSync("/proc/sys/kernel/domainname", "utf8")];
  const report = await c.report((config) => {
    config.hostname = "some-host.example";
    config.domainname = "some.domain";
  });
  assert.equal(report.hostname, "some-host.example");
  assert.equal(report.domainname, "some.domain");
  assert.deepEqual([readFileSync("/proc/sys/kernel/hostname", "utf8"), readFileSync("/proc/sys/kernel/domainname", "utf8")], before);
});

test("hostname alone is set", async (c) => {
  assert.equal((await c.report((config) => (config.hostname = "x".repeat(64)))).hostname, "x".repeat(64));
});

test("without a hostname the caller's is kept in the new uts namespace", async (c) => {
  assert.equal((await c.report((config) => delete config.hostname)).hostname, readFileSync("/proc/sys/kernel/hostname", "utf8").trim());
});

test("the loopback interface of a new network namespace is up", async (c) => {
  const seen = await c.shell("ip addr show lo");
  assert.match(seen, /LOOPBACK,UP/);
  assert.match(seen, /127\.0\.0\.1\/8/);
});

test("sysctls of the container's namespaces are set there only", async (c) => {
  const names = {
    "kernel.shm_rmid_forced": "1",
    "kernel.msgmax": "8193",
    "kernel.sem": "32001\t1024000001\t501\t32001",
    "fs.mqueue.msg_max": "11",
    "net.ipv4.ip_forward": "1",
    "net.core.somaxconn": "1234",
    "net/ipv4/conf/lo/rp_filter": "2",
    "kernel.domainname": "by.sysctl",
  };
  const file = (name: string): string => `/proc/sys/${name.includes("/") ? name : name.replaceAll(".", "/")}`;
  const before = Object.keys(names).map((name) => readFileSync(file(name), "utf8"));
  const seen = await c.shell(`cat ${Object.keys(names).map(file).join(" ")}`, (config) => (config.linux.sysctl = names));
  assert.deepEqual(seen.split("\n"), Object.values(names));
  assert.deepEqual(
    Object.keys(names).map((name) => readFileSync(file(name), "utf8")),
    before,
  );
});

test("a sysctl of an interface with a dot in its name is found by slashes", async (c) => {
  const file = c.file("netns", "");
  c.defer(() => spawnSync("umount", [file]));
  assert.equal(spawnSync("unshare", [`--net=${file}`, "ip", "link", "set", "lo", "name", "eth0.100"]).status, 0);
  const seen = await c.shell("cat /proc/sys/net/ipv4/conf/eth0.100/rp_filter", (config) => {
    setNamespace(config, "network", file);
    config.linux.sysctl = { "net/ipv4/conf/eth0.100/rp_filter": "2" };
  });
  assert.equal(seen, "2");
});

const refused: [name: string, sysctl: string, change: (config: Config) => void][] = [
  ["of the whole host", "kernel.panic", () => undefined],
  ["of virtual memory", "vm.swappiness", () => undefined],
  [
    "of the network without a network namespace",
    "net.ipv4.ip_forward",
    (config) => {
      withoutNamespaces(config, "network");
      config.mounts = config.mounts.filter(({ type }) => type !== "sysfs");
    },
  ],
  [
    "of the network that is joined and the caller's own",
    "net.ipv4.ip_forward",
    (config) => setNamespace(config, "network", "/proc/self/ns/net"),
  ],
  [
    "of ipc without an ipc namespace",
    "kernel.shmmax",
    (config) => {
      withoutNamespaces(config, "ipc");
      config.mounts = config.mounts.filter(({ type }) => type !== "mqueue");
    },
  ],
  ["that leaves the folder of sysctls", "net/../kernel/panic", () => undefined],
  ["of the host name", "kernel.hostname", () => undefined],
];

for (const [name, sysctl, change] of refused) {
  test(`a sysctl ${name} is refused`, async (c) => {
    const bundle = c.bundle({
      config: (config) => {
        change(config);
        config.linux.sysctl = { [sysctl]: "1" };
      },
    });
    const host = ["kernel/panic", "vm/swappiness", "net/ipv4/ip_forward", "kernel/shmmax", "kernel/hostname"].map(
      (file) => `/proc/sys/${file}`,
    );
    const before = host.map((file) => readFileSync(file, "utf8"));
    c.defer(() => host.forEach((file, index) => writeFileSync(file, before[index] ?? "")));
    await c.fails(["create", "-b", bundle.directory, c.id], /sysctl|net\/kernel\/panic/);
    assert.deepEqual(
      host.map((file) => readFileSync(file, "utf8")),
      before,
    );
  });
}

test("proc of a joined pid namespace shows its processes", async (c) => {
  const first = c.otherId("first");
  const owner = await runningPid(c, () => undefined, first);
  const seen = await c.shell("tr '\\0' ' ' </proc/1/cmdline", (config) => setNamespace(config, "pid", `/proc/${owner}/ns/pid`));
  assert.equal(seen, "probe wait");
});

test("the caller's own namespaces are unchanged by create", async (c) => {
  const shell = types.map((type) => `readlink /proc/self/ns/${files[type]}`).join(";");
  const bundle = c.bundle();
  c.deleteLater();
  const result = await (await c.startBelowShell(`${shell}; "$@" || exit 1; ${shell}`, ["create", "-b", bundle.directory, c.id])).wait();
  assert.equal(result.status, 0, describe(result));
  const lines = result.stdout.trim().split("\n");
  assert.deepEqual(lines.slice(0, types.length), lines.slice(types.length));
});

test("namespaces that the caller may not make fail create in words", async (c) => {
  const unprivileged = ["/usr/bin/setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"] as const;
  const { directory } = c.bundle({
    config: (config) => (config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "pid" && type !== "cgroup")),
  });
  const result = await (await c.startBelow(unprivileged, ["--rootless", "true", "create", "-b", directory, c.id])).wait();
  assert.notEqual(result.status, 0, describe(result));
  assert.match(result.stderr, /namespaces: EPERM|Operation not permitted/);
});
