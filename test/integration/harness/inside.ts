/** Who is in a pid namespace, as the host sees it. */
import { readFileSync, readdirSync, readlinkSync } from "node:fs";

/** /proc/PID/status of each process in that pid namespace (a link of /proc/PID/ns/pid), but of the one whose pid is given. */
export function statusesInside(namespace: string, but: number): string[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name) && Number(name) !== but)
    .flatMap((name) => statusInside(name, namespace) ?? []);
}

function statusInside(pid: string, namespace: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`) === namespace ? readFileSync(`/proc/${pid}/status`, "utf8") : undefined;
  } catch {
    return undefined; // it has ended
  }
}
