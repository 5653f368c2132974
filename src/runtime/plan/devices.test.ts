import t from "tap";
import type { Spec } from "../spec/generated/spec-types.js";
import { FACTS } from "../testing/fake-door.js";
import { deviceNumber, planDevices } from "./devices.js";

const spec: Spec = { ociVersion: "1.0.0" };
const nodes = (of: Spec, facts = FACTS) => planDevices(of, facts, false).filter((operation) => operation.op === "device");

t.test("the six default devices come first, then the links", async (t) => {
  const operations = planDevices(spec, FACTS, true);
  t.same(
    operations.map((operation) => ("path" in operation ? operation.path : "")),
    [
      ...["null", "random", "full", "tty", "zero", "urandom"].map((name) => `/dev/${name}`),
      ...["ptmx", "fd", "stdin", "stdout", "stderr", "core"].map((name) => `/dev/${name}`),
    ],
  );
  t.match(operations[0], { op: "device", kind: "char", major: 1, minor: 3, mode: 0o666 });
  t.notOk(operations.some((operation) => "bind" in operation));
});

t.test("/dev/core is linked only where the host has /proc/kcore", async (t) => {
  t.notOk(planDevices(spec, FACTS, false).some((operation) => operation.op === "symlink" && operation.path === "/dev/core"));
});

t.test("a configured device replaces the default one of its path", async (t) => {
  const planned = nodes({
    ...spec,
    linux: {
      devices: [
        { path: "/dev//null", type: "c", major: 1, minor: 3, fileMode: 0o020600, uid: 7 },
        { path: "/dev/f", type: "p" },
      ],
    },
  });
  t.equal(planned.length, 7);
  t.match(planned[0], { path: "/dev/null", mode: 0o600, uid: 7, gid: 0, pointer: "/linux/devices/0" });
  t.match(planned[6], { path: "/dev/f", kind: "fifo", major: 0, minor: 0 });
});

t.test("nodes are bound from the host where mknod is not allowed", async (t) => {
  const bound = (of: Spec, facts = FACTS): boolean => nodes(of, facts).every((operation) => operation.op === "device" && operation.bind);
  t.ok(bound({ ...spec, linux: { namespaces: [{ type: "user" }] } }));
  t.ok(bound({ ...spec, linux: { namespaces: [{ type: "user", path: "/ns" }] } }));
  t.ok(bound(spec, { ...FACTS, inUserNamespace: true }));
  t.ok(bound(spec, { ...FACTS, euid: 1 }));
  t.notOk(bound(spec));
});

t.test("a /dev that is bound from elsewhere is left alone", async (t) => {
  for (const mount of [
    { destination: "/dev", type: "bind" },
    { destination: "/dev/", source: "/dev", options: ["rbind"] },
  ]) {
    t.same(planDevices({ ...spec, mounts: [mount] }, FACTS, true), []);
  }
});

t.test("types and numbers that Linux does not have are refused", async (t) => {
  t.throws(() => nodes({ ...spec, linux: { devices: [{ path: "/dev/x", type: "z" }] } }), {
    code: "invalidConfig",
    path: "/linux/devices/0/type",
  });
  t.throws(() => deviceNumber(-1, "/p"), { code: "invalidConfig", path: "/p" });
  t.throws(() => deviceNumber(2n ** 40n, "/p"), { code: "invalidConfig", path: "/p" });
  t.equal(deviceNumber(undefined, "/p"), 0);
});
