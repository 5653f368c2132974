/** Block devices (cgroup-v1/blkio-controller.rst; block/bfq-iosched.rst; cgroup-v2.rst, "io.stat"). */

import type { BlkioEntry, BlkioStats } from "./container-stats.js";
import { lines, malformed, unsigned, words } from "./kernel-files.js";
import type { KernelFiles } from "./kernel-files.js";

type Table = Exclude<keyof BlkioStats, "psi">;

/** v1's names of the tables. Without BFQ's debug option only the last two exist. */
const NAMES: readonly [name: string, table: Table][] = [
  ["sectors", "sectorsRecursive"],
  ["io_service_time", "ioServiceTimeRecursive"],
  ["io_wait_time", "ioWaitTimeRecursive"],
  ["io_merged", "ioMergedRecursive"],
  ["io_queued", "ioQueueRecursive"],
  ["time", "ioTimeRecursive"],
  ["io_serviced", "ioServicedRecursive"],
  ["io_service_bytes", "ioServiceBytesRecursive"],
];

/** Sources of the counters: the I/O scheduler BFQ, CFQ (before Linux 5.0), the throttling layer. The first with data is used. */
const COUNTERS: readonly ((name: string) => string)[] = [
  (name) => `blkio.bfq.${name}_recursive`,
  (name) => `blkio.${name}_recursive`,
  (name) => `blkio.throttle.${name}_recursive`,
  (name) => `blkio.throttle.${name}`,
];

export const BLKIO_FILES = COUNTERS.flatMap((file) => NAMES.map(([name]) => file(name)));
export const IO_FILES = ["io.stat"];

export function noBlkio(): BlkioStats {
  return {
    ioServiceBytesRecursive: [],
    ioServicedRecursive: [],
    ioQueueRecursive: [],
    ioServiceTimeRecursive: [],
    ioWaitTimeRecursive: [],
    ioMergedRecursive: [],
    ioTimeRecursive: [],
    sectorsRecursive: [],
  };
}

export function blkio1(files: KernelFiles): BlkioStats {
  for (const file of COUNTERS) {
    const stats = noBlkio();
    for (const [name, table] of NAMES) stats[table] = lines(files, file(name)).flatMap((line) => entriesOf(line, file(name)));
    if (NAMES.some(([, table]) => stats[table].length > 0)) return stats;
  }
  return noBlkio();
}

/** Parses lines such as `8:0 Read 512` and `8:0 17`; skips the total over all devices. */
function entriesOf(line: string, file: string): BlkioEntry[] {
  const fields = words(line);
  if (fields.length === 2 && fields[0] === "Total") return [];
  const [device = "", op = "", value] = fields.length === 2 ? [fields[0], "", fields[1]] : fields;
  if (value === undefined) throw malformed(file, line);
  return [{ ...deviceOf(device, file, line), op, value: unsigned(value, file) }];
}

function deviceOf(text: string, file: string, line: string): { major: bigint; minor: bigint } {
  const [major, minor, ...more] = text.split(":");
  if (major === undefined || minor === undefined || more.length > 0) throw malformed(file, line);
  return { major: unsigned(major, file), minor: unsigned(minor, file) };
}

/** v2's counters and their names on v1. */
const IO_STAT: Readonly<Record<string, readonly [Table, op: string]>> = {
  rbytes: ["ioServiceBytesRecursive", "Read"],
  wbytes: ["ioServiceBytesRecursive", "Write"],
  rios: ["ioServicedRecursive", "Read"],
  wios: ["ioServicedRecursive", "Write"],
};

export function blkio2(files: KernelFiles): BlkioStats {
  const stats = noBlkio();
  for (const line of lines(files, "io.stat")) {
    const [device = "", ...values] = words(line);
    // A device without any I/O may have no numbers, not even its own device number.
    if (values.length === 0) continue;
    for (const pair of values) {
      const [key = "", value = ""] = pair.split("=");
      const [table, op] = IO_STAT[key] ?? [];
      if (table !== undefined && op !== undefined) {
        stats[table].push({ ...deviceOf(device, "io.stat", line), op, value: unsigned(value, "io.stat") });
      }
    }
  }
  return stats;
}
