/**
 * Finds what a test leaves behind on the host, by comparing snapshots from before and after the test.
 */
import { lstatSync, readFileSync, readdirSync } from "node:fs";
import type { Dirent } from "node:fs";
import { exclusive, prefix, workDirectory } from "./environment.js";
import { hierarchies } from "./cgroups.js";
import { until } from "./execute.js";

export interface Snapshot {
  mounts: Map<string, string>;
  cgroups: Set<string>;
  /** pid -> command line, of all descendants of the subreaper */
  processes: Map<number, string>;
  sockets: Set<string>;
  files: Set<string>;
  names: string;
}

/** The lines of `/proc/self/mountinfo` by mount ID. The tests run in their own mount namespace, so every change comes from them. */
function mounts(): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    const id = line.split(" ", 1)[0];
    if (id) found.set(id, line);
  }
  return found;
}

/** The cgroups with the run's prefix in all hierarchies; on an exclusive machine also every top-level cgroup. */
function cgroups(): Set<string> {
  const found = new Set<string>();
  const visit = (directory: string, depth: number): void => {
    for (const entry of entriesOf(directory)) {
      if (!entry.isDirectory()) continue;
      const child = `${directory}/${entry.name}`;
      if (child.includes(prefix) || (exclusive && depth === 0)) found.add(child);
      visit(child, depth + 1);
    }
  };
  for (const hierarchy of hierarchies()) visit(hierarchy.mountPoint, 0);
  return found;
}

/** Other processes' cgroups can vanish meanwhile, or be too deep for a path. */
function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if (["ENOENT", "ENODEV", "ENAMETOOLONG"].includes((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw error;
  }
}

/** The parent, state and command of a process; undefined if it has ended. */
function processStatus(pid: number): { parent: number; state: string; command: string } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    return { state: fields[0] ?? "", parent: Number(fields[1]), command: command || text.slice(0, text.lastIndexOf(")") + 1) };
  } catch {
    return undefined; // the process ended meanwhile
  }
}

/** All descendants of the subreaper, zombies included, except this process and its ancestors. */
export function descendants(): Map<number, string> {
  const parents = new Map<number, { parent: number; command: string }>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    const status = Number.isInteger(pid) ? processStatus(pid) : undefined;
    if (status) parents.set(pid, { parent: status.parent, command: `${status.command} (${status.state})` });
  }
  const ancestors = new Set<number>([process.pid]);
  for (let pid = process.ppid; pid > 1; pid = parents.get(pid)?.parent ?? 0) {
    ancestors.add(pid);
    if (parents.get(pid)?.command.includes("/subreaper ")) break;
  }
  const found = new Map<number, string>();
  for (const [pid, { command }] of parents) {
    if (ancestors.has(pid)) continue;
    let ancestor = parents.get(pid)?.parent ?? 0;
    while (ancestor > 1 && !ancestors.has(ancestor)) ancestor = parents.get(ancestor)?.parent ?? 0;
    if (ancestors.has(ancestor)) found.set(pid, command);
  }
  return found;
}

/** The paths of Unix sockets (abstract ones begin with @) that have the run's prefix or are in its directory. */
function sockets(): Set<string> {
  const found = new Set<string>();
  for (const line of readFileSync("/proc/net/unix", "utf8").split("\n")) {
    const name = line.split(" ").at(-1) ?? "";
    if (name.includes(prefix) || name.includes(workDirectory)) found.add(name);
  }
  return found;
}

/** The entries of folders that a runtime may write to; on a shared machine only those with the run's prefix. */
function files(): Set<string> {
  const found = new Set<string>();
  const folders = ["/run", "/run/runc", "/run/crun", "/run/tsrunc", "/run/lock", "/run/user", "/tmp", "/var/tmp", "/dev", "/dev/shm"];
  for (const folder of folders) {
    let names: string[];
    try {
      names = readdirSync(folder);
    } catch {
      continue; // a missing folder is empty
    }
    for (const name of names) if (exclusive || name.includes(prefix)) found.add(`${folder}/${name}`);
  }
  return found;
}

/** Host properties that no container may change: devices, host name and core pattern. */
function hostFacts(): string {
  const devices = ["/dev/null", "/dev/zero", "/dev/tty", "/dev/ptmx", "/dev/console", "/dev/pts/ptmx"].map((device) => {
    const info = lstatSync(device, { throwIfNoEntry: false });
    return info ? `${device} mode ${info.mode.toString(8)} owner ${info.uid}:${info.gid} rdev ${info.rdev}` : `${device} missing`;
  });
  const names = ["hostname", "domainname", "core_pattern"].map(
    (name) => `${name} ${readFileSync(`/proc/sys/kernel/${name}`, "utf8").trim()}`,
  );
  return [...devices, ...names].join("\n");
}

export function snapshot(): Snapshot {
  return { mounts: mounts(), cgroups: cgroups(), processes: descendants(), sockets: sockets(), files: files(), names: hostFacts() };
}

/** Describes what is new in `after`, and the mounts that changed or vanished, one line for each. */
export function differences(before: Snapshot, after: Snapshot): string[] {
  const found: string[] = [];
  for (const [id, line] of after.mounts) {
    const earlier = before.mounts.get(id);
    if (earlier === undefined) found.push(`mount left: ${line}`);
    else if (earlier !== line) found.push(`mount changed: ${earlier} -> ${line}`);
  }
  for (const [id, line] of before.mounts) if (!after.mounts.has(id)) found.push(`mount gone: ${line}`);
  for (const cgroup of after.cgroups) if (!before.cgroups.has(cgroup)) found.push(`cgroup left: ${cgroup}`);
  for (const [pid, command] of after.processes) if (!before.processes.has(pid)) found.push(`process left: ${pid} ${command}`);
  for (const socket of after.sockets) if (!before.sockets.has(socket)) found.push(`socket left: ${socket}`);
  for (const file of after.files) if (!before.files.has(file)) found.push(`file left: ${file}`);
  if (before.names !== after.names) found.push(`host changed:\n${before.names}\n->\n${after.names}`);
  return found;
}

/** The differences after waiting up to a second for processes that are about to end. */
export async function settledDifferences(before: Snapshot): Promise<string[]> {
  try {
    await until("nothing left", () => differences(before, snapshot()).length === 0, 1);
    return [];
  } catch {
    return differences(before, snapshot());
  }
}
