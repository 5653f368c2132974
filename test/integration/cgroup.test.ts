/**
 * config.json's cgroupsPath and resources, read back from the hierarchies (runtime-spec, config-linux.md#control-groups).
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { test, testOn } from "./harness/suite.js";
import { isTsrunc } from "./harness/environment.js";
import { describe, until } from "./harness/execute.js";
import {
  cgroupDirectory,
  cgroupOf,
  cgroupsOf,
  hierarchies,
  hierarchyOf,
  membership,
  mountPointOf,
  readCgroup,
  unifiedHierarchy,
} from "./harness/cgroups.js";
import { limit, limited } from "./harness/limits.js";
import type { Config, DeviceRule, Resources } from "./harness/config.js";
import type { Context } from "./harness/context.js";

const megabyte = 1024 * 1024;

/** The tests' own cgroup in the hierarchy mounted at `mountPoint`: a relative cgroupsPath may start there or at the root. */
function own(mountPoint: string): string {
  const controllers = hierarchies().find((hierarchy) => hierarchy.mountPoint === mountPoint)?.controllers ?? [];
  return [...cgroupsOf("self")].find(([names]) => names === controllers.join(","))?.[1] ?? "";
}

/** Makes the cgroup `name` in the hierarchy of a controller; removed after the test. */
function cgroupOnHost(c: Context, controller: string, name: string): string {
  const directory = `${mountPointOf(controller)}/${name}`;
  mkdirSync(directory);
  c.defer(() => rmdirSync(directory));
  return directory;
}

test("an absolute cgroupsPath is the container's cgroup in every hierarchy", async (c) => {
  const path = `/${c.id}-named`;
  await c.create(c.bundle({ config: (config) => (config.linux.cgroupsPath = path) }));
  const { pid } = await c.state();
  const version2Counts = hierarchies().length === 1;
  for (const [controllers, actual] of cgroupsOf(pid)) if (controllers !== "" || version2Counts) assert.equal(actual, path, controllers);
  for (const hierarchy of hierarchies()) {
    if (hierarchy.version === 2 && !version2Counts) continue;
    assert.ok(readFileSync(`${hierarchy.mountPoint}${path}/cgroup.procs`, "utf8").split("\n").includes(String(pid)), hierarchy.mountPoint);
  }
});

testOn(["hybrid"], "the v2 hierarchy of a hybrid host is used as well", async (c) => {
  await c.create(c.bundle({ config: (config) => (config.linux.cgroupsPath = `/${c.id}-named`) }));
  assert.equal(cgroupsOf((await c.state()).pid).get(""), `/${c.id}-named`);
});

test("without cgroupsPath the cgroup is named after the container", async (c) => {
  await c.create(c.bundle());
  for (const [controllers, path] of cgroupsOf((await c.state()).pid)) assert.ok(path.endsWith(`/${c.id}`), `${controllers}: ${path}`);
});

test("a nested cgroupsPath is made and removed, its existing parents are kept", async (c) => {
  const parent = `${c.id}-parent`;
  for (const { mountPoint } of hierarchies()) {
    mkdirSync(`${mountPoint}/${parent}`);
    c.defer(() => rmdirSync(`${mountPoint}/${parent}`));
  }
  await c.createAndStart(c.bundle({ config: (config) => (config.linux.cgroupsPath = `/${parent}/child`) }));
  const { pid } = await c.state();
  assert.equal(cgroupOf(pid, "memory"), `/${parent}/child`);
  await c.ok(["delete", "-f", c.id]);
  for (const { mountPoint } of hierarchies()) {
    assert.ok(existsSync(`${mountPoint}/${parent}`));
    assert.ok(!existsSync(`${mountPoint}/${parent}/child`));
  }
});

