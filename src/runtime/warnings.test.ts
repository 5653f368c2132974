import t from "tap";
import { planCapabilities } from "./plan/capabilities.js";
import { configuration } from "./spec/fixtures/configurations.js";
import type { Capabilities, Spec } from "./spec/generated/spec-types.js";
import { FACTS, fakeContext, fakeDoor } from "./testing/fake-door.js";
import { warnOf } from "./report-warnings.js";
import { warningsOf } from "./warnings.js";

function warningsFor(spec: Spec, facts = FACTS, hasUnit = true, rootless = false): string[] {
  const { leftOut } = planCapabilities(spec.process?.capabilities, facts);
  return warningsOf(spec, { leftOut, hasUnit, rootless }).map(({ pointer, message, rule }) => `${rule} ${pointer}: ${message}`);
}

const nothing = { leftOut: [], hasUnit: false, rootless: false };

const withCapabilities = (capabilities: Capabilities): Spec => configuration(({ process }) => (process.capabilities = capabilities));

t.test("capabilities with one fate share a warning, as of what runc spec writes", async (t) => {
  t.strictSame(warningsFor(configuration()), [
    "capability-not-inheritable /process/capabilities/ambient/0: can't raise ambient capability CAP_AUDIT_WRITE, CAP_KILL, CAP_NET_BIND_SERVICE: not in the inheritable set",
  ]);
});

t.test("an unknown capability gives one warning, with the name that was meant", async (t) => {
  const names = ["CAP_KILL", "CAP_SYS_ADMN"];
  t.strictSame(warningsFor(withCapabilities({ bounding: names, effective: names, permitted: names })), [
    'capability-unknown /process/capabilities/bounding/1: "CAP_SYS_ADMN" is left out of bounding, permitted, effective: no such capability, did you mean "CAP_SYS_ADMIN"?',
  ]);
  const meant = (name: string): string | undefined =>
    /did you mean "(\w+)"/.exec(warningsFor(withCapabilities({ bounding: [name] }))[0] ?? "")?.[1];
  t.strictSame(["cap_kill", "NET_RAW", "CAP_", "toString"].map(meant), ["CAP_KILL", "CAP_NET_RAW", undefined, undefined]);
  t.strictSame(["TEST_CAP", "CAP_TEST", "CAP_X", "SYSADMIN", "cap_sys_admn"].map(meant), [
    undefined,
    undefined,
    undefined,
    "CAP_SYS_ADMIN",
    "CAP_SYS_ADMIN",
  ]);
});

t.test("a capability that is three times in a set gives one warning that names each set once", async (t) => {
  const names = ["TEST_CAP", "TEST_CAP", "TEST_CAP"];
  t.strictSame(warningsFor(withCapabilities({ bounding: names, permitted: names })), [
    'capability-unknown /process/capabilities/bounding/0: "TEST_CAP" is left out of bounding, permitted: no such capability',
  ]);
});

t.test("capabilities that the kernel or the runtime lacks are named as such", async (t) => {
  const spec = withCapabilities({ bounding: ["CAP_BPF", "CAP_KILL"], inheritable: ["CAP_CHOWN"], effective: ["CAP_SYS_TIME"] });
  t.strictSame(warningsFor(spec, { ...FACTS, lastCapability: 37, missingCapabilities: [5] }), [
    'capability-unknown-to-kernel /process/capabilities/bounding/0: "CAP_BPF" is left out of bounding: unknown to the host\'s kernel',
    'capability-lacked /process/capabilities/bounding/1: "CAP_KILL" is left out of bounding: the runtime itself is without it',
    'capability-not-permitted /process/capabilities/effective/0: "CAP_SYS_TIME" is left out of effective: not in the permitted set',
    'capability-not-bounding /process/capabilities/inheritable/0: "CAP_CHOWN" is left out of inheritable: not in the bounding set',
  ]);
});

t.test("a relative mount destination is worth a warning", async (t) => {
  const spec = configuration(({ mounts, process }) => {
    delete process.capabilities;
    mounts.push({ destination: "data", type: "tmpfs" });
  });
  t.strictSame(warningsFor(spec), [
    'mount-destination-relative /mounts/7/destination: "data" is taken as relative to "/": a destination should be an absolute path',
  ]);
});

