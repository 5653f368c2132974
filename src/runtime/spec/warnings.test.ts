import t from "tap";
import { configuration } from "./fixtures/configurations.js";
import { warningsOf } from "./warnings.js";

t.test("an ambient capability that is not inheritable is worth a warning, as runc spec writes it", async (t) => {
  t.strictSame(
    warningsOf(configuration(), { rootless: false }).map(({ pointer, found }) => `${pointer} ${found}`),
    ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"].map((name, i) => `/process/capabilities/ambient/${i} "${name}"`),
  );
  const quiet = configuration(({ process: { capabilities } }) => Object.assign(capabilities ?? {}, { inheritable: capabilities?.ambient }));
  t.strictSame(warningsOf(quiet, { rootless: false }), []);
});

t.test("a relative mount destination is worth a warning", async (t) => {
  const spec = configuration(({ mounts, process }) => {
    delete process.capabilities;
    mounts.push({ destination: "data", type: "tmpfs" });
  });
  t.strictSame(warningsOf(spec, { rootless: false }), [
    {
      pointer: "/mounts/7/destination",
      found: '"data"',
      allowed: "an absolute path: taken as relative to /",
      rule: "mount-destination-absolute",
    },
  ]);
});
