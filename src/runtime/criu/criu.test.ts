import t from "tap";
import type { Operation } from "../generated/plan.js";
import { errorLines } from "./log.js";
import { cgroupRoots, dumpRequest, inheritedStreams, restoreRequest } from "./messages.js";
import { dumpedMounts, mountPoints, parseMountInfo, restoredMounts } from "./mounts.js";
import { externalName, externalNamespaces, externalOf, joinedNamespaces } from "./namespaces.js";
import { externalMounts } from "../plan/external-mounts.js";
import { configFile } from "./options.js";
import { messageName } from "./protocol.js";
import type { Spec } from "../spec/generated/spec-types.js";

const bind = (destination: string, source: string): Operation => ({
  op: "mount",
  destination,
  source: { kind: "bind", source, recursive: false },
  pointer: "/mounts/0",
});
const tmpfs = (destination: string): Operation => ({
  op: "mount",
  destination,
  source: { kind: "fileSystem", fsType: "tmpfs", source: "tmpfs" },
  pointer: "/mounts/1",
});
const OPERATIONS: Operation[] = [
  tmpfs("/dev"),
  bind("/data", "/host/data"),
  bind("/data/sub", "/host/sub"),
  bind("/dev/x", "/host/x"),
  { op: "device", path: "/dev/null", kind: "char", major: 1, minor: 3, mode: 0o666, bind: true },
  { op: "device", path: "/dev/zero", kind: "char", major: 1, minor: 5, mode: 0o666 },
];

t.test("external mounts are binds, and devices of the host", async (t) => {
  t.same(externalMounts(OPERATIONS), [
    { destination: "/data", source: "/host/data" },
    { destination: "/data/sub", source: "/host/sub" },
    { destination: "/dev/x", source: "/host/x" },
    { destination: "/dev/null", source: "/dev/null" },
  ]);
});

t.test("mount points are made in the rootfs and in what is bound, not in what CRIU fills", async (t) => {
  t.same(mountPoints("/rootfs", OPERATIONS), [
    { root: "/rootfs", path: "/dev" },
    { root: "/rootfs", path: "/data", source: "/host/data" },
    { root: "/host/data", path: "/sub", source: "/host/sub" },
  ]);
});

const MOUNTINFO = `1 0 0:40 / / rw - overlay overlay rw
2 1 0:41 / /dev rw - tmpfs tmpfs rw
3 1 0:41 /null /proc/kcore rw - tmpfs tmpfs rw
4 1 0:5 /null /proc/keys rw - devtmpfs udev rw
6 1 0:30 /c /sys/fs/cgroup rw - cgroup2 cgroup rw
5 1 8:1 /a\\040b /with\\040space rw shared:1 - ext4 /dev/vda rw
`;

t.test("mountinfo is read with its escapes", async (t) => {
  t.same(parseMountInfo(MOUNTINFO)[5], { device: "8:1", root: "/a b", point: "/with space", fsType: "ext4" });
});

t.test(
  "a mount is external where the container has no file system above it: masks by a device of the host, and mounts added later",
  async (t) => {
    t.same(dumpedMounts(["/data"], parseMountInfo(MOUNTINFO)), [
      { key: "/data", val: "/data" },
      { key: "/proc/keys", val: "/dev/null" },
      { key: "/with space", val: "/with space" },
    ]);
    const bindOfOwn =
      "1 0 8:1 /c/rootfs / rw - ext4 d rw\n2 1 8:1 /c/rootfs/etc /etc rw - ext4 d rw\n3 1 8:1 /c/rootfs2 /x rw - ext4 d rw\n";
    t.same(dumpedMounts([], parseMountInfo(bindOfOwn)), [{ key: "/x", val: "/x" }]);
    t.same(restoredMounts([{ destination: "/data", source: "/host" }], true), [
      { key: "/data", val: "/host" },
      { key: "/dev/null", val: "/dev/null" },
    ]);
    t.same(restoredMounts([], false), []);
  },
);

const spec = (...namespaces: { type: string; path?: string }[]): Spec => ({ ociVersion: "1.0.2", linux: { namespaces } }) as Spec;

