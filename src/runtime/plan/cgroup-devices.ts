/** Which devices a container may use (config-linux.md#allowed-device-list). */

import { RuntimeError } from "../errors.js";
import type { DeviceRule } from "../generated/plan.js";
import type { DeviceCgroup } from "../spec/generated/spec-types.js";
import { DEFAULT_DEVICES, deviceNumber } from "./devices.js";

/** The device rules of a container. If several match an access, the last one applies, in the order of these fields. */
export interface DeviceRules {
  /** Allows or denies everything. */
  base: DeviceRule;
  /**
   * What every container needs unless everything is allowed: making nodes, the default devices, terminals, tun. They are not in the
   * configuration, so the rules of the configuration override them.
   */
  implied: readonly DeviceRule[];
  configured: readonly DeviceRule[];
}

/** The rules of the configuration since the last one for all devices, which overrides those before it. Without one everything is denied. */
export function splitDeviceRules(devices: readonly DeviceCgroup[]): DeviceRules {
  let base: DeviceRule = { allow: false, kind: "a", major: null, minor: null, access: "rwm" };
  let configured: DeviceRule[] = [];
  devices.forEach((device, index) => {
    const planned = planRule(device, `/linux/resources/devices/${index}`);
    const [first] = planned;
    if (first?.kind === "a") [base, configured] = [first, []];
    else configured.push(...planned);
  });
  return { base, implied: base.allow ? [] : DEFAULT_DEVICE_RULES, configured };
}

/** The rules in order: the last match wins. */
export function planDeviceRules(devices: readonly DeviceCgroup[]): DeviceRule[] {
  const { base, implied, configured } = splitDeviceRules(devices);
  return [base, ...implied, ...configured];
}

/** Whether some access matches both rules. */
export function overlaps(left: DeviceRule, right: DeviceRule): boolean {
  const meets = (one: number | null, other: number | null): boolean => one === null || other === null || one === other;
  return (
    left.kind === right.kind &&
    meets(left.major, right.major) &&
    meets(left.minor, right.minor) &&
    [...left.access].some((letter) => right.access.includes(letter))
  );
}

function planRule(device: DeviceCgroup, pointer: string): DeviceRule[] {
  const kind = device.type ?? "a";
  if (kind !== "a" && kind !== "b" && kind !== "c") {
    throw new RuntimeError(`unknown device type "${kind}"`, {
      code: "invalidConfig",
      operation: `${pointer}/type`,
      path: `${pointer}/type`,
    });
  }
  const rule = {
    allow: device.allow,
    major: ruleNumber(device.major, `${pointer}/major`),
    minor: ruleNumber(device.minor, `${pointer}/minor`),
    access: device.access || "rwm",
  };
  const everything = rule.major === null && rule.minor === null && rule.access.length === 3;
  // The v1 files ignore everything after `a`: a narrower rule for both types is two rules.
  if (kind === "a" && !everything)
    return [
      { ...rule, kind: "b" },
      { ...rule, kind: "c" },
    ];
  return [{ ...rule, kind }];
}

/** -1 stands for every number, as with an absent one. */
function ruleNumber(value: DeviceCgroup["major"], pointer: string): number | null {
  return value === undefined || value < 0 ? null : deviceNumber(value, pointer);
}

function allow(kind: string, major: number | null, minor: number | null, access: string): DeviceRule {
  return { allow: true, kind, major, minor, access };
}

const DEFAULT_DEVICE_RULES: readonly DeviceRule[] = [
  allow("b", null, null, "m"),
  allow("c", null, null, "m"),
  ...DEFAULT_DEVICES.map(([, major, minor]) => allow("c", major, minor, "rwm")),
  // /dev/pts/*, /dev/ptmx, /dev/net/tun
  allow("c", 136, null, "rwm"),
  allow("c", 5, 2, "rwm"),
  allow("c", 10, 200, "rwm"),
];
