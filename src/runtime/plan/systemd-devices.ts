/** Device rules as properties of a unit: DevicePolicy and DeviceAllow (systemd.resource-control(5)). */

import type { DeviceRule, SystemdFacts, UnitProperty } from "../generated/plan.js";
import { overlaps } from "./cgroup-devices.js";

/** The first version of systemd that accepts `char-136` besides the name of a driver. */
const NUMBERS_SINCE = 240;
const LETTERS = "rwm";

export interface DeviceFacts extends Pick<SystemdFacts, "version" | "deviceNames"> {
  /** Cgroup v2: the runtime attaches its own filter, which systemd does not touch. An access must be allowed by both. */
  v2: boolean;
}

/**
 * The device rules as properties, if systemd can express them: a list of allowed devices. Otherwise none, so that systemd allows every device
 * and only the runtime's rules apply. On cgroup v2 that is the runtime's filter. On v1 systemd resets the files of the controller at a reload, so
 * there a rule that systemd cannot express is left out of the list, because allowing everything would be worse.
 */
export function deviceProperties(rules: readonly DeviceRule[], facts: DeviceFacts): UnitProperty[] {
  const pointer = "/linux/resources/devices";
  const allowed = allowList(rules, facts.v2);
  if (!allowed) return [];
  const letters = new Map<string, Set<string>>();
  for (const rule of allowed) {
    const name = deviceName(rule, facts);
    if (name === undefined) {
      if (facts.v2) return [];
      continue;
    }
    // systemd keeps only the last entry for a name, and a single entry must allow an access completely.
    const access = allowed.filter((other) => covers(other, rule)).flatMap((other) => [...other.access]);
    letters.set(name, new Set([...(letters.get(name) ?? []), ...access]));
  }
  const entries = [...letters].map(([name, found]) => [name, [...LETTERS].filter((letter) => found.has(letter)).join("")]);
  return [
    { name: "DevicePolicy", signature: "s", value: "strict", pointer },
    { name: "DeviceAllow", signature: "a(ss)", value: entries, pointer },
  ];
}

/**
 * The rules as a list of allowed devices. Undefined if that is not possible: everything but some devices is allowed, or some of the devices
 * that a rule allows are denied. On cgroup v1 such a denial removes the access from the whole rule (cgroup-v1-devices.ts).
 */
function allowList(rules: readonly DeviceRule[], v2: boolean): DeviceRule[] | undefined {
  let allowed: DeviceRule[] | undefined;
  for (const rule of rules) {
    if (rule.kind === "a") allowed = rule.allow ? undefined : [];
    else if (!allowed) return undefined;
    else if (rule.allow) allowed.push(rule);
    else if (v2 && allowed.some((earlier) => overlaps(rule, earlier) && !covers(rule, earlier))) return undefined;
    else allowed = allowed.flatMap((earlier) => (overlaps(rule, earlier) ? without(earlier, rule.access) : [earlier]));
  }
  return allowed;
}

function without(rule: DeviceRule, letters: string): DeviceRule[] {
  const access = [...rule.access].filter((letter) => !letters.includes(letter)).join("");
  return access === "" ? [] : [{ ...rule, access }];
}

/** Whether every device of `inner` is one of `outer`. */
function covers(outer: DeviceRule, inner: DeviceRule): boolean {
  const includes = (one: number | null, other: number | null): boolean => one === null || one === other;
  return outer.kind === inner.kind && includes(outer.major, inner.major) && includes(outer.minor, inner.minor);
}

/** `/dev/char/1:3`, `char-136` for 136:*, `block-*` for all; undefined if systemd has no name for it. */
function deviceName({ kind, major, minor }: DeviceRule, { version, deviceNames }: DeviceFacts): string | undefined {
  const type = kind === "b" ? "block" : "char";
  if (major === null) return minor === null ? `${type}-*` : undefined;
  if (minor !== null) return `/dev/${type}/${major}:${minor}`;
  if (version >= NUMBERS_SINCE) return `${type}-${major}`;
  const [characters = "", blocks = ""] = deviceNames.split(/^Block devices:$/m);
  const line = new RegExp(`^ *${major} (.+)$`, "m").exec(kind === "b" ? blocks : characters);
  return line?.[1] === undefined ? undefined : `${type}-${line[1]}`;
}