test("parents of the cgroup that create had to make are usable for cpuset", async (c) => {
  const parent = `${c.id}-parent`;
  c.defer(() => {
    for (const { mountPoint } of hierarchies()) if (existsSync(`${mountPoint}/${parent}`)) rmdirSync(`${mountPoint}/${parent}`);
  });
  await c.create(c.bundle({ config: (config) => (config.linux.cgroupsPath = `/${parent}/child`) }));
  const directory = cgroupDirectory((await c.state()).pid, "cpuset");
  const suffix = hierarchyOf("cpuset") ? "" : ".effective";
  assert.match(readCgroup(directory, `cpuset.cpus${suffix}`) ?? "", /^\d/);
  assert.match(readCgroup(directory, `cpuset.mems${suffix}`) ?? "", /^\d/);
  await c.ok(["delete", "-f", c.id]);
});

test("a relative cgroupsPath stays within the hierarchy", async (c) => {
  c.defer(() => {
    for (const { mountPoint } of hierarchies()) {
      for (const folder of [
        `${mountPoint}${own(mountPoint)}/some/where`,
        `${mountPoint}${own(mountPoint)}/some`,
        `${mountPoint}/some/where`,
        `${mountPoint}/some`,
      ])
        if (existsSync(folder)) rmdirSync(folder);
    }
  });
  await c.create(c.bundle({ config: (config) => (config.linux.cgroupsPath = `some/where/${c.id}-rel`) }));
  for (const [controllers, path] of cgroupsOf((await c.state()).pid)) {
    assert.ok(path.startsWith("/") && !path.includes("..") && path.endsWith(`${c.id}-rel`), `${controllers}: ${path}`);
  }
});

test("the program and all its descendants are in the cgroup from the first instruction", async (c) => {
  const seen = await c.shell("cat /proc/self/cgroup; echo; (cat /proc/self/cgroup)");
  const paths = seen.split("\n\n").flatMap((text) => [...membership(text).values()]);
  assert.ok(paths.length >= 2, seen);
  for (const path of paths) assert.ok(path.endsWith(`/${c.id}`), path);
});

test("sub-cgroups that the container made are removed by delete", async (c) => {
  await c.createAndStart(c.bundle());
  const directory = cgroupDirectory((await c.state()).pid, "pids");
  mkdirSync(`${directory}/sub`);
  mkdirSync(`${directory}/sub/deeper`);
  await c.ok(["delete", "-f", c.id]);
  assert.ok(!existsSync(directory));
});

