import t from "tap";
import { configuration } from "../spec/fixtures/configurations.js";
import { modulePaths, planLabels, planMountLabel, refuseInactiveModules, withContext } from "./security-modules.js";

const apparmor = "/sys/kernel/security/apparmor";
const selinux = "/sys/fs/selinux/enforce";
const labelled = configuration(({ process, linux }) => {
  process.apparmorProfile = "profile";
  process.selinuxLabel = "u:r:t:s0";
  linux.mountLabel = "u:r:f:s0:c1,c2";
});
const onlyMounts = configuration(({ linux }) => (linux.mountLabel = "u:r:f:s0"));
const empty = configuration(({ process, linux }) => {
  Object.assign(process, { apparmorProfile: "", selinuxLabel: "" });
  linux.mountLabel = "";
});

t.test("the host is asked for the modules that are wanted alone", async (t) => {
  t.same(modulePaths(labelled), [apparmor, selinux]);
  t.same(modulePaths(onlyMounts), [selinux]);
  t.same(modulePaths(empty), []);
});

t.test("a label whose module is not active is refused where it stands", async (t) => {
  refuseInactiveModules(labelled, new Set());
  refuseInactiveModules(empty, new Set([apparmor, selinux]));
  t.throws(() => refuseInactiveModules(labelled, new Set([apparmor, selinux])), {
    code: "unsupported",
    message: `/process/apparmorProfile: apparmor: config provided but apparmor not supported (the host has no "${apparmor}")`,
  });
  t.throws(() => refuseInactiveModules(labelled, new Set([selinux])), {
    message: `/process/selinuxLabel: selinux label is specified in config, but selinux is disabled or not supported (the host has no "${selinux}")`,
  });
  t.throws(() => refuseInactiveModules(onlyMounts, new Set([selinux])), { message: /^\/linux\/mountLabel: selinux/ });
});

t.test("the program gets the labels that are given", async (t) => {
  t.same(planLabels(labelled), [
    { op: "apparmor", profile: "profile" },
    { op: "selinux", label: "u:r:t:s0" },
  ]);
  t.same(planLabels(empty), []);
});

t.test("file systems of the container's own get the context, once", async (t) => {
  const mountLabel = "u:r:f:s0:c1,c2";
  const label = mountLabel;
  t.same(withContext("tmpfs", ["size=1"], { mountLabel }), ["size=1", `context=${label}`]);
  t.same(withContext("devpts", [], { mountLabel }), [`context=${label}`]);
  t.same(withContext("tmpfs", ["context=own"], { mountLabel }), ["context=own"]);
  for (const fsType of ["proc", "sysfs", "cgroup", "cgroup2", "mqueue"]) t.same(withContext(fsType, [], { mountLabel }), [], fsType);
  t.same(withContext("tmpfs", [], {}), []);
  t.same(withContext("tmpfs", [], { mountLabel, contextType: "rootcontext" }), [`rootcontext=${label}`]);
  t.same(withContext("tmpfs", ["rootcontext=own"], { mountLabel, contextType: "rootcontext" }), ["rootcontext=own"]);
  t.same(withContext("tmpfs", [], { contextType: "rootcontext" }), []);
  t.same(withContext("tmpfs", [], { mountLabel: "" }), []);
});

t.test("mqueue is labelled like a file", async (t) => {
  t.same(planMountLabel("mqueue", "/dev/mqueue", "u:r:f:s0"), [{ op: "label", path: "/dev/mqueue", label: "u:r:f:s0" }]);
  t.same(planMountLabel("tmpfs", "/dev", "u:r:f:s0"), []);
  t.same(planMountLabel("mqueue", "/dev/mqueue", undefined), []);
});