t.test("an option of the file system on a bind mount is worth a warning", async (t) => {
  const spec = configuration(({ mounts, process }) => {
    delete process.capabilities;
    mounts.push({ destination: "/data", source: "/data", options: ["rbind", "ro", "sync", "nolazytime"] });
    mounts.push({ destination: "/other", type: "tmpfs", options: ["sync"] });
  });
  t.strictSame(warningsFor(spec), [
    'bind-file-system-option /mounts/7/options/2: "sync" has no effect: a bind mount shares the file system of its source',
    'bind-file-system-option /mounts/7/options/3: "nolazytime" has no effect: a bind mount shares the file system of its source',
  ]);
  const context = fakeContext(fakeDoor().door);
  warnOf(context, spec, nothing);
  t.equal(context.logged.length, 2);
});

t.test("a limit on the kernel's memory is worth a warning", async (t) => {
  const spec = configuration(({ linux, process }) => {
    delete process.capabilities;
    linux.resources = { memory: { kernel: 1000 } };
  });
  t.match(warningsFor(spec), [/^kernel-memory \/linux\/resources\/memory\/kernel: 1000 has no effect/]);
  const context = fakeContext(fakeDoor().door);
  warnOf(context, spec, nothing);
  t.equal(context.logged.length, 1);
  spec.linux = { ...spec.linux, resources: { memory: { kernel: -1 } } };
  t.strictSame(warningsFor(spec), []);
});

t.test("a warning is logged with the field that it is about; a sound configuration loads no words", async (t) => {
  const context = fakeContext(fakeDoor().door);
  const about: unknown[] = [];
  const spec = configuration(({ mounts }) => mounts.push({ destination: "data", type: "tmpfs" }));
  warnOf({ ...context, log: (...told) => about.push(told) }, spec, nothing);
  t.match(about, [["warning", /^config.json: \/mounts\/7\/destination: "data" is/, { rule: "mount-destination-relative" }]]);
  const door = { ...context.door, part: () => t.fail("nothing to tell") as never };
  warnOf({ ...context, door }, configuration(), nothing);
});

t.test("data of a bind mount gives a warning, with the option that was meant", async (t) => {
  const spec = configuration(({ mounts, process }) => {
    delete process.capabilities;
    mounts.push({ destination: "/a", source: "/a", options: ["bind", "ro", "mode=755", "nosuidd"] });
    mounts.push({ destination: "/b", source: "b", type: "tmpfs", options: ["mode=755"] });
  });
  const at = `/mounts/${(spec.mounts?.length ?? 0) - 2}/options`;
  t.strictSame(warningsFor(spec), [
    `bind-data ${at}/2: "mode=755" is left out: a bind mount has no data`,
    `bind-data ${at}/3: "nosuidd" is left out: a bind mount has no data; did you mean "nosuid"?`,
  ]);
  const context = fakeContext(fakeDoor().door);
  warnOf(context, spec, nothing);
  t.equal(context.logged.length, 2);
});

t.test("a container without a mount namespace gives a warning, and a valid configuration none", async (t) => {
  const spec = configuration(({ process }) => delete process.capabilities);
  const context = fakeContext(fakeDoor().door);
  warnOf(context, spec, nothing);
  t.strictSame(context.logged, []);
  if (spec.linux) spec.linux.namespaces = [{ type: "pid" }];
  warnOf(context, spec, nothing);
  t.match(context.logged, [/^warning: config.json: \/linux\/namespaces: no entry of type "mount": the mounts are made/]);
});

const annotated = (annotations: Record<string, string>): Spec =>
  configuration((spec) => {
    delete spec.process.capabilities;
    spec.annotations = annotations;
  });

t.test("annotations of crun that are not carried out are told", async (t) => {
  const spec = annotated({
    "io.podman.annotations.seccomp": "x",
    "run.oci.seccomp.receiver": "/s",
    "run.oci.systemd.subgroup": "sub",
    "run.oci.keep_orginal_groups": "1",
    "run.oci.a/b": "1",
  });
  t.strictSame(warningsFor(spec), [
    'crun-annotation /annotations/run.oci.seccomp.receiver: "/s" has no effect: the specification has /linux/seccomp/listenerPath for it',
    'crun-annotation /annotations/run.oci.systemd.subgroup: "sub" has no effect: the container is in the unit\'s own cgroup',
    'crun-annotation /annotations/run.oci.keep_orginal_groups: it has no effect: crun has no such annotation, did you mean "run.oci.keep_original_groups"?',
    "crun-annotation /annotations/run.oci.a~1b: it has no effect: crun has no such annotation",
  ]);
  const context = fakeContext(fakeDoor().door);
  warnOf(context, spec, nothing);
  t.equal(context.logged.length, 4);
  t.strictSame(warningsFor(annotated({ "run.oci.systemd.subgroup": "", "run.oci.keep_original_groups": "1" })), []);
});

