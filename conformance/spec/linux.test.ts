/**
 * config-linux.md: namespaces, devices, cgroups, paths.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { configRefused, createRefused, printed, set } from "./black-box.js";
import { sentence } from "./sentence.js";
import { cgroupDirectory, cgroupsOf, hierarchies, hierarchyOf, readCgroup } from "../../test/integration/harness/cgroups.js";
import { setNamespace, withoutNamespaces } from "../../test/integration/harness/config.js";
import type { Config } from "../../test/integration/harness/config.js";
import type { Context } from "../../test/integration/harness/context.js";

/** type in config.json -> name in /proc/PID/ns */
const files = { cgroup: "cgroup", ipc: "ipc", mount: "mnt", network: "net", pid: "pid", time: "time", user: "user", uts: "uts" } as const;
type Type = keyof typeof files;
const types = Object.keys(files) as Type[];
const waiting = ["sleep", "100"];

function namespaceOf(pid: number | "self", type: Type): string {
  return readlinkSync(`/proc/${pid}/ns/${files[type]}`);
}

async function runningPid(c: Context, change: (config: Config) => void, id = c.id): Promise<number> {
  await c.createAndStart(c.bundle({ args: waiting, config: change }), [], { id });
  return (await c.state(id)).pid;
}

sentence({ "config-linux.md > Namespaces": [2] }, "a relative namespace path is refused", async (c) => {
  await configRefused(c, (config) => setNamespace(config, "network", "proc/self/ns/net"));
});

for (const type of ["cgroup", "ipc", "network", "pid", "uts"] as const) {
  sentence({ "config-linux.md > Namespaces": [3] }, `a ${type} namespace is joined by its path`, async (c) => {
    const first = await runningPid(c, (config) => setNamespace(config, type));
    const second = await runningPid(
      c,
      (config) => {
        setNamespace(config, type, `/proc/${first}/ns/${files[type]}`);
        if (type === "uts") delete config.hostname;
      },
      c.otherId("second"),
    );
    assert.equal(namespaceOf(second, type), namespaceOf(first, type));
  });
}

sentence({ "config-linux.md > Namespaces": [4] }, "a path of another type of namespace, or of none, is refused", async (c) => {
  await configRefused(c, (config) => setNamespace(config, "network", "/proc/self/ns/ipc"));
  await configRefused(c, (config) => setNamespace(config, "ipc", "/proc/self/ns/net"));
  await configRefused(c, (config) => setNamespace(config, "network", c.file("none", "")));
  await configRefused(c, (config) => setNamespace(config, "network", "/no/such/namespace"));
});

sentence({ "config-linux.md > Namespaces": [5] }, "namespaces without a path are new", async (c) => {
  const mappings = [{ containerID: 0, hostID: 100_000, size: 1000 }];
  const pid = await runningPid(c, (config) => {
    for (const type of ["cgroup", "user"]) setNamespace(config, type);
    config.linux.uidMappings = config.linux.gidMappings = mappings;
  });
  for (const type of types.filter((type) => type !== "time")) assert.notEqual(namespaceOf(pid, type), namespaceOf("self", type), type);
});

for (const type of ["ipc", "mount", "network", "pid", "uts"] as const) {
  sentence(
    { "config-linux.md > Namespaces": [6] },
    `without an entry of type ${type} the container has that namespace of the runtime`,
    async (c) => {
      const pid = await runningPid(c, (config) => {
        withoutNamespaces(config, type);
        // Remove mounts and paths that would affect the caller without that namespace.
        config.mounts = config.mounts.filter(
          ({ type: kind }) => !(type === "network" && kind === "sysfs") && !(type === "ipc" && kind === "mqueue") && kind !== "cgroup",
        );
        if (type === "mount") {
          delete config.linux.maskedPaths;
          delete config.linux.readonlyPaths;
        }
      });
      assert.equal(namespaceOf(pid, type), namespaceOf("self", type));
    },
  );
}

sentence({ "config-linux.md > Namespaces": [7] }, "two entries of one type are refused", async (c) => {
  await configRefused(c, (config) => config.linux.namespaces.push({ type: "uts" }));
  await configRefused(c, (config) => config.linux.namespaces.push({ type: "network", path: "/proc/self/ns/net" }));
});

sentence({ "config-linux.md > Devices": [1] }, "the devices of the configuration are in the container, also outside of /dev", async (c) => {
  const line = await printed(c, "stat -c '%F %t:%T %a %u:%g' /dev/made /elsewhere /dev/pipe", (config) => {
    config.linux.devices = [
      { type: "c", path: "/dev/made", major: 1, minor: 5, fileMode: 0o640, uid: 5, gid: 6 },
      { type: "c", path: "/elsewhere", major: 1, minor: 3, fileMode: 0o600, uid: 0, gid: 0 },
      { type: "p", path: "/dev/pipe", fileMode: 0o600, uid: 0, gid: 0 },
    ];
  });
  assert.equal(line, "character special file 1:5 640 5:6\ncharacter special file 1:3 600 0:0\nfifo 0:0 600 0:0");
});

