/** Device rules as values of devices.deny and devices.allow (Documentation/admin-guide/cgroup-v1/devices.rst). */

import { RuntimeError } from "../errors.js";
import type { CgroupWrite, DeviceRule } from "../generated/plan.js";
import { overlaps } from "./cgroup-devices.js";
import type { DeviceRules } from "./cgroup-devices.js";
import type { DirectoryFinder } from "./cgroup-v1.js";

const pointer = "/linux/resources/devices";

/**
 * The kernel keeps a default and a list of exceptions to it.
 * @throws RuntimeError if a rule of the configuration revokes only a part of an earlier, wider one: the kernel would ignore it.
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
  // The implied rules come last, because OCI runtime-tools expects devices.list to begin with the configured ones. Configured denials still
  // take precedence, by `withoutDenied`.
  const [value, ...more] = implied.flatMap((rule) => withoutDenied(rule, configured)).map(ruleText);
  if (value !== undefined) writes.push({ path: `${path}/devices.allow`, value, more, pointer, mayBeDenied: more.length + 1 });
  return writes;
}

/**
 * An implied rule without what the configuration denies. The kernel has no exceptions to exceptions, so a denial of one device removes that
 * access from a rule for many devices. Except mknod: Docker denies one device (10:229) by default, and its containers must be able to make nodes
 * of others. So a node of the denied device can be made, but not opened.
 */
function withoutDenied(rule: DeviceRule, configured: readonly DeviceRule[]): DeviceRule[] {
  const anyNode = rule.major === null;
  const denials = configured.filter((other) => !other.allow && overlaps(rule, other) && (!anyNode || other.major === null));
  const access = [...rule.access].filter((letter) => !denials.some((denial) => denial.access.includes(letter))).join("");
  return access === "" ? [] : [{ ...rule, access }];
}

/** Appends a rule, to the previous write if it is for the same file. */
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
