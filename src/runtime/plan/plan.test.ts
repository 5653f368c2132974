import { mkdirSync, readFileSync, readdirSync, writeFileSync, existsSync } from "node:fs";
import t from "tap";
import { FACTS, validated } from "../testing/fake-door.js";
import { pathsToProbe, plan } from "./plan.js";
import { planRare } from "./rare.js";
import { PLAN_OPTIONS } from "../testing/plan-options.js";
import type { PlanFacts, PlanOptions } from "./plan.js";
import type { SystemdFacts } from "../generated/plan.js";
import { planScope } from "./systemd.js";

// Golden tests: fixtures/CASE/{config,facts,plan}.json. With TAP_SNAPSHOT=1 (what `tap --snapshot` sets) plan.json is written anew.
const FIXTURES = "src/runtime/plan/fixtures";
const updates = process.env["TAP_SNAPSHOT"] === "1";

interface CaseFacts {
  host: PlanFacts;
  /** With it the cgroup driver is systemd. */
  systemd?: SystemdFacts;
  options?: Partial<PlanOptions>;
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));

for (const name of readdirSync(FIXTURES).sort()) {
  t.test(`the plan of ${name} is the golden one`, async (t) => {
    const directory = `${FIXTURES}/${name}`;
    const { host, options, systemd } = readJson(`${directory}/facts.json`) as CaseFacts;
    const spec = validated(readJson(`${directory}/config.json`) as object, host.euid !== 0);
    const scope = systemd && planScope({ spec, id: PLAN_OPTIONS.id, stateDirectory: `/run/tsrunc/${PLAN_OPTIONS.id}`, facts: systemd });
    const planned = plan(spec, host, { ...PLAN_OPTIONS, rare: planRare(spec), ...options, scope });
    const golden = `${directory}/plan.json`;
    if (updates || !existsSync(golden)) {
      mkdirSync(directory, { recursive: true });
      writeFileSync(golden, `${JSON.stringify(planned, null, 2)}\n`);
      if (!updates) t.fail(`${golden} was missing: written, look at it`);
      return;
    }
    t.same(JSON.parse(JSON.stringify(planned)), readJson(golden));
  });
}

const minimal = {
  ociVersion: "1.3.0",
  root: { path: "rootfs" },
  process: { cwd: "/", args: ["sh"] },
  linux: { namespaces: [{ type: "mount" }] },
};

t.test("pathsToProbe asks for kcore and for every cgroup that may have to be made", async (t) => {
  const spec = validated({ ...minimal, linux: { ...minimal.linux, cgroupsPath: "/a/b" } });
  t.same(pathsToProbe(spec, FACTS, PLAN_OPTIONS), ["/proc/kcore", "/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a"]);
  t.same(pathsToProbe(validated(minimal), FACTS, { ...PLAN_OPTIONS, rootless: true }), ["/proc/kcore"]);
});

t.test("a notify socket is shown to the container and told to the program", async (t) => {
  const { plan: planned } = plan(
    validated(minimal),
    { ...FACTS, missing: [] },
    { ...PLAN_OPTIONS, notifySocket: "/run/tsrunc/c1/notify.sock" },
  );
  t.match(
    planned.operations.find((operation) => operation.op === "mount"),
    { destination: "/run/notify/notify.sock", source: { kind: "bind", source: "/run/tsrunc/c1/notify.sock" } },
  );
  t.same(planned.process.env, ["NOTIFY_SOCKET=/run/notify/notify.sock"]);
});

t.test("a plan is JSON through and through", async (t) => {
  const { plan: planned } = plan(validated(minimal), { ...FACTS, missing: [] }, PLAN_OPTIONS);
  t.same(JSON.parse(JSON.stringify(planned)), planned);
});

t.test("without a mount namespace the root is unmounted first, down to what lay there before", async (t) => {
  const spec = validated({ ociVersion: "1.0.0", root: { path: "rootfs" }, process: { cwd: "/", args: ["a"] } });
  const planned = plan(spec, { ...FACTS, missing: [], rootfsMount: 27 }, PLAN_OPTIONS);
  const first = { op: "unmount", path: "/bundle/rootfs", above: 27 };
  t.match([planned.undo[0], planned.undoWhileCreating[0]], [first, first]);
});
