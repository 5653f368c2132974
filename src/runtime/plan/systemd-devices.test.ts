import t from "tap";
import type { DeviceCgroup } from "../spec/generated/spec-types.js";
import { planDeviceRules } from "./cgroup-devices.js";
import { deviceProperties } from "./systemd-devices.js";
import type { DeviceFacts } from "./systemd-devices.js";

const NEW: DeviceFacts = { version: 252, deviceNames: "", v2: true };
const OLD: DeviceFacts = { version: 239, deviceNames: "Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n  7 loop\n", v2: true };
const DENY_ALL: DeviceCgroup = { allow: false, access: "rwm" };

/** DeviceAllow as `NAME ACCESS`; undefined if no property is set. */
function allowed(devices: readonly DeviceCgroup[], facts: DeviceFacts = NEW): string[] | undefined {
  const [policy, allow] = deviceProperties(planDeviceRules(devices), facts);
  if (!policy || !allow) return undefined;
  t.match(policy, { name: "DevicePolicy", signature: "s", value: "strict" });
  t.match(allow, { name: "DeviceAllow", signature: "a(ss)" });
  return (allow.value as string[][]).map((entry) => entry.join(" "));
}

const DEFAULT_NAMES = [
  ...["1:3", "1:8", "1:7", "5:0", "1:5", "1:9", "5:2", "10:200"].map((numbers) => `/dev/char/${numbers}`),
  "block-*",
  "char-*",
  "char-136",
].sort();

t.test("device rules are a list of what is allowed, each name once", async (t) => {
  const names = allowed([DENY_ALL])?.map((entry) => entry.split(" ")[0]);
  t.same(names?.sort(), DEFAULT_NAMES);
  const entries = allowed([{ allow: true, type: "b", major: 7, access: "r" }]) ?? [];
  for (const entry of ["block-7 rm", "block-* m", "char-* m", "/dev/char/1:3 rwm", "char-136 rwm"]) t.ok(entries.includes(entry), entry);
});

t.test("accesses of one name are merged", async (t) => {
  const cases: [DeviceCgroup[], string[]][] = [
    [
      [DENY_ALL, { allow: true, type: "c", access: "rwm" }],
      ["char-* rwm", "block-* m"],
    ],
    [
      [
        { allow: true, type: "c", access: "rwm" },
        { allow: true, type: "b", access: "rwm" },
      ],
      ["char-* rwm", "block-* rwm"],
    ],
    [[{ allow: true, type: "b", access: "r" }], ["block-* rm"]],
    [
      [
        { allow: true, type: "c", major: 1, minor: 11, access: "r" },
        { allow: true, type: "c", major: 1, minor: 11, access: "w" },
      ],
      ["/dev/char/1:11 rwm"],
    ],
  ];
  for (const [devices, expected] of cases) {
    const entries = allowed(devices) ?? [];
    for (const entry of expected) t.ok(entries.includes(entry), `${entry} among ${entries.join(", ")}`);
    t.equal(new Set(entries.map((entry) => entry.split(" ")[0])).size, entries.length, "every name once");
  }
});

t.test("an entry has the accesses of all that cover it, because systemd asks each for the whole of an access", async (t) => {
  const entries = allowed([
    { allow: true, type: "c", major: 1, access: "r" },
    { allow: true, type: "c", major: 1, minor: 11, access: "w" },
  ]);
  t.ok(entries?.includes("char-1 rm"));
  t.ok(entries?.includes("/dev/char/1:11 rwm"));
});

t.test("a major is named by its number, so that its driver may come later", async (t) => {
  t.ok(allowed([{ allow: true, type: "b", major: 43, access: "rwm" }])?.includes("block-43 rwm"));
  t.ok(allowed([{ allow: true, type: "c", major: 189, access: "rw" }])?.includes("char-189 rwm"));
});

t.test("a systemd that takes no numbers gets the driver's name, or on cgroup v2 no rules if there is none", async (t) => {
  t.ok(allowed([{ allow: true, type: "b", major: 7, access: "r" }], OLD)?.includes("block-loop rm"));
  const nbd: DeviceCgroup = { allow: true, type: "b", major: 43, access: "rwm" };
  t.same(allowed([nbd], OLD), undefined);
  t.same(allowed([nbd], { ...OLD, v2: false }), allowed([], { ...OLD, v2: false }));
});

t.test("what systemd cannot say is left to the container's own filter", async (t) => {
  const cases: DeviceCgroup[][] = [
    [{ allow: true, access: "rwm" }],
    [{ allow: false, type: "c", major: 1, minor: 3, access: "m" }],
    [
      { allow: true, type: "c", major: 1, access: "rw" },
      { allow: false, type: "c", major: 1, minor: 11, access: "w" },
    ],
    [{ allow: true, type: "c", minor: 11, access: "rw" }],
  ];
  for (const devices of cases) t.same(allowed(devices), undefined, JSON.stringify(devices));
});

t.test("a denial takes accesses away from what it covers", async (t) => {
  const entries = allowed([
    { allow: true, type: "c", major: 1, minor: 11, access: "rw" },
    { allow: false, type: "c", major: 1, minor: 11, access: "w" },
    { allow: false, type: "c", major: 1, minor: 3, access: "rw" },
    { allow: false, type: "b", major: 7, access: "w" },
  ]);
  t.ok(entries?.includes("/dev/char/1:11 rm"));
  t.ok(entries?.includes("/dev/char/1:3 m"));
  t.notOk(entries?.some((entry) => entry.startsWith("block-7")));
});

t.test("on cgroup v1, where systemd resets the rules, only that rule is left out of a list", async (t) => {
  const v1 = { ...NEW, v2: false };
  t.same(allowed([{ allow: true, type: "c", minor: 11, access: "rw" }], v1), allowed([], v1));
  const entries = allowed([{ allow: false, type: "c", major: 1, minor: 3, access: "m" }], v1);
  t.ok(entries?.includes("/dev/char/1:3 rw"));
  t.notOk(entries?.some((entry) => entry.startsWith("char-*")));
});
