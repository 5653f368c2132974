import t from "tap";
import { defaultSpec } from "./default-spec.js";
import type { DefaultSpecOptions } from "./default-spec.js";
import { validated } from "../testing/fake-door.js";

t.test("the default configuration is valid", async (t) => {
  t.doesNotThrow(() => validated(defaultSpec({})));
});

t.test("the rootless configuration is valid for a caller without privilege and maps it to root", async (t) => {
  const spec = defaultSpec({ rootless: { uid: 1000, gid: 100 } });
  t.doesNotThrow(() => validated(spec, true));
  t.same(spec.linux?.uidMappings, [{ containerID: 0, hostID: 1000, size: 1 }]);
  t.same(spec.linux?.gidMappings, [{ containerID: 0, hostID: 100, size: 1 }]);
  t.notOk(
    spec.linux?.namespaces?.some(({ type }) => type === "network"),
    "shares the network",
  );
  t.notOk(
    spec.mounts?.some(({ options }) => options?.includes("gid=5")),
    "names no group that is not mapped",
  );
});

t.test("each call makes a new object", async (t) => {
  defaultSpec({}).mounts?.push({ destination: "/x" });
  t.equal(defaultSpec({}).mounts?.length, 7);
});

t.test("a cgroup namespace is written where it is asked for", async (t) => {
  const types = (options: DefaultSpecOptions) => defaultSpec(options).linux?.namespaces?.map(({ type }) => type);
  const rootless = { uid: 1000, gid: 100 };
  t.same(types({}), ["pid", "network", "ipc", "uts", "mount"]);
  t.same(types({ cgroupNamespace: true }), ["pid", "network", "ipc", "uts", "mount", "cgroup"]);
  t.same(types({ rootless }), ["pid", "ipc", "uts", "mount", "user"]);
  t.same(types({ rootless, cgroupNamespace: true }), ["pid", "ipc", "uts", "mount", "cgroup", "user"]);
});
