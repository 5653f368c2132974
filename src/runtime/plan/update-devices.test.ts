import t from "tap";
import type { LimitWrite } from "../generated/plan.js";
import type { DeviceCgroup } from "../spec/generated/spec-types.js";
import { splitDeviceRules } from "./cgroup-devices.js";
import { planV1DeviceWrites } from "./cgroup-v1-devices.js";
import { planV1DeviceChange } from "./update-devices.js";

const deny: DeviceCgroup = { allow: false, access: "rwm" };
const fuse: DeviceCgroup = { allow: true, type: "c", major: 10, minor: 229, access: "rw" };

/** Text of devices.list of a container with these rules. */
function listOf(devices: DeviceCgroup[]): string {
  const writes = planV1DeviceWrites(splitDeviceRules(devices), () => "/cg");
  return writes
    .flatMap(({ value, more = [] }) => [value, ...more])
    .filter((rule) => rule !== "a")
    .join("\n");
}

function change(before: string, wanted: DeviceCgroup[], applied?: DeviceCgroup[]): LimitWrite[] {
  const rules = { wanted: splitDeviceRules(wanted), applied: applied && splitDeviceRules(applied) };
  return planV1DeviceChange({ directory: "/cg", list: before, ...rules });
}

function inShort(writes: LimitWrite[]): string[] {
  return writes.map(({ write, restore }) => {
    const text = (one: { path: string; value: string }): string => `${one.path.slice(4)} ${one.value}`;
    return `${text(write)} <- ${restore.map(text).join(", ")}`;
  });
}

void t.test("only what differs is written, so that nothing else is denied meanwhile", (t) => {
  t.same(inShort(change(listOf([deny]), [deny])), []);
  t.same(inShort(change(listOf([deny]), [deny, fuse])), ["devices.allow c 10:229 rw <- devices.deny c 10:229 rw"]);
  t.same(inShort(change(listOf([deny, fuse]), [deny, { ...fuse, access: "r" }])), ["devices.deny c 10:229 w <- devices.allow c 10:229 w"]);
  t.end();
});

void t.test("rules that allow everything replace all, and those before come back as far as they are known", (t) => {
  const all: DeviceCgroup = { allow: true, access: "rwm" };
  const [opened] = change("c 1:3 rwm\nb *:* m", [all]);
  t.same(opened?.restore, [
    { path: "/cg/devices.deny", value: "a", pointer: "/linux/resources/devices" },
    { path: "/cg/devices.allow", value: "c 1:3 rwm", more: ["b *:* m"], pointer: "/linux/resources/devices" },
  ]);
  t.same(inShort(change("a *:* rwm", [deny]).slice(0, 1)), ["devices.deny a <- devices.allow a"]);
  const [known] = inShort(change("a *:* rwm", [deny], [all, { ...fuse, allow: false }]));
  t.equal(known, "devices.deny a <- devices.allow a, devices.deny c 10:229 rw");
  t.end();
});
