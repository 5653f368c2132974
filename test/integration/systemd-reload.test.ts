/**
 * What systemd does to containers behind the runtime's back: it writes the files of its units anew at every `daemon-reload` and
 * `set-property`. Limits and device rules must be the same before and after, or be refused.
 */
import assert from "node:assert/strict";
import { statSync, writeFileSync } from "node:fs";
import { diskOnBfq } from "./harness/bfq.js";
import { cgroupDirectory } from "./harness/cgroups.js";
import { exclusive } from "./harness/environment.js";
import { until } from "./harness/execute.js";
import { megabyte, prefix, properties, reload, setProperty, settings, start, test, testOnV2 } from "./harness/systemd.js";
import type { Config, DeviceRule, Resources } from "./harness/config.js";
import type { Context } from "./harness/context.js";

/** A device that throttles can name. */
const disk = statSync("/dev/vda", { throwIfNoEntry: false }) ? "254:0" : "7:0";
const [major = 0, minor = 0] = disk.split(":").map(Number);

/** Starts a container with these resources; its files must hold what is expected, also after systemd has written them. */
async function survives(c: Context, resources: Resources, expected: Record<string, string>): Promise<string> {
  const pid = await start(c, { config: (config) => Object.assign(config.linux.resources, resources) });
  const directory = cgroupDirectory(pid, "");
  const unit = `${prefix}-${c.id}.scope`;
  const before = settings(directory);
  const chosen = (all: Record<string, string>): Record<string, string | undefined> =>
    Object.fromEntries(Object.keys(expected).map((file) => [file, all[file]]));
  assert.deepEqual(chosen(before), expected);
  await reload(directory);
  assert.deepEqual(settings(directory), before, "after a reload");
  await setProperty(directory, unit);
  assert.deepEqual(settings(directory), { ...before, "pids.max": "4001" }, "after set-property");
  return unit;
}

testOnV2("limits of config.json outlive a reload of systemd and a property that is set", async (c) => {
  const rate = (value: number): object[] => [{ major, minor, rate: value }];
  const resources = {
    memory: { limit: 64 * megabyte, swap: 96 * megabyte, reservation: 32 * megabyte },
    cpu: { shares: 512, quota: 12345, period: 50000, burst: 1000, cpus: "0", mems: "0" },
    pids: { limit: 33 },
    blockIO: { weight: 500, throttleReadBpsDevice: rate(1000001), throttleWriteIOPSDevice: rate(1004) },
    hugepageLimits: [{ pageSize: "2MB", limit: 4 * megabyte }],
  };
  await survives(c, resources, {
    "memory.max": String(64 * megabyte),
    "memory.swap.max": String(32 * megabyte),
    "memory.low": String(32 * megabyte),
    "cpu.weight": "59",
    "cpu.max": "12500 50000",
    "cpu.max.burst": "1000",
    "cpuset.cpus": "0",
    "cpuset.mems": "0",
    "pids.max": "33",
    "io.weight": "default 4950",
    "io.max": `${disk} rbps=1000001 wbps=max riops=max wiops=1004`,
    "hugetlb.2MB.max": String(4 * megabyte),
  });
});

testOnV2("unified outlives a reload of systemd and a property that is set, in every form that the kernel takes", async (c) => {
  const unified = {
    "memory.max": "64M",
    "memory.high": "0x3000000",
    "memory.low": "8m",
    "memory.min": " 4k ",
    "memory.swap.max": "1M",
    "memory.swap.high": "2M",
    "memory.zswap.max": "3M",
    "memory.oom.group": "1",
    "pids.max": "0x21",
    "cpu.max": "30000  50000",
    "cpu.max.burst": "1000",
    "cpu.weight": "050",
    "cpuset.cpus": "0-1:1/2",
    "cpuset.mems": " 0",
    "io.weight": "300",
    "io.max": `${disk} rbps=1048576\n${disk} wiops=100`,
    "hugetlb.2MB.max": "4M",
    "cgroup.max.depth": "5",
  };
  const unit = await survives(
    c,
    { unified },
    {
      "memory.max": String(64 * megabyte),
      "memory.high": String(48 * megabyte),
      "memory.low": String(8 * megabyte),
      "memory.min": "4096",
      "memory.swap.max": String(megabyte),
      "memory.swap.high": String(2 * megabyte),
      "memory.zswap.max": String(3 * megabyte),
      "memory.oom.group": "1",
      "pids.max": "33",
      "cpu.max": "30000 50000",
      "cpu.max.burst": "1000",
      "cpu.weight": "40",
      "cpuset.cpus": "0",
      "cpuset.mems": "0",
      "io.weight": "default 300",
      "io.max": `${disk} rbps=1048576 wbps=max riops=max wiops=100`,
      "hugetlb.2MB.max": String(4 * megabyte),
      "cgroup.max.depth": "5",
    },
  );
  assert.deepEqual(properties(unit, "MemoryMax", "OOMPolicy"), { MemoryMax: String(64 * megabyte), OOMPolicy: "kill" });
});