t.test("additional groups have no effect if the caller's are kept, with a warning", async (t) => {
  const spec = annotated({ "run.oci.keep_original_groups": "1" });
  Object.assign(spec.process?.user ?? {}, { additionalGids: [5] });
  const keeping = [
    "crun-annotation /process/user/additionalGids: they are not set: run.oci.keep_original_groups keeps the groups of the caller",
  ];
  t.strictSame(warningsFor(spec), keeping);
  t.strictSame(warningsFor({ ...spec, annotations: { "run.oci.keep_original_groups": "0" } }), []);
});

t.test("properties of a unit are told where there is none", async (t) => {
  const spec = annotated({ "org.systemd.property.CollectMode": "'inactive-or-failed'", other: "x" });
  t.strictSame(warningsFor(spec, FACTS, true), []);
  t.strictSame(warningsFor(spec, FACTS, false), [
    "systemd-annotation /annotations/org.systemd.property.CollectMode: it has no effect: without --systemd-cgroup the container's cgroup is no unit of systemd",
  ]);
  const context = fakeContext(fakeDoor().door);
  warnOf(context, spec, { leftOut: [], hasUnit: true, rootless: false });
  t.equal(context.logged.length, 0);
  warnOf(context, spec, nothing);
  t.equal(context.logged.length, 1);
});

t.test("a domain name that a sysctl changes is worth a warning", async (t) => {
  const spec = (name: string, value: string, domainname = "a"): Spec =>
    configuration((spec) => {
      spec.process.capabilities = {};
      spec.domainname = domainname;
      spec.linux.sysctl = { [name]: value };
    });
  for (const name of ["kernel.domainname", "kernel/domainname"])
    t.strictSame(warningsFor(spec(name, "b")), [
      `domainname-overridden /domainname: "a" has no effect: /linux/sysctl/${name.replace("/", "~1")} sets "b"`,
    ]);
  t.strictSame(warningsFor(spec("kernel.domainname", "a")), [], "both say the same");
  t.strictSame(warningsFor(spec("kernel.domainname", "b", "")), [], "an empty one is not set");
  t.strictSame(warningsFor(spec("kernel.msgmax", "b")), []);
});

t.test("without root a shared pid namespace is worth a warning", async (t) => {
  const shared = configuration(({ process, linux }) => {
    process.capabilities = {};
    linux.namespaces = linux.namespaces?.filter(({ type }) => type !== "pid") ?? [];
  });
  t.strictSame(warningsFor(shared, FACTS, true, true), [
    'pid-namespace-shared /linux/namespaces: no entry of type "pid": the container\'s processes can signal all others of the user, and those that it leaves behind outlive its first one. Such configuration is strongly discouraged',
  ]);
  t.strictSame(warningsFor(shared), [], "root means it");
  const own = configuration(({ process }) => (process.capabilities = {}));
  t.strictSame(warningsFor(own, FACTS, true, true), []);
});

t.test("the warnings are loaded for what may be worth one", async (t) => {
  const places = (change: NonNullable<Parameters<typeof configuration>[0]>, rootless = false): string[] => {
    const context = fakeContext(fakeDoor().door);
    const spec = configuration((spec) => {
      spec.process.capabilities = {};
      change(spec);
    });
    warnOf(context, spec, { ...nothing, rootless });
    return context.logged.map((line) => /config.json: (\S+):/.exec(line)?.[1] ?? "");
  };
  t.strictSame(
    places(() => undefined),
    [],
  );
  t.strictSame(
    places((spec) => {
      spec.domainname = "a";
      spec.linux.sysctl = { "kernel.domainname": "b" };
    }),
    ["/domainname"],
  );
  t.strictSame(
    places(({ linux }) => (linux.namespaces = [{ type: "mount" }]), true),
    ["/linux/namespaces"],
  );
});

t.test("fields that need a cgroup give a warning if none is made", async (t) => {
  const spec = configuration(({ linux }) => {
    linux.cgroupsPath = "/a";
    linux.resources = { devices: [{ allow: false, access: "rwm" }] };
  });
  const disabled = { ...nothing, cgroupDisabled: true };
  const rules = (findings: typeof disabled) => warningsOf(spec, findings).map(({ pointer, rule }) => `${rule} ${pointer}`);
  t.strictSame(rules(disabled), ["cgroup-disabled /linux/cgroupsPath", "cgroup-disabled /linux/resources/devices"]);
  t.strictSame(rules({ ...disabled, rootless: true }), ["cgroup-disabled /linux/cgroupsPath"]);
  t.strictSame(rules({ ...disabled, cgroupDisabled: false }), []);
  const context = fakeContext(fakeDoor().door);
  warnOf(context, spec, disabled);
  t.equal(context.logged.length, 2);
});