test("memory: limit, reservation, swap and swappiness", async (c) => {
  const swappiness = hierarchyOf("memory") && { swappiness: 17 };
  const pid = await limited(c, { memory: { limit: 64 * megabyte, reservation: 32 * megabyte, swap: 96 * megabyte, ...swappiness } });
  assert.equal(limit(pid, "memory", "memory.limit_in_bytes", "memory.max"), String(64 * megabyte));
  assert.equal(limit(pid, "memory", "memory.soft_limit_in_bytes", "memory.low"), String(32 * megabyte));
  const swap = limit(pid, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max");
  assert.equal(swap, String((hierarchyOf("memory") ? 96 : 32) * megabyte));
  if (hierarchyOf("memory")) assert.equal(limit(pid, "memory", "memory.swappiness"), "17");
});

test("memory: -1 is no limit, and swap alone may be unlimited", async (c) => {
  const pid = await limited(c, { memory: { limit: 64 * megabyte, swap: -1 } });
  assert.equal(limit(pid, "memory", "memory.limit_in_bytes", "memory.max"), String(64 * megabyte));
  const swap = limit(pid, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max") ?? "";
  assert.ok(swap === "max" || BigInt(swap) > 2n ** 60n, swap);
});

testOn(["v2"], "memory: swap may have a limit where memory has none", async (c) => {
  const pid = await limited(c, { memory: { limit: -1, swap: 96 * megabyte } });
  assert.equal(limit(pid, "memory", "", "memory.max"), "max");
  assert.equal(limit(pid, "memory", "", "memory.swap.max"), String(96 * megabyte));
});

testOn(["v1", "hybrid"], "memory: disableOOMKiller", async (c) => {
  const pid = await limited(c, { memory: { limit: 64 * megabyte, disableOOMKiller: true } });
  assert.match(limit(pid, "memory", "memory.oom_control") ?? "", /^oom_kill_disable 1$/m);
});

test("memory: a limit is enforced, and run returns 137 for a program that it killed", async (c) => {
  const bundle = c.bundle({
    args: ["sh", "-c", "exec tail -c 100m /dev/zero"],
    config: (config) => (config.linux.resources.memory = { limit: 8 * megabyte, swap: 8 * megabyte }),
  });
  const result = await c.run(bundle);
  assert.equal(result.status, 137, describe(result));
});

test("memory: a limit that is too small for init is an error that says so", async (c) => {
  const bundle = c.bundle({ config: (config) => (config.linux.resources.memory = { limit: 4096, swap: 4096 }) });
  const result = await c.runtime(["create", "-b", bundle.directory, c.id]);
  assert.equal(result.status, 1, describe(result));
  assert.match(result.stderr, /memory|OOM/);
});

test("cpu: shares, quota, period, burst and idle", async (c) => {
  const pid = await limited(c, { cpu: { shares: 512, quota: 50000, period: 200000 } });
  if (hierarchyOf("cpu")) assert.equal(limit(pid, "cpu", "cpu.shares"), "512");
  else assert.equal(limit(pid, "cpu", "", "cpu.weight"), "59");
  assert.equal(limit(pid, "cpu", "cpu.cfs_quota_us", "cpu.max"), hierarchyOf("cpu") ? "50000" : "50000 200000");
  if (hierarchyOf("cpu")) assert.equal(limit(pid, "cpu", "cpu.cfs_period_us"), "200000");
});

test("cpu: burst and idle", async (c) => {
  const pid = await limited(c, { cpu: { quota: 50000, period: 100000, burst: 20000 } });
  assert.equal(limit(pid, "cpu", "cpu.cfs_burst_us", "cpu.max.burst"), "20000");
  await c.ok(["delete", "-f", c.id]);
  const idle = await limited(c, { cpu: { idle: 1 } });
  assert.equal(limit(idle, "cpu", "cpu.idle"), "1");
});

test("cpu: a quota above the default period alone is taken", async (c) => {
  const pid = await limited(c, { cpu: { quota: 150000 } });
  assert.equal(limit(pid, "cpu", "cpu.cfs_quota_us", "cpu.max")?.split(" ")[0], "150000");
});

test("cpuset: cpus and mems", async (c) => {
  const pid = await limited(c, { cpu: { cpus: "0", mems: "0" } });
  assert.equal(limit(pid, "cpuset", "cpuset.cpus"), "0");
  assert.equal(limit(pid, "cpuset", "cpuset.mems"), "0");
  assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), /^Cpus_allowed_list:\t0$/m);
});

test("cpuset: cpus that the host does not have are refused", async (c) => {
  const bundle = c.bundle({ config: (config) => (config.linux.resources.cpu = { cpus: "4000" }) });
  await c.fails(["create", "-b", bundle.directory, c.id], /cpuset\.cpus/);
});

test("pids: the limit is set and enforced", async (c) => {
  const pid = await limited(c, { pids: { limit: 12 } }, [
    "sh",
    "-c",
    "(i=0; while [ $i -lt 30 ]; do sleep 100 & i=$((i+1)); done); exec sleep 100",
  ]);
  assert.equal(limit(pid, "pids", "pids.max"), "12");
  const directory = cgroupDirectory(pid, hierarchyOf("pids") ? "pids" : "");
  await until("the limit is hit", () => /max [1-9]/.test(readCgroup(directory, "pids.events") ?? ""));
  assert.ok(Number(readCgroup(directory, "pids.current")) <= 12);
});

