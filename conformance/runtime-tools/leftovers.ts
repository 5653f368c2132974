/**
 * Removes what the suite leaves behind: containers, bundles with mounts, cgroups with the suite's names.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, rmSync, rmdirSync } from "node:fs";
import { hierarchies } from "../../test/integration/harness/cgroups.js";
import { parseMountinfo } from "../../test/integration/harness/mountinfo.js";

/** Matches the suite's container IDs, and the `cgroupsPath` values in its configurations. */
const suiteName = /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|cgrouptest|testdir)$/;

/** Deletes the suite's containers that the runtime still lists. */
export function deleteContainers(runtime: string): void {
  const { stdout } = spawnSync(runtime, ["list", "-q"], { encoding: "utf8" });
  for (const id of (stdout ?? "").split("\n")) if (suiteName.test(id)) spawnSync(runtime, ["delete", "--force", id]);
}

/** Unmounts everything below `folder` in this mount namespace, then removes the folder. */
export function removeFolder(folder: string): void {
  const below = parseMountinfo(readFileSync("/proc/self/mountinfo", "utf8")).filter(({ target }) => target.startsWith(`${folder}/`));
  for (const { target } of below.reverse()) spawnSync("umount", ["-l", target]);
  rmSync(folder, { recursive: true, force: true });
}

/** Removes the suite's cgroups at the top of every hierarchy. Returns those that cannot be removed. */
export function removeCgroups(): string[] {
  const left: string[] = [];
  for (const { mountPoint } of hierarchies()) {
    for (const name of readdirSync(mountPoint)) if (suiteName.test(name)) removeTree(`${mountPoint}/${name}`, left);
  }
  return left;
}

function removeTree(cgroup: string, left: string[]): void {
  for (const entry of readdirSync(cgroup, { withFileTypes: true })) if (entry.isDirectory()) removeTree(`${cgroup}/${entry.name}`, left);
  for (const pid of readFileSync(`${cgroup}/cgroup.procs`, "utf8").trim().split("\n")) if (pid) endProcess(Number(pid));
  for (let attempt = 0; attempt < 50 && existsSync(cgroup); attempt++) {
    try {
      rmdirSync(cgroup);
    } catch {
      spawnSync("sleep", ["0.02"]); // busy until its processes are reaped
    }
  }
  if (existsSync(cgroup)) left.push(cgroup);
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // already ended
  }
}
