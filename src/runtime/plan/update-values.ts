/** The values of a container's cgroup files before an update. */

import type { Integer64 } from "../spec/generated/spec-types.js";
import { unifiedPlacement } from "./cgroup.js";
import type { CgroupPlacement } from "./cgroup.js";

/** Contents of files by path, without files that do not exist. */
export type FileTexts = ReadonlyMap<string, string>;

/** A container's directory for a controller. */
export interface ControllerDirectory {
  path: string;
  v2: boolean;
}

/** The container's directory for a controller: on v1, or else on v2. */
export function controllerDirectory(controller: string, placements: readonly CgroupPlacement[]): ControllerDirectory | undefined {
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

/** The files on which other values depend. */
export function filesToRead(controllers: readonly ("cpu" | "memory")[], placements: readonly CgroupPlacement[]): string[] {
  return controllers.flatMap((controller) => {
    const home = controllerDirectory(controller, placements);
    return home ? (home.v2 ? V2_FILES : V1_FILES)[controller].map((file) => `${home.path}/${file}`) : [];
  });
}

/** Stands for no limit: greater than any value. */
export const UNLIMITED = 2n ** 64n;

/** A number from a file or a configuration; `max` and negative numbers mean no limit. */
export function amountOf(value: string | Integer64): bigint {
  const text = String(value).trim();
  return /^[0-9]+$/.test(text) ? BigInt(text) : UNLIMITED;
}
