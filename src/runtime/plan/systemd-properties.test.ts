import t from "tap";
import { check } from "../spec/check.js";
import { configuration } from "../spec/fixtures/configurations.js";
import { unitRules } from "./systemd.js";
import { planDeviceRules } from "./cgroup-devices.js";
import { annotationProperties, deviceProperties, limitProperties } from "./systemd-properties.js";

const MAX = "18446744073709551615";

function limits(values: [file: string, value: string][], v2 = true): Record<string, unknown> {
  const writes = values.map(([file, value]) => ({ path: `/sys/fs/cgroup/a/${file}`, value, pointer: "/p" }));
  return Object.fromEntries(limitProperties(writes, v2).map(({ name, value }) => [name, value]));
}

t.test("limits of cgroup v2 as properties", async (t) => {
  t.same(limits([["memory.max", "4096"]]), { MemoryMax: "4096" });
  t.same(limits([["memory.max", "max"]]), { MemoryMax: MAX });
  t.same(
    limits([
      ["memory.low", "1"],
      ["memory.high", "2"],
      ["memory.min", "3"],
      ["memory.swap.max", "4"],
    ]),
    {
      MemoryLow: "1",
      MemoryHigh: "2",
      MemoryMin: "3",
      MemorySwapMax: "4",
    },
  );
  t.same(
    limits([
      ["pids.max", "max"],
      ["cpu.weight", "59"],
      ["io.weight", "default 300"],
    ]),
    { TasksMax: MAX, CPUWeight: "59", IOWeight: "300" },
  );
  t.same(
    limits([
      ["cpuset.cpus", "0-2,9"],
      ["cpuset.mems", "0"],
    ]),
    { AllowedCPUs: [7, 2], AllowedMemoryNodes: [1] },
  );
  t.same(
    limits([
      ["hugetlb.2MB.max", "1"],
      ["io.max", "8:0 rbps=1"],
      ["io.weight", "8:0 100"],
      ["cpu.idle", "1"],
    ]),
    {},
  );
});

t.test("a quota is rounded up to systemd's step, for its period", async (t) => {
  t.same(limits([["cpu.max", "50500 200000"]]), { CPUQuotaPerSecUSec: "260000", CPUQuotaPeriodUSec: "200000" });
  t.same(limits([["cpu.max", "50000"]]), { CPUQuotaPerSecUSec: "500000" });
  t.same(limits([["cpu.max", "max 50000"]]), { CPUQuotaPerSecUSec: MAX, CPUQuotaPeriodUSec: "50000" });
});

t.test("a later write overrides an earlier one", async (t) => {
  t.same(
    limits([
      ["memory.max", "1"],
      ["memory.max", "2"],
      ["cpu.max", "1000 100000"],
      ["cpu.max", "max"],
    ]),
    {
      MemoryMax: "2",
      CPUQuotaPerSecUSec: MAX,
      CPUQuotaPeriodUSec: "100000",
    },
  );
});

t.test("limits of cgroup v1 have other properties, and cpusets none", async (t) => {
  const values: [string, string][] = [
    ["cpu.shares", "512"],
    ["cpu.cfs_period_us", "200000"],
    ["cpu.cfs_quota_us", "50000"],
    ["cpuset.cpus", "0"],
    ["memory.limit_in_bytes", "-1"],
    ["blkio.weight", "300"],
    ["pids.max", "5"],
  ];
  t.same(limits(values, false), {
    CPUShares: "512",
    CPUQuotaPerSecUSec: "250000",
    CPUQuotaPeriodUSec: "200000",
    MemoryLimit: MAX,
    BlockIOWeight: "300",
    TasksMax: "5",
  });
});

const DEVICES = "Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n  7 loop\n";

t.test("device rules are a list of what is allowed", async (t) => {
  const [policy, allow] = deviceProperties(planDeviceRules([{ allow: true, type: "b", major: 7, access: "r" }]), DEVICES);
  t.match(policy, { name: "DevicePolicy", signature: "s", value: "strict" });
  t.match(allow, { name: "DeviceAllow", signature: "a(ss)" });
  const entries = ((allow?.value ?? []) as string[][]).map((entry) => entry.join(" "));
  for (const entry of ["block-loop r", "block-* m", "char-* m", "/dev/char/1:3 rwm", "char-pts rwm"]) t.ok(entries.includes(entry), entry);
});

t.test("a driver that the host does not have allows nothing", async (t) => {
  const [, allow] = deviceProperties(
    [
      { allow: false, kind: "a", major: null, minor: null, access: "rwm" },
      { allow: true, kind: "c", major: 99, minor: null, access: "r" },
    ],
    DEVICES,
  );
  t.same(allow?.value, []);
});

t.test("rules that are no such list are left to the container's own filter", async (t) => {
  t.same(deviceProperties(planDeviceRules([{ allow: true, access: "rwm" }]), DEVICES), []);
  t.same(deviceProperties(planDeviceRules([{ allow: false, type: "c", major: 1, minor: 3, access: "w" }]), DEVICES), []);
});

t.test("annotations are properties; seconds become microseconds", async (t) => {
  const annotations = {
    other: "x",
    "org.systemd.property.CollectMode": "'inactive-or-failed'",
    "org.systemd.property.TimeoutStopSec": "uint64 5",
    "org.systemd.property.RuntimeMaxSec": "1.5",
  };
  const found = annotationProperties(annotations).map(({ name, signature, value }) => [name, signature, value]);
  t.same(found, [
    ["CollectMode", "s", "inactive-or-failed"],
    ["TimeoutStopUSec", "t", "5000000"],
    ["RuntimeMaxUSec", "t", "1500000"],
  ]);
});

t.test("annotations that are no properties are faults, told with those of cgroupsPath", async (t) => {
  const spec = configuration(({ linux }) => (linux.cgroupsPath = "a:b"));
  const faults = (annotations: Record<string, string>): string[] =>
    check({ ...spec, annotations }, unitRules, { rootless: false }).map(({ pointer, found, allowed }) => `${pointer} ${found} ${allowed}`);
  const path = '/linux/cgroupsPath "a:b" slice:prefix:name with --systemd-cgroup';
  const noProperty = "nothing: after org.systemd.property. comes the name of a scope's property, but PIDs and Slice";
  const cases: [name: string, text: string, allowed: string][] = [
    ["A", "true", noProperty],
    ["PIDs", "[uint32 1]", noProperty],
    ["Slice", "'a.slice'", noProperty],
    ["Nice", "what", "a value in GVariant text such as 'text', true or uint64 5"],
    ["TimeoutStopSec", "-1", "a number of seconds that is not negative"],
  ];
  for (const [name, text, allowed] of cases) {
    const key = `org.systemd.property.${name}`;
    t.same(faults({ [key]: text }), [path, `/annotations/${key} "${text}" ${allowed}`]);
  }
  t.same(faults({ "org.systemd.property.Nice": "5" }), [path]);
});
