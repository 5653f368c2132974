import t from "tap";
import { OCI_VERSION } from "../oci.js";
import report from "../spec/generated/validate-features-report.js";
import { features } from "./features.js";
import fits from "../spec/generated/validate-features-report.js";
import { fakeDoor, type Answers } from "../testing/fake-door.js";

const answers: Answers = {
  seccompFacts: () => ({ kind: "seccompFacts", facts: { flags: ["log", "tsync"], libseccomp: "2.6.0" } }),
};
const document = features({ ...fakeDoor({ answers }).door, build: { version: "1.2.3", commit: "abc", hostName: "static" } }) as {
  mountOptions: string[];
  linux: Record<string, unknown>;
};

t.test("features names the versions and the build", async (t) => {
  t.match(document, {
    ociVersionMin: "1.0.0",
    ociVersionMax: "1.3.0",
    annotations: { "io.github.tsrunc.version": "1.2.3", "io.github.tsrunc.commit": "abc" },
  });
});

t.test("features fits the schema of the specification", async (t) => {
  t.ok(fits(document), JSON.stringify(fits.errors));
});

t.test("features names all of seccomp, and the flags that this kernel has", async (t) => {
  t.match(document.linux["seccomp"], {
    enabled: true,
    knownFlags: { length: 4 },
    supportedFlags: ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"],
    actions: { length: 9 },
    operators: { length: 7 },
    archs: { length: 23 },
  });
});

t.test("features claims nothing that create refuses", async (t) => {
  t.match(document.linux, {
    apparmor: { enabled: true },
    selinux: { enabled: true },
    cgroup: { systemd: true, systemdUser: true },
    memoryPolicy: { modes: ["MPOL_DEFAULT", "MPOL_BIND"], flags: ["MPOL_F_NUMA_BALANCING"] },
  });
  for (const option of ["ro", "rbind", "rslave", "rro", "idmap", "ridmap", "tmpcopyup"])
    t.ok(document.mountOptions.includes(option), option);
});

t.test("features fits the specification's schema, and tells every member that the specification has", async (t) => {
  t.ok(report(document), JSON.stringify(report.errors));
  t.same(Object.keys(document), [
    "ociVersionMin",
    "ociVersionMax",
    "hooks",
    "mountOptions",
    "linux",
    "annotations",
    "potentiallyUnsafeConfigAnnotations",
  ]);
  t.same(Object.keys(document.linux), [
    "namespaces",
    "capabilities",
    "cgroup",
    "seccomp",
    "apparmor",
    "selinux",
    "intelRdt",
    "memoryPolicy",
    "mountExtensions",
    "netDevices",
  ]);
  t.match(document, { ociVersionMax: OCI_VERSION });
});