test("pids: 0 leaves room for the container's first process alone", async (c) => {
  const limits = { pids: { limit: 0 } };
  const pid = await limited(c, limits);
  assert.equal(limit(pid, "pids", "pids.max"), "1");
  const bundle = c.bundle({ args: ["sh", "-c", "true & wait"], config: (config) => Object.assign(config.linux.resources, limits) });
  const result = await c.runtime(["run", "-b", bundle.directory, c.otherId("forks")]);
  assert.match(result.stderr, /can't fork|Resource temporarily unavailable/);
});

test("pids: -1 is no limit", async (c) => {
  assert.equal(limit(await limited(c, { pids: { limit: -1 } }), "pids", "pids.max"), "max");
});

testOn(["v1", "hybrid"], "devices: everything is denied but the default devices and the rules of the config", async (c) => {
  const pid = await limited(c, {
    devices: [
      { allow: false, access: "rwm" },
      { allow: true, type: "c", major: 10, minor: 229, access: "rw" },
      { allow: true, type: "b", major: 7, minor: 1, access: "r" },
      { allow: true, type: "c", major: 4, access: "rm" },
    ],
  });
  const list = limit(pid, "devices", "devices.list")?.split("\n").sort();
  const defaults = [
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:2 rwm",
    "c 136:* rwm",
  ];
  for (const rule of [...defaults, "c 10:229 rw", "b 7:1 r", "c 4:* rm"])
    assert.ok(list?.includes(rule), `${rule} is not in\n${list?.join("\n")}`);
  assert.ok(!list?.includes("a *:* rwm"));
});

test("devices: what is denied cannot be opened, and what is allowed can", async (c) => {
  const script =
    "probe open rw /dev/fuse; probe open r /dev/loopx; probe open w /dev/loopx; probe open rw /dev/null; probe mknod b 7 2 /x; probe open r /x; probe mknod c 1 3 /n; probe open r /n";
  const seen = await c.shell(script, (config) => {
    config.linux.devices = [
      { type: "c", path: "/dev/fuse", major: 10, minor: 229, fileMode: 0o666 },
      { type: "b", path: "/dev/loopx", major: 7, minor: 1, fileMode: 0o666 },
    ];
    config.linux.resources.devices?.push({ allow: true, type: "b", major: 7, minor: 1, access: "r" });
    config.process.capabilities = { bounding: ["CAP_MKNOD"], permitted: ["CAP_MKNOD"], effective: ["CAP_MKNOD"] };
  });
  const [fuse, loopRead, loopWrite, nothing, madeLoop, openLoop, madeNull, openNull] = seen.split("\n");
  assert.equal(fuse, "EPERM");
  assert.notEqual(loopRead, "EPERM"); // opened, or ENXIO where no loop device is set up
  assert.equal(loopWrite, "EPERM");
  assert.equal(nothing, "opened");
  assert.deepEqual([madeLoop, openLoop], ["made", "EPERM"]);
  assert.deepEqual([madeNull, openNull], ["made", "opened"]);
});

test("devices: all devices may be allowed", async (c) => {
  const seen = await c.shell("probe open rw /dev/fuse; probe open r /dev/null", (config) => {
    config.linux.devices = [{ type: "c", path: "/dev/fuse", major: 10, minor: 229, fileMode: 0o666 }];
    config.linux.resources.devices = [{ allow: true, access: "rwm" }];
  });
  assert.doesNotMatch(seen, /EPERM/);
});

test("devices: without rules of the config only the default devices are allowed", async (c) => {
  const seen = await c.shell("probe open rw /dev/fuse; probe open r /dev/zero; probe open rw /dev/ptmx", (config) => {
    config.linux.devices = [{ type: "c", path: "/dev/fuse", major: 10, minor: 229, fileMode: 0o666 }];
    delete config.linux.resources.devices;
  });
  assert.deepEqual(seen.split("\n").slice(1), ["opened", "opened"]);
});

/** Rules, and what a program may then do with devices: each a command of `probe` and its answer. */
const deviceRules: [title: string, rules: DeviceRule[], expected: Record<string, string>][] = [
  [
    "one device is denied of all",
    [
      { allow: true, access: "rwm" },
      { allow: false, type: "c", major: 1, minor: 11, access: "rwm" },
    ],
    { "mknod c 1 11 /k": "EPERM", "open r /dev/zero": "opened", "mknod c 1 3 /n": "made" },
  ],
  [
    "a default device is denied of all",
    [
      { allow: true, access: "rwm" },
      { allow: false, type: "c", major: 1, minor: 5, access: "rwm" },
    ],
    { "open r /dev/zero": "EPERM", "mknod c 1 5 /z": "EPERM", "open rw /dev/null": "opened" },
  ],
  [
    "a default device is denied after everything",
    [
      { allow: false, access: "rwm" },
      { allow: false, type: "c", major: 1, minor: 5, access: "rwm" },
    ],
    { "open r /dev/zero": "EPERM", "open rw /dev/null": "opened", "open rw /dev/ptmx": "opened" },
  ],
  [
    "one device is denied after everything, as Docker does",
    [
      { allow: false, access: "rwm" },
      { allow: false, type: "c", major: 10, minor: 229, access: "rwm" },
    ],
    { "mknod c 1 3 /n": "made", "open r /n": "opened", "mknod c 1 11 /k": "made", "open r /k": "EPERM" },
  ],
  [
    "writing to a default device is denied",
    [
      { allow: false, access: "rwm" },
      { allow: false, type: "c", major: 1, minor: 3, access: "w" },
    ],
    { "open r /dev/null": "opened", "open w /dev/null": "EPERM", "open rw /dev/zero": "opened" },
  ],
  [
    "reading from a whole major number is denied",
    [
      { allow: false, access: "rwm" },
      { allow: false, type: "c", major: 1, access: "r" },
    ],
    { "open r /dev/null": "EPERM", "open w /dev/null": "opened", "open r /dev/zero": "EPERM", "open rw /dev/ptmx": "opened" },
  ],
  [
    "making any node is denied",
    [
      { allow: true, access: "rwm" },
      { allow: false, access: "m" },
    ],
    { "mknod c 1 3 /n": "EPERM", "mknod b 7 0 /l": "EPERM", "open rw /dev/null": "opened" },
  ],
  [
    "an access that was denied is allowed again by a later rule",
    [
      { allow: true, access: "rwm" },
      { allow: false, type: "c", major: 1, minor: 5, access: "rwm" },
      { allow: true, type: "c", major: 1, minor: 5, access: "r" },
    ],
    { "open r /dev/zero": "opened", "open w /dev/zero": "EPERM" },
  ],
  [
    "everything is denied last",
    [
      { allow: true, type: "c", major: 10, minor: 229, access: "rwm" },
      { allow: false, access: "rwm" },
    ],
    { "open rw /dev/null": "opened", "open rw /dev/fuse": "EPERM" },
  ],
];

for (const [title, rules, expected] of deviceRules) {
  test(`devices: the rules every container has never allow what the configuration denies: ${title}`, async (c) => {
    const commands = Object.keys(expected);
    const seen = await c.shell(commands.map((command) => `probe ${command}`).join("; "), (config) => {
      config.linux.devices = [{ type: "c", path: "/dev/fuse", major: 10, minor: 229, fileMode: 0o666 }];
      config.linux.resources.devices = rules;
      config.process.capabilities = { bounding: ["CAP_MKNOD"], permitted: ["CAP_MKNOD"], effective: ["CAP_MKNOD"] };
    });
    const answers = seen.split("\n");
    for (const [index, command] of commands.entries()) assert.equal(answers[index], expected[command], `${command}\n${seen}`);
  });
}

test("devices: a device of config.json is there also where a rule denies to make it", async (c) => {
  const seen = await c.shell("stat -c %t:%T /dev/elsewhere; probe open r /dev/elsewhere; probe open rw /dev/null", (config) => {
    config.linux.devices = [{ type: "c", path: "/dev/elsewhere", major: 1, minor: 11, fileMode: 0o666 }];
    config.linux.resources.devices = [
      { allow: true, access: "rwm" },
      { allow: false, type: "c", major: 1, minor: 11, access: "rwm" },
    ];
  });
  assert.deepEqual(seen.split("\n"), ["1:b", "EPERM", "opened"]);
});

testOn(["v1", "hybrid"], "devices: a default rule that the parent cgroup does not have is left out", async (c) => {
  const devices = hierarchyOf("devices") ?? c.skip("devices is not mounted");
  const parent = `${devices.mountPoint}/${c.id}-strict`;
  mkdirSync(parent);
  c.defer(() => rmdirSync(parent));
  writeFileSync(`${parent}/devices.deny`, "a");
  for (const rule of ["c 1:3 rwm", "c 1:5 rwm", "c *:* m"]) writeFileSync(`${parent}/devices.allow`, rule);
  const seen = await c.shell("probe open rw /dev/null; probe open r /dev/zero; probe open r /dev/urandom", (config) => {
    config.linux.cgroupsPath = `/${c.id}-strict/${c.id}`;
  });
  assert.deepEqual(seen.split("\n"), ["opened", "opened", "EPERM"]);
  const asked = c.bundle({
    config: (config) => {
      config.linux.cgroupsPath = `/${c.id}-strict/${c.id}`;
      config.linux.resources.devices?.push({ allow: true, type: "c", major: 1, minor: 9, access: "r" });
    },
  });
  await c.fails(["create", "-b", asked.directory, c.id], /EPERM|operation not permitted/);
});

test("hugetlb: the limit is set, or refused by name where the controller is missing", async (c) => {
  const unified = unifiedHierarchy();
  const onVersion2 = unified !== undefined && readFileSync(`${unified.mountPoint}/cgroup.controllers`, "utf8").includes("hugetlb");
  const change = (config: Config): unknown => (config.linux.resources.hugepageLimits = [{ pageSize: "2MB", limit: 4 * megabyte }]);
  if (!hierarchyOf("hugetlb") && (!onVersion2 || (!isTsrunc && hierarchies().length > 1))) {
    // On a hybrid host runc uses only the hierarchies of version 1 for limits.
    await c.fails(["create", "-b", c.bundle({ config: (config) => void change(config) }).directory, c.id], /hugetlb/);
    return;
  }
  if (onVersion2) {
    const control = `${unified.mountPoint}/cgroup.subtree_control`;
    const enabled = readFileSync(control, "utf8").includes("hugetlb");
    c.defer(() => {
      if (!enabled) writeFileSync(control, "-hugetlb");
    });
  }
  await c.createAndStart(c.bundle({ config: (config) => void change(config) }));
  const { pid } = await c.state();
  assert.equal(limit(pid, "hugetlb", "hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max"), String(4 * megabyte));
});

test("hugetlb: an unknown page size is refused", async (c) => {
  const bundle = c.bundle({ config: (config) => (config.linux.resources.hugepageLimits = [{ pageSize: "3MB", limit: megabyte }]) });
  await c.fails(["create", "-b", bundle.directory, c.id], /3MB|hugetlb/);
});

const absent: [name: string, controller: string, resources: Resources][] = [
  ["network.classID", "net_cls", { network: { classID: 0x100001 } }],
  ["network.priorities", "net_prio", { network: { priorities: [{ name: "lo", priority: 7 }] } }],
  ["rdma", "rdma", { rdma: { mlx5_1: { hcaHandles: 3, hcaObjects: 10000 } } }],
];

for (const [name, controller, resources] of absent) {
  test(`${name} is carried out or refused by name, never ignored`, async (c) => {
    const bundle = c.bundle({ config: (config) => Object.assign(config.linux.resources, resources) });
    if (hierarchyOf(controller)) {
      await c.create(bundle);
      return;
    }
    const result = await c.runtime(["create", "-b", bundle.directory, c.id]);
    if (result.status === 0) c.deleteLater();
    assert.equal(result.status, 1, describe(result));
    if (isTsrunc) assert.match(result.stderr, new RegExp(name.split(".")[0] ?? ""));
  });
}

testOn(["v2"], "unified: the files of the cgroup are written, line by line, and override the other limits", async (c) => {
  const pid = await limited(c, {
    memory: { limit: 64 * megabyte },
    unified: {
      "memory.max": "50331648",
      "memory.high": "41943040",
      "cgroup.max.depth": "3",
      "io.max": "254:0 rbps=1000001\n254:16 wbps=1000002",
    },
  });
  const directory = cgroupDirectory(pid, "");
  assert.equal(readCgroup(directory, "memory.max"), "50331648");
  assert.equal(readCgroup(directory, "memory.high"), "41943040");
  assert.equal(readCgroup(directory, "cgroup.max.depth"), "3");
  assert.match(readCgroup(directory, "io.max") ?? "", /^254:0 rbps=1000001 /m);
  assert.match(readCgroup(directory, "io.max") ?? "", /^254:16 rbps=max wbps=1000002 /m);
});

for (const [field, resources] of [
  ["memory/swappiness", { memory: { swappiness: 10 } }],
  ["memory/disableOOMKiller", { memory: { disableOOMKiller: true } }],
  ["memory/kernelTCP", { memory: { kernelTCP: megabyte } }],
  ["cpu/realtimeRuntime", { cpu: { realtimeRuntime: 1000 } }],
  ["blockIO/leafWeight", { blockIO: { leafWeight: 100 } }],
] as const) {
  testOn(["v2"], `${field} is refused by name: cgroup v2 has no such thing`, async (c) => {
    const bundle = c.bundle({ config: (config) => Object.assign(config.linux.resources, resources) });
    await c.fails(["create", "-b", bundle.directory, c.id], new RegExp(`/linux/resources/${field}: cgroup v2 `));
  });
}

testOn(["v2"], "the container's cgroup has the controllers of the host", async (c) => {
  await c.create(c.bundle({ config: (config) => (config.linux.cgroupsPath = `/${c.id}-all`) }));
  const names = readCgroup(cgroupDirectory((await c.state()).pid, ""), "cgroup.controllers")?.split(" ") ?? [];
  const expected = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma"];
  assert.deepEqual(
    expected.filter((name) => !names.includes(name)),
    [],
  );
});

test("a create below a frozen cgroup fails at once, and works once it is thawed", async (c) => {
  const freezer = hierarchyOf("freezer") ?? unifiedHierarchy();
  assert.ok(freezer);
  const parent = `${freezer.mountPoint}/${c.id}`;
  mkdirSync(parent);
  c.defer(() => rmdirSync(parent));
  const [file, frozen, thawed] = freezer.version === 2 ? ["cgroup.freeze", "1", "0"] : ["freezer.state", "FROZEN", "THAWED"];
  writeFileSync(`${parent}/${file}`, frozen);
  c.defer(() => writeFileSync(`${parent}/${file}`, thawed));
  const bundle = c.bundle({ config: (config) => (config.linux.cgroupsPath = `/${c.id}/below`) });
  const result = await c.runtime(["create", "-b", bundle.directory, c.id], { timeoutSeconds: 10 });
  assert.equal(result.status, 1, describe(result));
  if (isTsrunc) assert.match(result.stderr, /use cgroup ".*\/below": a cgroup above it is frozen/);
  writeFileSync(`${parent}/${file}`, thawed);
  await c.create(bundle);
  await c.ok(["delete", "-f", c.id]);
});

test("cgroups that a container nests deeper than a path is long are removed with it", async (c) => {
  const pid = await limited(c, {});
  const name = hierarchyOf("freezer") ? "freezer" : "";
  const top = cgroupDirectory(pid, name);
  // By relative steps: no path can be that long.
  const remove = `const name = "x".repeat(200); let depth = 0; for (; fs.existsSync(name); depth++) process.chdir(name);
    for (; depth > 0; depth--) { process.chdir(".."); fs.rmdirSync(name); }`;
  c.defer(() => existsSync(top) && spawnSync(process.execPath, ["-e", remove], { cwd: top }));
  const nest = `const name = "x".repeat(200); for (let i = 0; i < 40; i++) { fs.mkdirSync(name); process.chdir(name); }`;
  const made = spawnSync(process.execPath, ["-e", nest], { cwd: top, encoding: "utf8" });
  assert.equal(made.status, 0, made.stderr);
  await c.ok(["delete", "-f", c.id]);
  assert.ok(!existsSync(top));
});

test("a value that the kernel refuses is an error that names the file, and nothing is left", async (c) => {
  const bundle = c.bundle({ config: (config) => (config.linux.resources.pids = { limit: 2 ** 61 }) });
  await c.fails(["create", "-b", bundle.directory, c.id], /pids\.max/);
});

test("a cgroup that holds processes already is refused", async (c) => {
  const directory = cgroupOnHost(c, "pids", `${c.id}-busy`);
  const sleeper = await c.companion("/bin/sleep", ["100"]);
  writeFileSync(`${directory}/cgroup.procs`, String(sleeper.pid));
  const bundle = c.bundle({ config: (config) => (config.linux.cgroupsPath = `/${c.id}-busy`) });
  const result = await c.runtime(["create", "-b", bundle.directory, c.id]);
  if (result.status === 0) c.deleteLater();
  assert.equal(result.status, 1, describe(result));
  assert.match(result.stderr, /cgroup/);
  assert.ok(existsSync(directory), "a cgroup of somebody else is not removed");
  assert.equal(readFileSync(`${directory}/cgroup.procs`, "utf8").trim(), String(sleeper.pid));
});

test("a frozen cgroup is refused", async (c) => {
  const directory = cgroupOnHost(c, "freezer", `${c.id}-frozen`);
  if (hierarchyOf("freezer")) writeFileSync(`${directory}/freezer.state`, "FROZEN");
  else writeFileSync(`${directory}/cgroup.freeze`, "1");
  const bundle = c.bundle({ config: (config) => (config.linux.cgroupsPath = `/${c.id}-frozen`) });
  const result = await c.runtime(["create", "-b", bundle.directory, c.id], { timeoutSeconds: 10 });
  assert.equal(result.status, 1, describe(result));
  assert.match(result.stderr, /frozen/i);
});

test("an empty cgroup that exists already is used", async (c) => {
  const directory = `${mountPointOf("pids")}/${c.id}-ready`;
  mkdirSync(directory);
  await c.create(c.bundle({ config: (config) => (config.linux.cgroupsPath = `/${c.id}-ready`) }));
  assert.equal(cgroupDirectory((await c.state()).pid, "pids"), directory);
});

test("two containers at once have cgroups and limits of their own", async (c) => {
  const second = c.otherId("second");
  await c.createAndStart(c.bundle({ config: (config) => (config.linux.resources.pids = { limit: 21 }) }));
  await c.createAndStart(c.bundle({ config: (config) => (config.linux.resources.pids = { limit: 22 }) }), [], { id: second });
  assert.equal(limit((await c.state()).pid, "pids", "pids.max"), "21");
  assert.equal(limit((await c.state(second)).pid, "pids", "pids.max"), "22");
});

test("a failed create removes the cgroups that it made", async (c) => {
  const bundle = c.bundle({ args: ["nosuchprogram"], config: (config) => (config.linux.cgroupsPath = `/${c.id}-failed`) });
  await c.fails(["create", "-b", bundle.directory, c.id], /executable file not found/);
  for (const { mountPoint } of hierarchies()) assert.ok(!readdirSync(mountPoint).includes(`${c.id}-failed`), mountPoint);
});

for (const place of ["that is made", "that was there"] as const) {
  test(`of several creates into one cgroup ${place} at once exactly one wins, and its processes live`, async (c) => {
    const path = `/${c.id}-shared`;
    const directories = hierarchies().map(({ mountPoint }) => `${mountPoint}${path}`);
    c.defer(() => directories.filter(existsSync).forEach((directory) => rmdirSync(directory)));
    const bundle = c.bundle({ config: (config) => (config.linux.cgroupsPath = path) });
    for (let round = 0; round < 3; round++) {
      if (place === "that was there") directories.forEach((directory) => mkdirSync(directory));
      const ids = Array.from({ length: 4 }, (_, index) => c.otherId(`${round}-${index}`));
      const results = await Promise.all(ids.map((id) => c.runtime(["create", "-b", bundle.directory, id])));
      ids.forEach((id) => c.deleteLater(id));
      const winners = ids.filter((_, index) => results[index]?.status === 0);
      assert.equal(winners.length, 1, results.map(describe).join("\n"));
      for (const loser of results.filter(({ status }) => status !== 0)) {
        assert.match(loser.stderr, /cgroup is not empty|is being created in it|unexpectedly frozen/, describe(loser));
      }
      const [id = ""] = winners;
      await c.ok(["start", id]);
      await c.status("running", id);
      await c.ok(["delete", "--force", id]);
      for (const directory of directories) assert.ok(!existsSync(directory), directory);
    }
  });
}
