/** Which devices a container may use (config-linux.md#allowed-device-list). */

import { RuntimeError } from "../errors.js";
import type { DeviceRule } from "../generated/plan.js";
import type { DeviceCgroup } from "../spec/generated/spec-types.js";
import { DEFAULT_DEVICES, deviceNumber } from "./devices.js";

/**
 * The rules in order, the last match wins: nothing is allowed but what the configuration says and what every container
 * needs (making nodes, the default devices, terminals, tun).
 */
export function planDeviceRules(devices: readonly DeviceCgroup[]): DeviceRule[] {
  const rules: DeviceRule[] = [{ allow: false, kind: "a", major: null, minor: null, access: "rwm" }];
  devices.forEach((device, index) => rules.push(...planRule(device, `/linux/resources/devices/${index}`)));
  rules.push(...DEFAULT_RULES);
  return rules;
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

const DEFAULT_RULES: readonly DeviceRule[] = [
  allow("b", null, null, "m"),
  allow("c", null, null, "m"),
  ...DEFAULT_DEVICES.map(([, major, minor]) => allow("c", major, minor, "rwm")),
  // /dev/pts/*, /dev/ptmx, /dev/net/tun
  allow("c", 136, null, "rwm"),
  allow("c", 5, 2, "rwm"),
  allow("c", 10, 200, "rwm"),
];
