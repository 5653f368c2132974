import t from "tap";
import type { Spec } from "../spec/generated/spec-types.js";
import { FACTS } from "../testing/fake-door.js";
import { planOperations } from "./operations.js";
import type { OperationContext } from "./operations.js";

const context: OperationContext = {
  facts: FACTS,
  placements: [],
  ownCgroupNamespace: false,
  joinsCgroupNamespace: false,
  inUserNamespace: false,
  bundle: "/bundle",
  ownerMap: undefined,
  mappings: {},
  rootfs: "/bundle/rootfs",
  pivot: true,
  kcoreExists: false,
  runtimeHooks: [],
  extraMounts: [],
};
const full: Spec = {
  ociVersion: "1.0.0",
  root: { path: "rootfs", readonly: true },
  process: { cwd: "/srv", terminal: true, consoleSize: { height: 24, width: 80 } },
  hostname: "h",
  domainname: "d",
  mounts: [{ destination: "/t", type: "tmpfs", options: ["ro"] }],
  hooks: { createContainer: [{ path: "/hook" }] },
  linux: {
    namespaces: [{ type: "mount" }, { type: "uts" }],
    rootfsPropagation: "slave",
    sysctl: { "net.ipv4.ip_forward": "1" },
    readonlyPaths: ["/r"],
    maskedPaths: ["/m"],
  },
};
const ops = (spec: Spec, more: Partial<OperationContext> = {}) => planOperations(spec, { ...context, ...more }).map(({ op }) => op);

t.test("everything has its place", async (t) => {
  t.same(
    ops(full).filter((op, at, all) => op !== all[at - 1]),
    [
      "rootPropagation",
      "rootfs",
      "mount",
      "device",
      "symlink",
      "console",
      "hooks",
      "pivotRoot",
      "workingDirectory",
      "mount",
      "readonlyRoot",
      "hostname",
      "domainname",
      "sysctl",
      "maskPaths",
      "readonlyPaths",
      "rootfsPropagation",
    ],
  );
});

t.test("what is not asked for is not done", async (t) => {
  const bare: Spec = {
    ociVersion: "1.0.0",
    mounts: [{ destination: "/dev", type: "bind", source: "/dev", options: ["bind"] }],
    linux: { namespaces: [{ type: "mount" }] },
  };
  t.same(ops(bare), ["rootPropagation", "rootfs", "mount", "pivotRoot"]);
});

t.test("the root is moved where it cannot be pivoted, and entered where the mounts are another's", async (t) => {
  t.ok(ops(full, { pivot: false }).includes("moveRoot"));
  const joined = ops({ ...full, linux: { namespaces: [{ type: "mount", path: "/ns" }], rootfsPropagation: "slave" } });
  t.ok(joined.includes("chroot"));
  t.notOk(joined.includes("rootPropagation"));
  t.notOk(joined.includes("rootfsPropagation"));
});

t.test("without a mount namespace the mounts of the runtime stay as they are", async (t) => {
  const shared = ops({ ...full, linux: { rootfsPropagation: "slave" } });
  t.equal(shared[0], "sharedRootfs");
  t.ok(shared.includes("chroot"));
  t.ok(shared.includes("rootfsPropagation"));
});

t.test("the first propagation keeps what a shared rootfs needs and what an unbindable one forbids", async (t) => {
  const first = (rootfsPropagation?: "rshared" | "unbindable" | "rprivate"): unknown =>
    planOperations(
      { ...full, linux: { namespaces: [{ type: "mount" }], ...(rootfsPropagation ? { rootfsPropagation } : {}) } },
      context,
    )[0];
  t.match(first(), { propagation: "rslave" });
  t.match(first("rshared"), { propagation: "rshared" });
  t.match(first("rprivate"), { propagation: "rprivate" });
  t.match(first("unbindable"), { propagation: "private" });
});

t.test("hooks of the runtime alone stop the init too", async (t) => {
  const { hooks: _none, ...without } = full;
  t.notOk(ops(without).includes("hooks"));
  const hook = { path: "/h", args: [], env: [], timeoutSeconds: null, pointer: "" };
  t.ok(ops(without, { runtimeHooks: [hook] }).includes("hooks"));
});

t.test("names are set in a uts namespace alone", async (t) => {
  t.notOk(ops({ ...full, linux: { namespaces: [{ type: "mount" }] } }).includes("hostname"));
});

t.test("sysctls are paths below /proc/sys", async (t) => {
  t.match(
    planOperations(full, context).find(({ op }) => op === "sysctl"),
    { name: "net/ipv4/ip_forward", value: "1" },
  );
  t.throws(() => ops({ ...full, linux: { namespaces: [{ type: "mount" }], sysctl: { "net..x": "1" } } }), { code: "invalidConfig" });
});