for (const [what, resources] of [
  ["cpu.idle", { cpu: { idle: 1 } }],
  ["cpu.idle beside shares", { cpu: { idle: 1, shares: 512 } }],
  ["unified cpu.idle beside a weight", { unified: { "cpu.idle": "1", "cpu.weight": "50" } }],
] as [string, Resources][]) {
  testOnV2(`${what} outlives a reload of systemd and a property that is set`, async (c) => {
    await survives(c, resources, { "cpu.idle": "1", "cpu.weight": "0" });
  });
}

if (exclusive) {
  testOnV2("weights of BFQ outlive a reload of systemd and a property that is set", async (c) => {
    const bfq = diskOnBfq(c);
    const blockIO = { weight: 500, weightDevice: [{ ...bfq, weight: 700 }] };
    await survives(c, { blockIO }, { "io.bfq.weight": `default 500\n${bfq.major}:${bfq.minor} 700` });
  });
}

testOnV2("limits that systemd would undo are refused by name, and nothing is left", async (c) => {
  const refused: [config: (config: Config) => void, message: RegExp][] = [
    [
      ({ linux }) => (linux.resources.unified = { "cpu.weight.nice": "5" }),
      /\/linux\/resources\/unified\/cpu\.weight\.nice: systemd would undo it, because it has no such property: set "cpu\.weight"/,
    ],
    [
      ({ linux }) => (linux.resources.unified = { "memory.max": "64MB" }),
      /\/linux\/resources\/unified\/memory\.max: systemd does not take "64MB": allowed is "max" or a number of bytes above 0/,
    ],
    [
      ({ linux }) => (linux.resources.unified = { "cpuset.cpus": "all" }),
      /\/linux\/resources\/unified\/cpuset\.cpus: systemd does not take "all": allowed is a list such as 0-2,4/,
    ],
    [
      (config) => {
        config.linux.resources.pids = { limit: 33 };
        config.annotations = { "org.systemd.property.TasksMax": "uint64 50" };
      },
      /\/annotations\/org\.systemd\.property\.TasksMax: it contradicts \/linux\/resources\/pids\/limit, which is the same property/,
    ],
  ];
  for (const [config, message] of refused) {
    const { directory } = c.bundle({ config });
    await c.fails(["--systemd-cgroup", "create", "-b", directory, c.id], message);
    assert.notEqual(properties(`${prefix}-${c.id}.scope`, "ActiveState")["ActiveState"], "active");
  }
});

interface DeviceCase {
  name: string;
  rules: DeviceRule[];
  /** `probe open` lines and what they print; a device without a driver is ENXIO. */
  tries: [line: string, seen: RegExp][];
}

