/** Device rules as values of devices.deny and devices.allow (Documentation/admin-guide/cgroup-v1/devices.rst). */

import { RuntimeError } from "../errors.js";
import type { CgroupWrite, DeviceRule } from "../generated/plan.js";
import { overlaps } from "./cgroup-devices.js";
import type { DeviceRules } from "./cgroup-devices.js";
import type { DirectoryFinder } from "./cgroup-v1.js";

const pointer = "/linux/resources/devices";

/**
 * The kernel keeps one default and a list of exceptions from it.
 * @throws RuntimeError where a rule of the configuration takes only a part of an earlier, wider one back: the kernel would ignore it.
 */
export function planV1DeviceWrites({ base, implied, configured }: DeviceRules, directory: DirectoryFinder): CgroupWrite[] {
  const path = directory("devices", pointer);
  const writes: CgroupWrite[] = [];
  add(writes, path, base);
  const exceptions: DeviceRule[] = [];
  for (const rule of configured) {
    if (rule.allow !== base.allow) exceptions.push(rule);
    else if (exceptions.some((exception) => overlaps(exception, rule) && !sameNumbers(exception, rule)))
      throw new RuntimeError(`cgroup v1 cannot take "${ruleText(rule)}" back from a wider rule`, {
        code: "unsupported",
        operation: pointer,
        path: pointer,
      });
    add(writes, path, rule);
  }
  // Last, so that devices.list begins with the rules of the configuration, which OCI runtime-tools reads in order. What those deny is left out of these.
  const [value, ...more] = implied.flatMap((rule) => withoutDenied(rule, configured)).map(ruleText);
  if (value !== undefined) writes.push({ path: `${path}/devices.allow`, value, more, pointer, mayBeDenied: more.length + 1 });
  return writes;
}

/**
 * What is left of an implied rule beside the denials of the configuration: the kernel has no exceptions from exceptions, so a denial of one
 * device takes the access away from a rule for many. The right to make any node is an exception: Docker denies one device (10:229) by
 * default and its containers make others. A node of the denied device may be made then, but not opened.
 */
function withoutDenied(rule: DeviceRule, configured: readonly DeviceRule[]): DeviceRule[] {
  const anyNode = rule.major === null;
  const denials = configured.filter((other) => !other.allow && overlaps(rule, other) && (!anyNode || other.major === null));
  const access = [...rule.access].filter((letter) => !denials.some((denial) => denial.access.includes(letter))).join("");
  return access === "" ? [] : [{ ...rule, access }];
}

/** A rule for the file of the one before is one more value for that. */
function add(writes: CgroupWrite[], directory: string, rule: DeviceRule): void {
  const path = `${directory}/devices.${rule.allow ? "allow" : "deny"}`;
  const last = writes.at(-1);
  if (last?.path === path) (last.more ??= []).push(ruleText(rule));
  else writes.push({ path, value: ruleText(rule), pointer });
}

function ruleText({ kind, major, minor, access }: DeviceRule): string {
  return kind === "a" ? "a" : `${kind} ${major ?? "*"}:${minor ?? "*"} ${access}`;
}

function sameNumbers(left: DeviceRule, right: DeviceRule): boolean {
  return left.major === right.major && left.minor === right.minor;
}
