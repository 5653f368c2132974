import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import t from "tap";
import type { Seccomp } from "../spec/generated/spec-types.js";
import { planSeccomp } from "./seccomp.js";

// Golden tests: NAME.json -> NAME.plan.json, which the native layer's tests compile. With TAP_SNAPSHOT=1 the plans are written anew.
const FIXTURES = "test/fixtures/seccomp";
const updates = process.env["TAP_SNAPSHOT"] === "1";

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));

for (const name of readdirSync(FIXTURES)
  .filter((name) => !name.endsWith(".plan.json") && name.endsWith(".json"))
  .sort()) {
  t.test(`the filter of ${name} is the golden one`, async (t) => {
    const planned = planSeccomp(readJson(`${FIXTURES}/${name}`) as Seccomp);
    const golden = `${FIXTURES}/${name.replace(/json$/, "plan.json")}`;
    if (updates || !existsSync(golden)) {
      writeFileSync(golden, `${JSON.stringify(planned, null, 2)}\n`);
      if (!updates) t.fail(`${golden} was missing: written, look at it`);
      return;
    }
    t.same(planned, readJson(golden));
  });
}

const names = ["getcwd"];

t.test("without flags SPEC_ALLOW is asked for where the kernel has it; an empty list asks for nothing", async (t) => {
  t.match(planSeccomp({ defaultAction: "SCMP_ACT_ALLOW" }), { flags: [], preferredFlags: ["specAllow"] });
  t.match(planSeccomp({ defaultAction: "SCMP_ACT_ALLOW", flags: [] }), { flags: [], preferredFlags: [] });
  t.match(planSeccomp({ defaultAction: "SCMP_ACT_ALLOW", flags: ["SECCOMP_FILTER_FLAG_LOG"] }), { flags: ["log"], preferredFlags: [] });
});

t.test("newer calls get ENOSYS unless the default lets them through, or is ENOSYS", async (t) => {
  const denies = (profile: Seccomp): boolean => planSeccomp(profile).denyNewer;
  t.notOk(denies({ defaultAction: "SCMP_ACT_ALLOW" }));
  t.notOk(denies({ defaultAction: "SCMP_ACT_LOG" }));
  t.notOk(denies({ defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 38 }));
  t.ok(denies({ defaultAction: "SCMP_ACT_ERRNO" }));
  t.ok(denies({ defaultAction: "SCMP_ACT_TRACE" }));
  t.ok(denies({ defaultAction: "SCMP_ACT_KILL" }));
});

t.test("a rule that says what the default says is none, but its names count as known", async (t) => {
  const { rules, defaultNames } = planSeccomp({
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: [
      { names, action: "SCMP_ACT_ERRNO", errnoRet: 1 },
      { names: ["read"], action: "SCMP_ACT_ERRNO", errnoRet: 2 },
    ],
  });
  t.same(defaultNames, names);
  t.same(rules, [{ names: ["read"], action: { kind: "errno", data: 2 }, comparisons: [], pointer: "/linux/seccomp/syscalls/1" }]);
});

t.test("conditions on different arguments are one rule, on the same argument several", async (t) => {
  const arg = (index: number, value: number | bigint) => ({ index, value, op: "SCMP_CMP_EQ" as const });
  const of = (...args: ReturnType<typeof arg>[]) =>
    planSeccomp({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names, action: "SCMP_ACT_TRAP", args }] }).rules.map(({ comparisons }) =>
      comparisons.map(({ argument, first }) => `${argument}=${first}`),
    );
  t.same(of(arg(0, 1), arg(1, 2n ** 64n - 1n)), [["0=1", "1=18446744073709551615"]]);
  t.same(of(arg(0, 1), arg(1, 2), arg(0, 3)), [["0=1"], ["1=2"], ["0=3"]]);
});

t.test("a listener is planned only for who notifies", async (t) => {
  const listener = { listenerPath: "/run/agent", listenerMetadata: "m" };
  const notify = [{ names, action: "SCMP_ACT_NOTIFY" as const }];
  t.equal(planSeccomp({ defaultAction: "SCMP_ACT_ALLOW", ...listener }).listener, null);
  t.same(planSeccomp({ defaultAction: "SCMP_ACT_ALLOW", syscalls: notify, ...listener }).listener, { path: "/run/agent", metadata: "m" });
  t.same(planSeccomp({ defaultAction: "SCMP_ACT_ALLOW", syscalls: notify, listenerPath: "/a" }).listener, { path: "/a", metadata: null });
});

t.test("a listener that no rule uses gives a warning", async (t) => {
  const profile = (action: "SCMP_ACT_NOTIFY" | "SCMP_ACT_LOG", listenerPath: string): Seccomp => ({
    defaultAction: "SCMP_ACT_ALLOW",
    listenerPath,
    syscalls: [{ names: ["getppid"], action }],
  });
  t.strictSame(planSeccomp(profile("SCMP_ACT_LOG", "/run/agent")).warnings, [
    {
      pointer: "/linux/seccomp/listenerPath",
      message: '"/run/agent" has no effect: no entry of /linux/seccomp/syscalls has the action SCMP_ACT_NOTIFY',
      rule: "seccomp-listener-unused",
    },
  ]);
  t.equal(planSeccomp(profile("SCMP_ACT_NOTIFY", "/run/agent")).warnings, undefined);
  t.equal(planSeccomp(profile("SCMP_ACT_LOG", "")).warnings, undefined);
});