const denyAll = { allow: false, access: "rwm" };
const devices: DeviceCase[] = [
  {
    name: "all character devices",
    rules: [denyAll, { allow: true, type: "c", access: "rwm" }],
    tries: [
      ["rw /dev/kmsgx", /^opened$/],
      ["r /dev/diskx", /^EPERM$/],
    ],
  },
  {
    name: "all character and all block devices, told apart",
    rules: [denyAll, { allow: true, type: "c", access: "rwm" }, { allow: true, type: "b", access: "rwm" }],
    tries: [
      ["rw /dev/kmsgx", /^opened$/],
      ["r /dev/diskx", /^opened$/],
    ],
  },
  {
    name: "one access of all block devices",
    rules: [denyAll, { allow: true, type: "b", access: "r" }],
    tries: [
      ["r /dev/diskx", /^opened$/],
      ["w /dev/diskx", /^EPERM$/],
    ],
  },
  {
    name: "two accesses of one device in two rules",
    rules: [
      denyAll,
      { allow: true, type: "c", major: 1, minor: 11, access: "r" },
      { allow: true, type: "c", major: 1, minor: 11, access: "w" },
    ],
    tries: [
      ["rw /dev/kmsgx", /^opened$/],
      ["r /dev/diskx", /^EPERM$/],
    ],
  },
  {
    name: "an access of a major and one of a device of it",
    rules: [denyAll, { allow: true, type: "c", major: 1, access: "r" }, { allow: true, type: "c", major: 1, minor: 11, access: "w" }],
    tries: [["rw /dev/kmsgx", /^opened$/]],
  },
  {
    name: "a major without a driver",
    rules: [denyAll, { allow: true, type: "b", major: 43, access: "rwm" }],
    tries: [
      ["r /dev/nbdx", /^ENXIO$/],
      ["r /dev/kmsgx", /^EPERM$/],
    ],
  },
  {
    name: "a minor of any major, which systemd cannot say",
    rules: [denyAll, { allow: true, type: "c", minor: 11, access: "rw" }],
    tries: [
      ["rw /dev/kmsgx", /^opened$/],
      ["r /dev/diskx", /^EPERM$/],
    ],
  },
  {
    name: "everything but one device",
    rules: [
      { allow: true, access: "rwm" },
      { allow: false, type: "c", major: 1, minor: 11, access: "rwm" },
    ],
    tries: [
      ["r /dev/diskx", /^opened$/],
      ["r /dev/kmsgx", /^EPERM$/],
    ],
  },
];

for (const { name, rules, tries } of devices) {
  testOnV2(`device rules mean the same with systemd, also after a reload: ${name}`, async (c) => {
    const opens = tries.map(([line]) => `probe open ${line}`).join("; ");
    const bundle = c.bundle({
      args: ["sh", "-c", `${opens}; while [ ! -e /go ]; do sleep 0.1; done; ${opens}; probe wait`],
      config: (config) => {
        config.linux.resources.devices = rules;
        // Debian keeps the kernel's log from others.
        config.process.capabilities = { bounding: ["CAP_SYSLOG"], permitted: ["CAP_SYSLOG"], effective: ["CAP_SYSLOG"] };
        config.linux.devices = [
          { type: "c", path: "/dev/kmsgx", major: 1, minor: 11, fileMode: 0o666 },
          { type: "b", path: "/dev/diskx", major, minor, fileMode: 0o666 },
          { type: "b", path: "/dev/nbdx", major: 43, minor: 0, fileMode: 0o666 },
        ];
      },
    });
    c.deleteLater();
    const started = await c.startRuntime(["--systemd-cgroup", "run", "-d", "-b", bundle.directory, c.id]);
    assert.equal((await started.wait()).status, 0, started.errors());
    const seen = (from: number): string[] =>
      started
        .output()
        .split("\n")
        .slice(from, from + tries.length);
    await until("the program tried its devices", () => started.output().split("\n").length > tries.length);
    const before = seen(0);
    tries.forEach(([line, expected], index) => assert.match(before[index] ?? "", expected, line));
    await reload(cgroupDirectory((await c.state()).pid, ""));
    writeFileSync(`${bundle.rootfs}/go`, "");
    await until("the program tried its devices again", () => started.output().split("\n").length > 2 * tries.length);
    assert.deepEqual(seen(tries.length), before);
  });
}

test("limits and the device filter outlive a reload of systemd", async (c) => {
  const script = "while [ ! -e /go ]; do sleep 0.1; done; probe open rw /dev/fuse; probe open r /dev/null; probe wait";
  const bundle = c.bundle({
    args: ["sh", "-c", script],
    config: (config) => {
      config.linux.resources.pids = { limit: 33 };
      config.linux.devices = [{ type: "c", path: "/dev/fuse", major: 10, minor: 229, fileMode: 0o666 }];
    },
  });
  c.deleteLater();
  const started = await c.startRuntime(["--systemd-cgroup", "run", "-d", "-b", bundle.directory, c.id]);
  assert.equal((await started.wait()).status, 0, started.errors());
  await reload(cgroupDirectory((await c.state()).pid, "pids"));
  writeFileSync(`${bundle.rootfs}/go`, "");
  await until("the program tried its devices", () => started.output().split("\n").length > 2);
  assert.match(started.output(), /^EPERM\nopened\n/);
});
