/**
 * What only a host with cgroup v2 alone can show: cgroups below others that hold processes or threads, and what a mount of type cgroup shows
 * (Documentation/admin-guide/cgroup-v2.rst; runtime-spec, config-linux.md#control-groups).
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readdirSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { testOn } from "./harness/suite.js";
import { cgroupOf } from "./harness/cgroups.js";
import { setNamespace, withoutNamespaces } from "./harness/config.js";
import { until } from "./harness/execute.js";
import { mappedBundle } from "./harness/user-namespace.js";
import type { Config, Resources } from "./harness/config.js";
import type { Context } from "./harness/context.js";

const top = "/sys/fs/cgroup";
const read = (cgroup: string, file: string): string => readFileSync(`${top}${cgroup}/${file}`, "utf8").trim();
/** What a container below must not change in a cgroup of somebody else's. */
const shape = (cgroup: string): string[] => ["cgroup.type", "cgroup.subtree_control"].map((file) => read(cgroup, file));
const megabytes = (count: number): number => count * 1024 * 1024;

/** Makes a cgroup, which is removed after the test. Returns its path in the hierarchy. */
function makeCgroup(c: Context, path: string): string {
  mkdirSync(`${top}${path}`);
  c.defer(() => rmdirSync(`${top}${path}`));
  return path;
}

/** A cgroup with a process in it. */
async function occupied(c: Context): Promise<string> {
  const path = makeCgroup(c, `/${c.id}-occupied`);
  const sleeper = await c.companion("/bin/sleep", ["1000"]);
  writeFileSync(`${top}${path}/cgroup.procs`, String(sleeper.pid));
  // Before the cgroup is removed nobody may be in it.
  c.defer(async () => {
    sleeper.process.kill("SIGKILL");
    await until("the sleeper has left its cgroup", () => read(path, "cgroup.events").includes("populated 0"));
  });
  return path;
}

/** A cgroup with a threaded one in it. */
function threaded(c: Context): string {
  const path = makeCgroup(c, `/${c.id}-threads`);
  makeCgroup(c, `${path}/of`);
  writeFileSync(`${top}${path}/of/cgroup.type`, "threaded");
  return path;
}

function below(parent: string, resources: Resources = {}, change: (config: Config) => void = () => undefined): (config: Config) => void {
  return (config) => {
    config.linux.cgroupsPath = `${parent}/container`;
    Object.assign(config.linux.resources, resources);
    change(config);
  };
}

testOn(["v2"], "a container below a cgroup that holds processes runs, and that cgroup stays as it was", async (c) => {
  const parent = await occupied(c);
  const before = shape(parent);
  await c.createAndStart(c.bundle({ config: below(parent) }));
  const { pid } = await c.state();
  assert.equal(cgroupOf(pid, ""), `${parent}/container`);
  assert.deepEqual(shape(parent), before);
  await c.ok(["delete", "-f", c.id]);
  assert.deepEqual(shape(parent), before);
});

for (const [title, resources] of [
  ["memory", { memory: { limit: megabytes(64) } }],
  ["memory and pids", { memory: { limit: megabytes(64) }, pids: { limit: 20 } }],
  ["io by unified", { unified: { "io.weight": "50" } }],
] as [string, Resources][]) {
  testOn(["v2"], `limits on ${title} below a cgroup that holds processes are refused by name, and it stays as it was`, async (c) => {
    const parent = await occupied(c);
    const before = shape(parent);
    const bundle = c.bundle({ config: below(parent, resources) });
    await c.fails(
      ["create", "-b", bundle.directory, c.id],
      /the controller "(memory|io)" cannot be enabled below "\/sys\/fs\/cgroup\/[^"]+": EBUSY \(device or resource busy\): it holds processes itself/,
    );
    assert.deepEqual(shape(parent), before);
    assert.deepEqual(
      readdirSync(`${top}${parent}`, { withFileTypes: true }).filter((entry) => entry.isDirectory()),
      [],
    );
  });
}

testOn(["v2"], "a limit on pids below a cgroup that holds processes is in force, in a threaded cgroup", async (c) => {
  const parent = await occupied(c);
  const started = await c.createAndStart(
    c.bundle({
      args: ["sh", "-c", "sleep 1000 & sleep 1000 & probe open rw /dev/fuse; wait"],
      config: below(parent, { pids: { limit: 20 } }, (config) => {
        config.linux.devices = [{ type: "c", path: "/dev/fuse", major: 10, minor: 229, fileMode: 0o666 }];
        withoutNamespaces(config, "pid");
      }),
    }),
  );
  await c.printed(started, "\n");
  assert.match(started.output(), /^EPERM$/m, "the device filter holds");
  const own = `${parent}/container`;
  assert.deepEqual([read(own, "cgroup.type"), read(own, "pids.max")], ["threaded", "20"]);
  // Without a pid namespace nothing but the cgroup tells which processes are the container's.
  await c.ok(["delete", "-f", c.id]);
  assert.deepEqual(
    readdirSync(`${top}${parent}`, { withFileTypes: true }).filter((entry) => entry.isDirectory()),
    [],
  );
  assert.ok(read(parent, "cgroup.events").includes("populated 1"), "the neighbour lives");
});

