import t from "tap";
import type { DeviceCgroup } from "../spec/generated/spec-types.js";
import { splitDeviceRules } from "./cgroup-devices.js";
import { planV1DeviceWrites } from "./cgroup-v1-devices.js";

const planned = (devices: DeviceCgroup[]) => planV1DeviceWrites(splitDeviceRules(devices), (controller) => `/cg/${controller}/c1`);
/** `allow:` or `deny:` and the rule, in the order of the writes. */
const writes = (devices: DeviceCgroup[]): string[] =>
  planned(devices).flatMap(({ path, value, more }) => [value, ...(more ?? [])].map((text) => `${path.split("devices.").at(-1)}: ${text}`));
const rule = (allow: boolean, type: string, major: number, minor: number, access = "rwm"): DeviceCgroup => ({
  allow,
  type,
  major,
  minor,
  access,
});

const everything: DeviceCgroup = { allow: true, access: "rwm" };
const nothing: DeviceCgroup = { allow: false, access: "rwm" };
const implied = ["b *:* m", "c *:* m", "c 1:3 rwm", "c 1:8 rwm", "c 1:7 rwm", "c 5:0 rwm", "c 1:5 rwm", "c 1:9 rwm", "c 136:* rwm"];
const impliedWrites = [...implied, "c 5:2 rwm", "c 10:200 rwm"].map((text) => `allow: ${text}`);

t.test("the base, what the configuration says, what is implied", async (t) => {
  const devices = [nothing, rule(true, "c", 10, 229, "rw"), rule(false, "c", 250, 0, "rw")];
  t.same(writes(devices), ["deny: a", "allow: c 10:229 rw", "deny: c 250:0 rw", ...impliedWrites]);
});

t.test("only the implied values may be denied", async (t) => {
  const [base, allowed, last] = planned([nothing, rule(true, "c", 10, 229, "rw")]);
  t.match(base, { path: "/cg/devices/c1/devices.deny", value: "a" });
  t.equal(base?.mayBeDenied, undefined);
  t.equal(allowed?.mayBeDenied, undefined);
  t.equal(last?.more?.length, implied.length + 1);
  t.equal(last?.mayBeDenied, implied.length + 2);
});

t.test("where everything is allowed nothing is implied, and what is denied stays denied", async (t) => {
  t.same(writes([everything]), ["allow: a"]);
  t.same(writes([everything, rule(false, "c", 1, 11)]), ["allow: a", "deny: c 1:11 rwm"]);
  t.same(writes([everything, rule(false, "c", 1, 3)]), ["allow: a", "deny: c 1:3 rwm"]);
});

t.test("an implied rule gives way to a denial of the configuration, letter by letter", async (t) => {
  const left = (denied: DeviceCgroup) =>
    writes([nothing, denied])
      .filter((text) => !impliedWrites.includes(text))
      .slice(1);
  t.same(left(rule(false, "c", 1, 3, "w")), ["deny: c 1:3 w", "allow: c 1:3 rm"]);
  t.same(left(rule(false, "c", 1, -1, "w")).slice(0, 3), ["deny: c 1:* w", "allow: c 1:3 rm", "allow: c 1:8 rm"]);
  const beside = writes([nothing, rule(false, "c", 10, 229)]);
  t.ok(beside.includes("allow: c *:* m"), "Docker denies this device, and its containers make nodes of others");
  t.ok(beside.includes("allow: c 1:3 rwm"));
  t.notOk(writes([nothing, rule(false, "c", -1, -1, "m")]).includes("allow: c *:* m"));
});

t.test("a rule of the configuration that the kernel would ignore is refused", async (t) => {
  t.throws(() => writes([nothing, rule(true, "c", 1, -1), rule(false, "c", 1, 3)]), { message: /cannot take "c 1:3 rwm" back/ });
  t.doesNotThrow(() => writes([nothing, rule(true, "c", 1, 3), rule(false, "c", 1, 3, "w")]), "the same device");
  t.doesNotThrow(() => writes([nothing, rule(true, "c", 1, -1, "m"), rule(false, "c", 1, 3, "w")]), "other access");
  t.doesNotThrow(() => writes([everything, rule(false, "c", 1, -1)]), "exceptions to allow");
});
