import t from "tap";
import { defaultSpec } from "./default-spec.js";
import { validated } from "./testing/fake-host.js";

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
