/** Pressure stall information (Documentation/accounting/psi.rst); only on cgroup v2. */

import type { Pressure, PressureValues } from "./container-stats.js";
import { lines, malformed, unsigned, words } from "./kernel-files.js";
import type { KernelFiles } from "./kernel-files.js";

export const PRESSURE_FILES = ["cpu.pressure", "memory.pressure", "io.pressure"];

/** Undefined if the kernel does not measure it. */
export function pressure(files: KernelFiles, name: string): Pressure | undefined {
  const found = new Map(lines(files, name).map((line) => kindOf(line, name)));
  if (found.size === 0) return undefined;
  const none = { avg10: 0, avg60: 0, avg300: 0, total: 0n };
  // Before Linux 5.13 cpu.pressure has no `full`.
  return { some: found.get("some") ?? none, full: found.get("full") ?? none };
}

/** `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`. */
function kindOf(line: string, name: string): [kind: string, PressureValues] {
  const [kind = "", ...pairs] = words(line);
  const values = new Map(pairs.map((pair) => pair.split("=") as [string, string]));
  const percent = (key: string): number => {
    const text = values.get(key) ?? "";
    if (!/^\d+(\.\d+)?$/.test(text)) throw malformed(name, line);
    return Number(text);
  };
  return [
    kind,
    { avg10: percent("avg10"), avg60: percent("avg60"), avg300: percent("avg300"), total: unsigned(values.get("total") ?? "", name) },
  ];
}