testOn(["v2"], "several levels below a cgroup that holds processes are threaded where pids are limited", async (c) => {
  const parent = await occupied(c);
  await c.createAndStart(c.bundle({ config: below(`${parent}/a/b`, { pids: { limit: 20 } }) }));
  assert.equal(read(`${parent}/a/b/container`, "pids.max"), "20");
  await c.ok(["delete", "-f", c.id]);
  assert.deepEqual(
    readdirSync(`${top}${parent}`, { withFileTypes: true }).filter((entry) => entry.isDirectory()),
    [],
  );
});

testOn(["v2"], "a create that fails takes back what it made a cgroup with processes hand on", async (c) => {
  const parent = await occupied(c);
  const before = shape(parent);
  const bundle = c.bundle({ args: ["/no/such/program"], config: below(parent, { pids: { limit: 20 } }) });
  await c.fails(["create", "-b", bundle.directory, c.id], /no such file or directory/);
  assert.deepEqual(shape(parent), before);
});

for (const [title, place, resources] of [
  ["beside threads", "", {}],
  ["in a threaded cgroup", "/of", {}],
  ["beside threads, with a limit on pids", "", { pids: { limit: 20 } }],
  ["in a threaded cgroup, with a limit on pids and a weight", "/of", { pids: { limit: 20 }, cpu: { shares: 512 } }],
] as [string, string, Resources][]) {
  testOn(["v2"], `a container ${title} runs`, async (c) => {
    const parent = threaded(c);
    await c.createAndStart(c.bundle({ config: below(`${parent}${place}`, resources) }));
    const own = `${parent}${place}/container`;
    assert.equal(cgroupOf((await c.state()).pid, ""), own);
    assert.equal(read(own, "cgroup.type"), "threaded");
    if (resources.pids) assert.equal(read(own, "pids.max"), "20");
    await c.ok(["kill", c.id, "KILL"]);
    await c.status("stopped");
    await c.ok(["delete", c.id]);
  });
}

testOn(["v2"], "a limit on memory in a threaded cgroup is refused by name, and nothing is left", async (c) => {
  const parent = threaded(c);
  const bundle = c.bundle({ config: below(`${parent}/of`, { memory: { limit: megabytes(64) } }) });
  const before = [...shape(parent), ...shape(`${parent}/of`)];
  await c.fails(
    ["create", "-b", bundle.directory, c.id],
    /"memory" cannot be enabled below "[^"]+": EOPNOTSUPP \(.*\): it is threaded|domain controllers/,
  );
  assert.deepEqual([...shape(parent), ...shape(`${parent}/of`)], before);
});

/** Options of the file system behind the host's mount, which a mount in its first cgroup namespace would set. */
const hostOptions = (): string => / \/sys\/fs\/cgroup .* - cgroup2 \S+ (\S+)/.exec(readFileSync("/proc/self/mountinfo", "utf8"))?.[1] ?? "";

const own = `${top}$(cut -d : -f 3 /proc/self/cgroup)`;

for (const type of ["cgroup", "cgroup2"]) {
  testOn(
    ["v2"],
    `without a cgroup namespace a mount of type ${type} shows the whole hierarchy, as /proc/self/cgroup names it`,
    async (c) => {
      const before = hostOptions();
      assert.match(before, /nsdelegate/);
      const seen = await c.shell(
        `cat ${own}/cgroup.type; test -e ${top}/cgroup.type || echo root; touch ${top}/cgroup.procs 2>&1; true`,
        (config) => {
          for (const mount of config.mounts) if (mount.type === "cgroup") mount.type = type;
          withoutNamespaces(config, "cgroup");
        },
      );
      assert.match(seen, /^domain\nroot\ntouch: .*Read-only file system$/);
      assert.equal(hostOptions(), before);
    },
  );
}

testOn(["v2"], "in a joined cgroup namespace a mount of type cgroup shows what that has at its root", async (c) => {
  const owner = c.otherId("owner");
  await c.createAndStart(c.bundle({ config: (config) => setNamespace(config, "cgroup") }), [], { id: owner });
  const { pid } = await c.state(owner);
  const before = hostOptions();
  const line = `stat -c %i ${top}; cat ${top}/cgroup.type 2>&1; true`;
  const join = (path: string) => (config: Config) => setNamespace(config, "cgroup", path);
  const inode = statSync(`${top}${cgroupOf(pid, "")}`).ino;
  assert.equal(await c.shell(line, join(`/proc/${pid}/ns/cgroup`)), `${inode}\ndomain`);
  // The caller's own by its path: as without one.
  assert.match(await c.shell(line, join("/proc/self/ns/cgroup")), new RegExp(`^${statSync(top).ino}\n.*No such file`));
  assert.equal(hostOptions(), before);
});

testOn(
  ["v2"],
  "in a user namespace without a cgroup namespace a mount of type cgroup shows the container's own cgroup alone",
  async (c) => {
    const bundle = mappedBundle(c, { args: ["cat", `${top}/cgroup.type`], config: (config) => withoutNamespaces(config, "cgroup") });
    assert.equal((await c.run(bundle)).stdout, "domain\n");
  },
);