sentence({ "config-linux.md > Devices": [4] }, "a device where another file is already is refused", async (c) => {
  const bundle = c.bundle({
    args: ["true"],
    config: (config) => (config.linux.devices = [{ type: "c", path: "/taken", major: 1, minor: 3 }]),
  });
  writeFileSync(`${bundle.rootfs}/taken`, "a regular file");
  await createRefused(c, bundle);
  assert.equal(readFileSync(`${bundle.rootfs}/taken`, "utf8"), "a regular file");
});

sentence({ "config-linux.md > Default Devices": [1] }, "null, zero, full, random, urandom, tty and ptmx are there, and work", async (c) => {
  const line = [
    "for name in null zero full random urandom tty; do stat -c '%n %t:%T' /dev/$name; done",
    "echo text >/dev/null && head -c 2 /dev/zero | od -An -tx1 && head -c 1 /dev/random | wc -c && head -c 1 /dev/urandom | wc -c",
    "echo text 2>&- >/dev/full || echo full",
    "exec 3<>/dev/ptmx && echo ptmx",
  ].join("; ");
  assert.deepEqual(
    (await printed(c, line)).split("\n").map((text) => text.trim()),
    [
      "/dev/null 1:3",
      "/dev/zero 1:5",
      "/dev/full 1:7",
      "/dev/random 1:8",
      "/dev/urandom 1:9",
      "/dev/tty 5:0",
      "00 00",
      "1",
      "1",
      "full",
      "ptmx",
    ],
  );
});

sentence(
  { "config-linux.md > Control groups": [1] },
  "a frozen cgroup, and one with processes, are refused or used, and never end in a container that hangs",
  async (c) => {
    // The runtime may check the cgroup or not, but a failed check must be an error.
    const freezer = hierarchyOf("freezer");
    const first = c.bundle({ args: waiting, config: (config) => (config.linux.cgroupsPath = `/${c.id}`) });
    await c.createAndStart(first);
    const { pid } = await c.state();
    const second = c.otherId("second");
    const result = await c.runtime([
      "create",
      "-b",
      c.bundle({ args: waiting, config: (config) => (config.linux.cgroupsPath = `/${c.id}`) }).directory,
      second,
    ]);
    if (result.status === 0) await c.ok(["delete", "-f", second]);
    else assert.ok(existsSync(`/proc/${pid}`), "the first container lives on");
    assert.ok(freezer !== undefined || hierarchies().some(({ version }) => version === 2));
  },
);

sentence(
  { "config-linux.md > Cgroups Path": [1, 2] },
  "an absolute cgroupsPath is one from the mount point of the hierarchies",
  async (c) => {
    const bundle = c.bundle({ args: waiting, config: (config) => (config.linux.cgroupsPath = `/${c.id}`) });
    await c.createAndStart(bundle);
    const { pid } = await c.state();
    const controller = hierarchyOf("pids") ? "pids" : "";
    const hierarchy = hierarchies().find(({ controllers, version }) =>
      controller === "" ? version === 2 : controllers.includes(controller),
    );
    assert.equal(cgroupDirectory(pid, controller), `${hierarchy?.mountPoint}/${c.id}`);
  },
);

sentence({ "config-linux.md > Cgroups Path": [3] }, "the same cgroupsPath is the same place each time, absolute or relative", async (c) => {
  for (const path of [`/${c.id}`, `${c.id}-relative`]) {
    const cgroups: string[][] = [];
    for (const round of ["first", "second"]) {
      const id = c.otherId(round + String(path.startsWith("/")));
      await c.createAndStart(c.bundle({ args: waiting, config: (config) => (config.linux.cgroupsPath = path) }), [], { id });
      cgroups.push([...cgroupsOf((await c.state(id)).pid).values()].filter((cgroup) => cgroup.includes(c.id)));
      await c.ok(["delete", "-f", id]);
    }
    assert.notEqual(cgroups[0]?.length, 0, path);
    assert.deepEqual(cgroups[1], cgroups[0], path);
  }
});

sentence(
  { "config-linux.md > Cgroups Path": [4] },
  "a cgroupsPath that leads out of the hierarchy is refused, or stays within it",
  async (c) => {
    const bundle = c.bundle({ args: ["true"], config: (config) => (config.linux.cgroupsPath = `/../../${c.id}`) });
    const result = await c.runtime(["create", "-b", bundle.directory, c.id]);
    if (result.status !== 0) return;
    c.deleteLater();
    for (const cgroup of cgroupsOf((await c.state()).pid).values()) assert.doesNotMatch(cgroup, /\.\./);
  },
);