t.test("joined namespaces are external or joined by CRIU", async (t) => {
  const joined = spec({ type: "network", path: "/n" }, { type: "pid", path: "/p" }, { type: "ipc", path: "/i" }, { type: "mount" });
  t.same(externalNamespaces(joined), [
    { name: "net", key: "extRootNetNS", path: "/n" },
    { name: "pid", key: "extRootPidNS", path: "/p" },
  ]);
  t.same(externalOf(["ipc", "pid"]), [{ name: "pid", key: "extRootPidNS" }]);
  t.same(joinedNamespaces(joined), [{ ns: "ipc", nsFile: "/i" }]);
  t.equal(externalName({ name: "net", key: "extRootNetNS" }, "net:[4026531840]"), "net[4026531840]:extRootNetNS");
  t.throws(() => externalName({ name: "net", key: "k" }, "/dev/null"), { message: '"/dev/null" is no namespace' });
  t.throws(() => joinedNamespaces(spec({ type: "cgroup", path: "/c" })), {
    message: "/linux/namespaces/0/path: CRIU cannot restore into a cgroup namespace that is there already",
  });
});

t.test("the annotation names the configuration file, else the first that exists", async (t) => {
  t.equal(configFile(undefined, []), "/etc/criu/tsrunc.conf");
  t.equal(configFile({}, ["/etc/criu/tsrunc.conf"]), "/etc/criu/runc.conf");
  t.equal(configFile({}, ["/etc/criu/tsrunc.conf", "/etc/criu/runc.conf"]), undefined);
  t.equal(configFile({ "org.criu.config": "/own" }, []), "/own");
  t.equal(configFile({ "org.criu.config": "" }, []), undefined);
});

const COMMON = { directories: { images: 7, work: undefined }, logFile: "x.log", configFile: undefined };

t.test("a dump asks for what the flags say", async (t) => {
  const facts = { ...COMMON, pid: 42, rootfs: "/r", freezer: "/sys/fs/cgroup/c", external: ["net[1]:k"], mounts: [] };
  const { type, opts } = dumpRequest({ manageCgroupsMode: "full", pageServer: { address: "::1", port: 27 } }, facts);
  t.equal(type, 1);
  t.match(opts, { imagesDirFd: 7, pid: 42, root: "/r", freezeCgroup: "/sys/fs/cgroup/c", manageCgroupsMode: 4, ps: { port: 27 } });
  t.notOk(opts?.trackMem);
  t.notOk("workDirFd" in (opts ?? {}));
  const first = dumpRequest({ preDump: true }, facts);
  t.match([first.type, first.opts?.trackMem, first.opts?.manageCgroupsMode], [4, true, 3]);
  t.match(dumpRequest({ parentPath: "../first" }, facts).opts, { parentImg: "../first", trackMem: true });
});

t.test("a restore makes a child of this process", async (t) => {
  const facts = { ...COMMON, root: "/m", cgroups: [], inherit: [], join: [], mounts: [] };
  t.match(restoreRequest({ lsmProfile: "apparmor:p" }, facts), {
    type: 2,
    opts: { rstSibling: true, root: "/m", lsmProfile: "apparmor:p" },
  });
});

t.test("cgroups of /proc/PID/cgroup become roots, whatever is in their paths", async (t) => {
  t.same(cgroupRoots("4:cpu,cpuacct:/a\n0::/b:c\n"), [
    { ctrl: "cpu,cpuacct", path: "/a" },
    { ctrl: "", path: "/b:c" },
  ]);
});

t.test("pipes alone are inherited", async (t) => {
  t.same(inheritedStreams(["/dev/null", "pipe:[1]", "pipe:[2]"]), [
    { key: "pipe:[1]", fd: 1 },
    { key: "pipe:[2]", fd: 2 },
  ]);
});

t.test("the last errors of a log are quoted without their times", async (t) => {
  const log = `${"(00.1) Error (a.c:1): old\n".repeat(9)}(00.2) Warn (b.c:2): no matter\n(00.3) Error   (c.c:3): last\n`;
  t.equal(errorLines(log).length, 5);
  t.equal(errorLines(log).at(-1), "Error (c.c:3): last");
  t.same(errorLines("all is well"), []);
});

t.test("messages have the names of rpc.proto", async (t) => {
  t.same([1, 4, 6, 99].map(messageName), ["DUMP", "PRE_DUMP", "NOTIFY", "99"]);
});
