/** Changes the device rules of a running container on cgroup v1. Only differences are written, so that nothing is denied meanwhile. */

import type { CgroupWrite, LimitWrite } from "../generated/plan.js";
import type { DeviceRules } from "./cgroup-devices.js";
import { planV1DeviceWrites } from "./cgroup-v1-devices.js";

const LETTERS = "rwm";

/** Everything is allowed. The kernel does not show the exceptions. */
const ALLOWS_ALL = "a *:* rwm";

interface DeviceChange {
  /** Directory of the controller devices. */
  directory: string;
  /** Text of devices.list. */
  list: string;
  wanted: DeviceRules;
  /** The rules that were applied last, if known. */
  applied: DeviceRules | undefined;
}

/** An allowed access to devices. */
interface Allowed {
  letters: Set<string>;
  /** An implied rule, which the configuration may deny. */
  implied: boolean;
}

/** By `c 1:3`. */
type AllowList = Map<string, Allowed>;

/** @throws RuntimeError on rules that v1 cannot express */
export function planV1DeviceChange({ directory, list, wanted, applied }: DeviceChange): LimitWrite[] {
  const writes = planV1DeviceWrites(wanted, () => directory);
  const before = list === ALLOWS_ALL ? undefined : parseList(list);
  if (before && !wanted.base.allow) return difference(before, allowList(writes), writes[0] as CgroupWrite);
  const restore = applied ? planV1DeviceWrites(applied, () => directory) : resetTo(before, writes[0] as CgroupWrite);
  // The first write resets everything, and so does the write that undoes it.
  return writes.map((write, index) => ({ write, restore: index === 0 ? restore : [] }));
}

function parseList(text: string): AllowList {
  const list: AllowList = new Map();
  for (const line of text.split("\n").filter((line) => line !== "")) add(list, line, false);
  return list;
}

/** Adds `c 1:3 rw`. */
function add(list: AllowList, rule: string, implied: boolean): void {
  const { key, letters } = parseRule(rule);
  const known = list.get(key);
  if (known) for (const letter of letters) known.letters.add(letter);
  else list.set(key, { letters: new Set(letters), implied });
}

function parseRule(rule: string): { key: string; letters: string } {
  const [kind, numbers, letters = ""] = rule.split(" ");
  return { key: `${kind} ${numbers}`, letters };
}

/** What is allowed after writes that begin by denying everything. */
function allowList(writes: readonly CgroupWrite[]): AllowList {
  const list: AllowList = new Map();
  for (const { path, value, more, mayBeDenied = 0 } of writes) {
    for (const rule of [value, ...(more ?? [])]) {
      if (rule === "a") list.clear();
      else if (path.endsWith(".allow")) add(list, rule, mayBeDenied > 0);
      else remove(list, rule);
    }
  }
  return list;
}

function remove(list: AllowList, rule: string): void {
  const { key, letters } = parseRule(rule);
  for (const letter of letters) list.get(key)?.letters.delete(letter);
}

function difference(before: AllowList, after: AllowList, { path, pointer }: CgroupWrite): LimitWrite[] {
  const directory = path.slice(0, path.lastIndexOf("/"));
  const changes: LimitWrite[] = [];
  const note = (file: string, opposite: string, key: string, letters: string, implied: boolean): void => {
    if (letters === "") return;
    const write = { path: `${directory}/${file}`, value: `${key} ${letters}`, pointer, ...(implied && { mayBeDenied: 1 }) };
    changes.push({ write, restore: [{ path: `${directory}/${opposite}`, value: write.value, pointer }] });
  };
  const missing = (from: AllowList, to: AllowList, key: string): string =>
    [...LETTERS].filter((letter) => from.get(key)?.letters.has(letter) && !to.get(key)?.letters.has(letter)).join("");
  for (const key of before.keys()) note("devices.deny", "devices.allow", key, missing(before, after, key), false);
  for (const [key, { implied }] of after) note("devices.allow", "devices.deny", key, missing(after, before, key), implied);
  return changes;
}

/** @param before undefined: everything was allowed */
function resetTo(before: AllowList | undefined, { path, pointer }: CgroupWrite): CgroupWrite[] {
  const directory = path.slice(0, path.lastIndexOf("/"));
  if (!before) return [{ path: `${directory}/devices.allow`, value: "a", pointer }];
  const [value, ...more] = [...before].map(([key, { letters }]) => `${key} ${[...letters].join("")}`);
  const deny: CgroupWrite = { path: `${directory}/devices.deny`, value: "a", pointer };
  return value === undefined ? [deny] : [deny, { path: `${directory}/devices.allow`, value, more, pointer }];
}