sentence(
  { "config-linux.md > Allowed Device list": [1] },
  "entries of the allowed device list hold in their order: the last that fits counts",
  async (c) => {
    // Not a default device, because the runtime may allow those by itself.
    const fuse = { type: "c", major: 10, minor: 229 };
    const opening = (name: string, ...allowed: boolean[]): Promise<string> =>
      c.output({
        args: ["probe", "open", "rw", `/dev/${name}`],
        config: (config) => {
          config.linux.devices = [{ ...fuse, path: `/dev/${name}`, fileMode: 0o666, uid: 0, gid: 0 }];
          config.linux.resources.devices = [
            { allow: false, access: "rwm" },
            ...allowed.map((allow) => ({ allow, ...fuse, access: "rwm" })),
          ];
        },
      });
    assert.equal(await opening("denied", true, false), "EPERM");
    assert.notEqual(await opening("allowed", false, true), "EPERM");
  },
);

sentence(
  { "config-linux.md > Memory": [1] },
  "a memory limit that does not hold the container is refused where checkBeforeUpdate asks for that",
  async (c) => {
    const bundle = c.bundle({
      args: ["true"],
      config: (config) => (config.linux.resources.memory = { limit: 4096, checkBeforeUpdate: true }),
    });
    await createRefused(c, bundle);
  },
);

sentence({ "config-linux.md > CPU": [1, 2] }, "a burst above the quota is refused, or is what the cgroup has", async (c) => {
  const bundle = c.bundle({
    args: waiting,
    config: (config) => (config.linux.resources.cpu = { period: 100_000, quota: 20_000, burst: 30_000 }),
  });
  const result = await c.runtime(["create", "-b", bundle.directory, c.id]);
  if (result.status !== 0) return;
  c.deleteLater();
  const { pid } = await c.state();
  const controller = hierarchyOf("cpu") ? "cpu" : "";
  const file = controller === "cpu" ? "cpu.cfs_burst_us" : "cpu.max.burst";
  assert.equal(readCgroup(cgroupDirectory(pid, controller), file), "30000", "a value that is neither refused nor set is ignored");
});

sentence({ "config-linux.md > Masked Paths": [1] }, "a relative masked path is refused", async (c) => {
  await configRefused(c, (config) => (config.linux.maskedPaths = ["proc/kcore"]));
});

sentence({ "config-linux.md > Readonly Paths": [1] }, "a relative read-only path is refused", async (c) => {
  await configRefused(c, (config) => (config.linux.readonlyPaths = ["proc/sys"]));
});

sentence(
  { "config-linux.md > Unified": [3], "config-linux.md > Example": [1] },
  "a file of a controller that is not there is refused",
  async (c) => {
    await configRefused(c, (config) => set(config.linux.resources, "unified", { "nosuchcontroller.max": "1" }));
  },
);

sentence(
  { "config-linux.md > Unified": [1, 2] },
  "files of the v2 hierarchy get their values, also those that no runtime knows",
  async (c) => {
    if (hierarchies().some(({ version }) => version === 1)) c.skip("the host's cgroups are not version 2 alone");
    const pid = await runningPid(c, (config) => {
      set(config.linux.resources, "unified", { "memory.high": "536870912", "pids.max": "77", "cgroup.max.depth": "7" });
    });
    const cgroup = cgroupDirectory(pid, "");
    assert.equal(readCgroup(cgroup, "memory.high"), "536870912");
    assert.equal(readCgroup(cgroup, "pids.max"), "77");
    assert.equal(readCgroup(cgroup, "cgroup.max.depth"), "7");
  },
);

sentence(
  { "config-linux.md > Cgroup ownership": [1, 2] },
  "the cgroup of a user namespace's root may be given to it, file by file",
  async (c) => {
    if (hierarchies().some(({ version }) => version === 1)) c.skip("the host's cgroups are not version 2 alone");
    const mappings = [{ containerID: 0, hostID: 100_000, size: 1000 }];
    const pid = await runningPid(c, (config) => {
      for (const type of ["cgroup", "user"]) setNamespace(config, type);
      config.linux.uidMappings = config.linux.gidMappings = mappings;
      const mount = config.mounts.find(({ type }) => type === "cgroup");
      if (mount) mount.options = ["nosuid", "noexec", "nodev", "relatime"];
    });
    assert.ok(existsSync(`${cgroupDirectory(pid, "")}/cgroup.procs`));
  },
);
