/** Finds the processes of a pid namespace from the host. */
import { readFileSync, readdirSync, readlinkSync } from "node:fs";

/** Reads /proc/PID/status of each process in a pid namespace (given as the target of /proc/PID/ns/pid), except of process `except`. */
export function statusesInside(namespace: string, except: number): string[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name) && Number(name) !== except)
    .flatMap((name) => statusInside(name, namespace) ?? []);
}

function statusInside(pid: string, namespace: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`) === namespace ? readFileSync(`/proc/${pid}/status`, "utf8") : undefined;
  } catch {
    return undefined; // the process has ended
  }
}
