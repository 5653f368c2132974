import t from "tap";
import type { DeviceCgroup } from "../spec/generated/spec-types.js";
import { planDeviceRules } from "./cgroup-devices.js";

const text = (rules: ReturnType<typeof planDeviceRules>) =>
  rules.map(({ allow, kind, major, minor, access }) => `${allow ? "+" : "-"}${kind} ${major ?? "*"}:${minor ?? "*"} ${access}`);

t.test("everything is denied first, then what every container needs is allowed", async (t) => {
  t.same(text(planDeviceRules([])), [
    "-a *:* rwm",
    ...["+b *:* m", "+c *:* m"],
    ...["+c 1:3 rwm", "+c 1:8 rwm", "+c 1:7 rwm", "+c 5:0 rwm", "+c 1:5 rwm", "+c 1:9 rwm"],
    ...["+c 136:* rwm", "+c 5:2 rwm", "+c 10:200 rwm"],
  ]);
});

t.test("the configuration's rules come last, in order, since the last one for everything", async (t) => {
  const implied = planDeviceRules([]);
  const rules: DeviceCgroup[] = [
    { allow: true, type: "c", major: 10, minor: 229, access: "rw" },
    { allow: true, type: "b", major: 8, access: "r" },
    { allow: false, type: "c", major: -1, minor: -1, access: "m" },
  ];
  const planned = ["+c 10:229 rw", "+b 8:* r", "-c *:* m"];
  t.same(text(planDeviceRules(rules)), [...text(implied), ...planned]);
  t.same(text(planDeviceRules([{ allow: true, access: "rwm" }, { allow: false, access: "rwm" }, ...rules])), [
    ...text(implied),
    ...planned,
  ]);
  t.same(text(planDeviceRules([...rules, { allow: true, access: "rwm" }])), ["+a *:* rwm"]);
});

t.test("a narrow rule for both types is two rules", async (t) => {
  t.same(text(planDeviceRules([{ allow: true, access: "m" }])).slice(-2), ["+b *:* m", "+c *:* m"]);
});

t.test("unknown types are refused where they stand", async (t) => {
  t.throws(() => planDeviceRules([{ allow: true, type: "p" }]), { code: "invalidConfig", path: "/linux/resources/devices/0/type" });
});
