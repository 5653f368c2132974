/**
 * Intel RDT's counters and limits for a container's group (Documentation/filesystems/resctrl.rst). With separate code and data (mount option cdp)
 * `info/L3` does not exist, and as with runc nothing is reported about the cache. Pure.
 */

import type { ResctrlGroups } from "../container/resctrl.js";
import type { IntelRdtStats } from "./container-stats.js";
import { counter, lines } from "./kernel-files.js";
import type { KernelFiles } from "./kernel-files.js";

export interface RdtPlan extends ResctrlGroups {
  /** Mount point of resctrl. */
  mountpoint: string;
  /** Names in the directory `mon_data` of the monitor, sorted. */
  domains: readonly string[];
}

const CACHE_INFO = ["cbm_mask", "min_cbm_bits", "num_closids"].map((file) => `info/L3/${file}`);
const BANDWIDTH_INFO = ["bandwidth_gran", "delay_linear", "min_bandwidth", "num_closids"].map((file) => `info/MB/${file}`);
const FEATURES = "info/L3_MON/mon_features";
const COUNTERS = ["llc_occupancy", "mbm_total_bytes", "mbm_local_bytes"];

/** Directories of the counters, one for each level 3 cache. */
function directories({ monitor, domains }: RdtPlan): string[] {
  return domains.filter((name) => name.startsWith("mon_L3_")).map((name) => `${monitor}/mon_data/${name}`);
}

/** Absolute paths of the files to read. */
export function rdtFiles(plan: RdtPlan): string[] {
  const { mountpoint, group } = plan;
  const ofHost = [...CACHE_INFO, ...BANDWIDTH_INFO, FEATURES, "schemata"].map((file) => `${mountpoint}/${file}`);
  return [...ofHost, `${group}/schemata`, ...directories(plan).flatMap((directory) => COUNTERS.map((file) => `${directory}/${file}`))];
}

/** @param files those of `rdtFiles`, by their paths */
export function rdtStats(plan: RdtPlan, files: KernelFiles): IntelRdtStats {
  const { mountpoint, group } = plan;
  const ofHost: KernelFiles = { text: (name) => files.text(`${mountpoint}/${name}`) };
  const ofGroup: KernelFiles = { text: (name) => files.text(`${group}/${name}`) };
  const features = lines(ofHost, FEATURES);
  const stats: IntelRdtStats = {};
  const mask = ofHost.text("info/L3/cbm_mask");
  if (mask !== undefined) {
    stats.l3_cache_info = {
      cbm_mask: mask.trim(),
      min_cbm_bits: counter(ofHost, "info/L3/min_cbm_bits"),
      num_closids: counter(ofHost, "info/L3/num_closids"),
    };
    stats.l3_cache_schema_root = lineOf(ofHost, "L3");
    stats.l3_cache_schema = lineOf(ofGroup, "L3");
  }
  if (ofHost.text("info/MB/min_bandwidth") !== undefined) {
    stats.mem_bw_info = {
      bandwidth_gran: counter(ofHost, "info/MB/bandwidth_gran"),
      delay_linear: counter(ofHost, "info/MB/delay_linear"),
      min_bandwidth: counter(ofHost, "info/MB/min_bandwidth"),
      num_closids: counter(ofHost, "info/MB/num_closids"),
    };
    stats.mem_bw_schema_root = lineOf(ofHost, "MB");
    stats.mem_bw_schema = lineOf(ofGroup, "MB");
  }
  const counters = directories(plan).map((directory): KernelFiles => ({ text: (name) => number(files.text(`${directory}/${name}`)) }));
  if (features.some((feature) => feature.startsWith("mbm_"))) {
    stats.mbm_stats = counters.map((cache) => ({
      mbm_total_bytes: counter(cache, "mbm_total_bytes"),
      mbm_local_bytes: counter(cache, "mbm_local_bytes"),
    }));
  }
  if (features.includes("llc_occupancy")) {
    stats.cmt_stats = counters.map((cache) => ({ llc_occupancy: counter(cache, "llc_occupancy") }));
  }
  return stats;
}

/** The line of a resource in schemata: `L3:0=7ff;1=7ff`. */
function lineOf(files: KernelFiles, resource: string): string {
  return (
    lines(files, "schemata")
      .map((line) => line.trim())
      .find((line) => line.startsWith(`${resource}:`)) ?? ""
  );
}

/** Skips texts such as `Unavailable`, which the kernel shows for a counter that the hardware does not provide for this group. */
function number(text: string | undefined): string | undefined {
  return text === undefined || /^(Unavailable|Error|Unassigned)$/.test(text.trim()) ? undefined : text;
}
