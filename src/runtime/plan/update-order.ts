/** Orders writes that depend on each other, so that the kernel accepts the mixture of new and old values after each of them. */

import type { CgroupWrite } from "../generated/plan.js";
import { lastComponent, parentOf } from "./paths.js";
import { amountOf, type FileTexts } from "./update-values.js";

/** @param current the current contents of the files */
export function inSafeOrder(writes: readonly CgroupWrite[], current: FileTexts): CgroupWrite[] {
  const ordered = [...writes];
  orderMemory(ordered, current);
  orderBandwidth(ordered, current, ["cpu.cfs_period_us", "cpu.cfs_quota_us"]);
  orderBandwidth(ordered, current, ["cpu.rt_period_us", "cpu.rt_runtime_us"]);
  orderBurst(ordered, current, ["cpu.cfs_quota_us", "cpu.cfs_burst_us"]);
  orderBurst(ordered, current, ["cpu.max", "cpu.max.burst"]);
  orderIdle(ordered);
  return ordered;
}

/** v1: memory+swap must never be less than memory. If its new limit is not below the current limit of memory, it is written first. */
function orderMemory(writes: CgroupWrite[], current: FileTexts): void {
  const [memory, both] = [find(writes, "memory.limit_in_bytes"), find(writes, "memory.memsw.limit_in_bytes")];
  if (memory && both && amountOf(both.value) >= amountOf(current.get(memory.path) ?? "max")) putFirst(writes, both, memory);
}

/**
 * v1: the ratio of quota to period must not exceed that of the parent cgroup. Shortening the period first would raise the ratio, and so would
 * raising the quota while the period is still short.
 */
function orderBandwidth(writes: CgroupWrite[], current: FileTexts, [periodFile, quotaFile]: readonly [string, string]): void {
  const [period, quota] = [find(writes, periodFile), find(writes, quotaFile)];
  if (!period || !quota) return;
  const isShorter = amountOf(period.value) < amountOf(current.get(period.path) ?? "0");
  if (isShorter) putFirst(writes, quota, period);
  else putFirst(writes, period, quota);
}

/** The burst must never exceed the quota. */
function orderBurst(writes: CgroupWrite[], current: FileTexts, [quotaFile, burstFile]: readonly [string, string]): void {
  const [quota, burst] = [find(writes, quotaFile), find(writes, burstFile)];
  if (quota && burst && amountOf(burst.value) <= quotaOf(current.get(quota.path) ?? "max")) putFirst(writes, burst, quota);
}

/** The quota in the text of cpu.cfs_quota_us or cpu.max. */
function quotaOf(text: string): bigint {
  return amountOf(text.split(" ", 1)[0] as string);
}

/** The kernel refuses a weight for an idle cgroup. */
function orderIdle(writes: CgroupWrite[]): void {
  const idle = find(writes, "cpu.idle");
  const weight = find(writes, "cpu.shares") ?? find(writes, "cpu.weight");
  if (idle && weight && idle.value === "0") putFirst(writes, idle, weight);
}

function find(writes: readonly CgroupWrite[], file: string): CgroupWrite | undefined {
  return writes.find(({ path }) => lastComponent(path) === file);
}

/** Moves `first` right before `second`, if it comes after it. */
function putFirst(writes: CgroupWrite[], first: CgroupWrite, second: CgroupWrite): void {
  const [from, to] = [writes.indexOf(first), writes.indexOf(second)];
  if (from < to) return;
  writes.splice(from, 1);
  writes.splice(to, 0, first);
}

/** The path of another file in the same directory. */
export function sibling(path: string, file: string): string {
  return `${parentOf(path)}/${file}`;
}
