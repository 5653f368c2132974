import t from "tap";
import { commonRules } from "./check.js";
import { fullConfiguration } from "./fixtures/full-configuration.js";
import { configuration, runcSpecText } from "./fixtures/configurations.js";
import report from "./generated/validate-config-report.js";
import type { Spec } from "./generated/spec-types.js";
import { loadCarefully } from "./load-carefully.js";
import { rareRules } from "./rare-rules.js";
import { soundSubject } from "./sound-part.js";
import { SpecError } from "./spec-error.js";

/** A document that may be broken anywhere. */
// oxlint-disable-next-line typescript/no-explicit-any -- no type holds for it
type Broken = Record<string, any>;
type Change = (document: Broken) => unknown;

/** What is said about a configuration, a line for each fault. */
function faultsOf(document: unknown, rootless = false): string[] {
  try {
    loadCarefully(JSON.stringify(document), [...commonRules, ...rareRules], report, { rootless });
    return [];
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    return error.faults.map(({ pointer, found, allowed }) => `${pointer}: found ${found}, allowed: ${allowed}`);
  }
}

function changed(document: unknown, ...changes: Change[]): unknown {
  const copy = JSON.parse(JSON.stringify(document)) as Broken;
  for (const change of changes) change(copy);
  return copy;
}

const runc = JSON.parse(runcSpecText) as unknown;

t.test("a value that does not fit the schema hides no fault beside it", async (t) => {
  const cases: readonly (readonly [Change, ...string[]])[] = [
    [
      ({ process, linux }) => {
        process.rlimits[0].soft = "x";
        process.cwd = "tmp";
        linux.namespaces.push({ type: "pid" });
      },
      "/process/cwd",
      "/process/rlimits/0/soft",
      "/linux/namespaces/5/type",
    ],
    // In one object, and in one list.
    [
      ({ process }) => (process.rlimits = [{ type: "RLIMIT_X", soft: "x", hard: -1 }, 5, { type: "RLIMIT_X", soft: 2, hard: 1 }]),
      "/process/rlimits/0/soft",
      "/process/rlimits/0/type",
      "/process/rlimits/0/hard",
      "/process/rlimits/1",
      "/process/rlimits/2/type",
      "/process/rlimits/2/type",
      "/process/rlimits/2/soft",
    ],
    [
      ({ process }) => Object.assign(process, { args: [5, "x"], env: [1, "noequals"] }),
      "/process/args/0",
      "/process/env/0",
      "/process/env/1",
    ],
    [
      ({ linux }) => (linux.resources = { cpu: { period: "x", quota: 5, idle: 7, cpus: 3, mems: "a", realtimeRuntime: -5 } }),
      "/linux/resources/cpu/period",
      "/linux/resources/cpu/quota",
      "/linux/resources/cpu/idle",
      "/linux/resources/cpu/cpus",
      "/linux/resources/cpu/mems",
      "/linux/resources/cpu/realtimeRuntime",
    ],
    [
      ({ mounts }) => {
        mounts[1].options = [5, "bind", "size=1"];
        mounts[1].type = "bind";
        delete mounts[1].source;
      },
      "/mounts/1/options/0",
      "/mounts/1/options/2",
      "/mounts/1/source",
    ],
    [
      ({ linux }) => (linux.devices = [{ type: "x", path: "dev", major: -1, minor: 1, uid: 0xffff_ffff, gid: "g" }]),
      "/linux/devices/0/type",
      "/linux/devices/0/path",
      "/linux/devices/0/uid",
      "/linux/devices/0/gid",
    ],
    [
      (document) =>
        Object.assign(document, { hostname: 5, domainname: "d".repeat(65), annotations: { "": "x", a: 1, "run.oci.handler": "h" } }),
      "/hostname",
      "/domainname",
      "/annotations/",
      "/annotations/a",
      "/annotations/run.oci.handler",
    ],
    [
      ({ linux }) => (linux.seccomp = { defaultAction: "X", syscalls: [{ names: [1, "write"], action: "SCMP_ACT_NOTIFY", errnoRet: 1 }] }),
      "/linux/seccomp/defaultAction",
      "/linux/seccomp/syscalls/0/names/0",
      "/linux/seccomp/syscalls/0/names/1",
      "/linux/seccomp/syscalls/0/errnoRet",
      "/linux/seccomp/listenerPath",
    ],
    [
      ({ linux }) => Object.assign(linux, { sysctl: { "vm.x": 1 }, rdma: 1, netDevices: { lo: 1, "a b": {} } }),
      "/linux/sysctl/vm.x",
      "/linux/sysctl/vm.x",
      "/linux/netDevices/lo",
      "/linux/netDevices/lo",
      "/linux/netDevices/a b",
    ],
    [(document) => Object.assign(document, { process: 5, root: { path: "" }, freebsd: {} }), "/process", "/root/path", "/freebsd"],
    [
      ({ process, linux }) => {
        process.args = ["a\0"];
        process.cwd = "\ud800";
        linux.cgroupsPath = "../x";
      },
      "/process/args/0",
      "/process/cwd",
      "/linux/cgroupsPath",
    ],
  ];
  for (const [change, ...pointers] of cases) {
    const found = faultsOf(changed(runc, change)).map((line) => line.split(":")[0]);
    t.strictSame([...found].sort(), [...pointers].sort(), change.toString());
  }
});

