/** What the files of a container's cgroups have before an update, and what that means for it. */

import type { Integer64 } from "../spec/generated/spec-types.js";
import { unifiedPlacement } from "./cgroup.js";
import type { CgroupPlacement } from "./cgroup.js";

/** Texts of files by their paths; those that do not exist are not there. */
export type FileTexts = ReadonlyMap<string, string>;

/** A container's directory of a controller. */
export interface Home {
  path: string;
  v2: boolean;
}

/** Where a container has a controller: on v1, or else on v2. */
export function homeOf(controller: string, placements: readonly CgroupPlacement[]): Home | undefined {
  const v1 = placements.find(({ hierarchy }) => hierarchy.controllers.includes(controller));
  if (v1) return { path: v1.path, v2: false };
  const unified = unifiedPlacement(placements);
  return unified && { path: unified.path, v2: true };
}

const V1_FILES = {
  cpu: ["cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us", "cpu.cfs_burst_us", "cpu.rt_period_us", "cpu.rt_runtime_us", "cpu.idle"],
  memory: ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"],
} as const;

const V2_FILES = { cpu: ["cpu.weight", "cpu.max", "cpu.max.burst", "cpu.idle"], memory: ["memory.max", "memory.current"] } as const;

/** The files that other values depend on. */
export function filesToRead(controllers: readonly ("cpu" | "memory")[], placements: readonly CgroupPlacement[]): string[] {
  return controllers.flatMap((controller) => {
    const home = homeOf(controller, placements);
    return home ? (home.v2 ? V2_FILES : V1_FILES)[controller].map((file) => `${home.path}/${file}`) : [];
  });
}

/** No limit, as a number that is greater than any. */
export const UNLIMITED = 2n ** 64n;

/** A number of a file, or of a configuration: `max` and what is negative is no limit. */
export function amountOf(value: string | Integer64): bigint {
  const text = String(value).trim();
  return /^[0-9]+$/.test(text) ? BigInt(text) : UNLIMITED;
}
