/** The order of writes whose values depend on each other: between two of them the kernel must accept the mixture of new and old values. */

import type { CgroupWrite } from "../generated/plan.js";
import { lastComponent, parentOf } from "./paths.js";
import { amountOf, type FileTexts } from "./update-values.js";

/** @param current what the files have now */
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

/** v1: memory and swap together are never less than memory. A limit of both that the present one of memory fits into comes first. */
function orderMemory(writes: CgroupWrite[], current: FileTexts): void {
  const [memory, both] = [find(writes, "memory.limit_in_bytes"), find(writes, "memory.memsw.limit_in_bytes")];
  if (memory && both && amountOf(both.value) >= amountOf(current.get(memory.path) ?? "max")) putFirst(writes, both, memory);
}

/**
 * v1: the share of a period must be one that the cgroup above has. A shorter period alone would be a greater share, and so would a longer
 * quota in a period that is still short.
 */
function orderBandwidth(writes: CgroupWrite[], current: FileTexts, [periodFile, quotaFile]: readonly [string, string]): void {
  const [period, quota] = [find(writes, periodFile), find(writes, quotaFile)];
  if (!period || !quota) return;
  const isShorter = amountOf(period.value) < amountOf(current.get(period.path) ?? "0");
  if (isShorter) putFirst(writes, quota, period);
  else putFirst(writes, period, quota);
}

/** A burst is never more than the quota. */
function orderBurst(writes: CgroupWrite[], current: FileTexts, [quotaFile, burstFile]: readonly [string, string]): void {
  const [quota, burst] = [find(writes, quotaFile), find(writes, burstFile)];
  if (quota && burst && amountOf(burst.value) <= quotaOf(current.get(quota.path) ?? "max")) putFirst(writes, burst, quota);
}

/** The quota in the text of cpu.cfs_quota_us or cpu.max. */
function quotaOf(text: string): bigint {
  return amountOf(text.split(" ", 1)[0] as string);
}

/** An idle cgroup takes no weight. */
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

/** The file of that name beside another. */
export function sibling(path: string, file: string): string {
  return `${parentOf(path)}/${file}`;
}