t.test("a value that does not fit the schema accuses no other field", async (t) => {
  const cases: readonly (readonly [Change, string])[] = [
    // It may be the namespace that the hostname needs.
    [({ linux }) => (linux.namespaces = [{ type: "utz" }, { type: "mount" }, { type: "pid" }]), "/linux/namespaces/0/type"],
    [({ linux }) => (linux.namespaces = 5), "/linux/namespaces"],
    [(document) => (document["linux"] = []), "/linux"],
    [({ process }) => delete process.cwd, "/process/cwd"],
    [({ mounts }) => delete mounts[0].destination, "/mounts/0/destination"],
    [
      ({ linux, process }) => {
        process.user.uid = 5;
        linux.namespaces.push({ type: "user" });
        linux.uidMappings = [{ containerID: "x", hostID: 0, size: 9 }];
        linux.gidMappings = [{ containerID: 0, hostID: 0, size: 9 }];
      },
      "/linux/uidMappings/0/containerID",
    ],
    [({ linux }) => (linux.resources = { memory: { limit: "x", swap: 5 } }), "/linux/resources/memory/limit"],
    [({ mounts }) => (mounts[1] = { destination: "/x", options: [5] }), "/mounts/1/options/0"],
    // A NUL and digits look like an integer to `exactDocument`.
    [(document) => (document["hostname"] = "\0" + "5"), "/hostname"],
  ];
  for (const [change, pointer] of cases) {
    const found = faultsOf(changed(runc, change)).map((line) => line.split(":")[0]);
    t.strictSame(found, [pointer], change.toString());
  }
  t.strictSame(
    faultsOf(
      changed(runc, ({ linux }) => (linux.namespaces[0] = { type: "users" })),
      true,
    ).map((line) => line.split(":")[0]),
    ["/linux/namespaces/0/type"],
    "it may be the user namespace that a rootless container needs",
  );
});

/** The pointers of all values below the top. */
function pointersIn(value: unknown, pointer = ""): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => {
    const at = `${pointer}/${name.replaceAll("/", "~1")}`;
    return [at, ...pointersIn(member, at)];
  });
}

function replaceAt(document: Broken, pointer: string, value: unknown): void {
  const names = pointer
    .split("/")
    .slice(1)
    .map((name) => name.replaceAll("~1", "/"));
  const last = names.pop() as string;
  let at = document;
  for (const name of names) at = at[name];
  at[last] = value;
}

t.test("a value of the wrong kind anywhere is one fault, and neither hides one elsewhere nor causes a second", async (t) => {
  const sound = fullConfiguration();
  t.strictSame(faultsOf(sound), []);
  // Faults that each need one field alone, far from each other.
  const independent: readonly (readonly [pointer: string, Change])[] = [
    ["/root/path", ({ root }) => (root.path = "")],
    ["/process/cwd", ({ process }) => (process.cwd = "tmp")],
    ["/linux/cgroupsPath", ({ linux }) => (linux.cgroupsPath = "../x")],
    ["/hooks/poststop/0/path", ({ hooks }) => (hooks.poststop[0].path = "x")],
    ["/linux/resources/cpu/idle", ({ linux }) => (linux.resources.cpu.idle = 9)],
    ["/linux/maskedPaths/3", ({ linux }) => (linux.maskedPaths[3] = "x")],
  ];
  for (const pointer of pointersIn(sound)) {
    const documents = [
      changed(
        sound,
        (document) => replaceAt(document, pointer, { wrong: 1 }),
        (document) => replaceAt(document, pointer, [[]]),
      ),
    ];
    for (const document of documents) {
      const alone = faultsOf(document).map((line) => line.split(": found")[0] as string);
      t.ok(alone.length > 0 && alone.every((at) => at === pointer || at.startsWith(`${pointer}/`)), `${pointer}: ${alone.join(" ")}`);
    }
    const others = independent.filter(([other]) => !`${other}/`.startsWith(`${pointer}/`));
    const broken = changed(sound, ...others.map(([, change]) => change), (document) => replaceAt(document, pointer, [[]]));
    const found = faultsOf(broken).map((line) => line.split(": found")[0]);
    for (const [other] of others) t.ok(found.includes(other), `${pointer} hides ${other}`);
  }
});

t.test("a required field that is missing is one fault", async (t) => {
  const sound = fullConfiguration();
  for (const pointer of pointersIn(sound)) {
    const faults = faultsOf(changed(sound, (document) => replaceAt(document, pointer, undefined)));
    if (!faults.some((line) => line.endsWith("allowed: a value: it is required"))) continue;
    t.equal(faults.length, 1, faults.join("\n"));
  }
});

t.test("the sound part shares what is sound, and reading the rest throws", async (t) => {
  const spec = configuration();
  const subject = soundSubject(spec, ["/process/rlimits/0/soft", "/mounts/2", "/linux/namespaces/1/type"], { rootless: false });
  const part = subject?.spec as Spec;
  t.equal(part.hooks, spec.hooks);
  t.equal(part.linux?.maskedPaths, spec.linux?.maskedPaths);
  t.equal(part.process?.rlimits?.[0]?.hard, 1024);
  t.equal(part.mounts?.length, 7);
  t.throws(() => part.process?.rlimits?.[0]?.soft);
  t.throws(() => part.mounts?.[2]);
  t.ok(subject?.namespaces.has("pid"));
  t.throws(() => subject?.namespaces.has("network"), "it may be the one that cannot be read");
  t.equal(soundSubject([], [""], { rootless: false }), undefined);
});
