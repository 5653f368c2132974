/**
 * Takes back what the suite leaves: containers, bundles that a mount holds, cgroups of its own names.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, rmSync, rmdirSync } from "node:fs";
import { hierarchies } from "../../test/integration/harness/cgroups.js";
import { parseMountinfo } from "../../test/integration/harness/mountinfo.js";

/** The suite's ids, and the values of `cgroupsPath` in its configurations. */
const suiteName = /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|cgrouptest|testdir)$/;

/** Deletes the containers that the runtime still lists. */
export function deleteContainers(runtime: string): void {
  const { stdout } = spawnSync(runtime, ["list", "-q"], { encoding: "utf8" });
  for (const id of (stdout ?? "").split("\n")) if (suiteName.test(id)) spawnSync(runtime, ["delete", "--force", id]);
}

/** Unmounts, in this mount namespace, what is mounted below `folder`, then removes it. */
export function removeFolder(folder: string): void {
  const below = parseMountinfo(readFileSync("/proc/self/mountinfo", "utf8")).filter(({ target }) => target.startsWith(`${folder}/`));
  for (const { target } of below.reverse()) spawnSync("umount", ["-l", target]);
  rmSync(folder, { recursive: true, force: true });
}

/** Removes the suite's cgroups at the top of every hierarchy and in those that containers use by default. Returns those left. */
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
    // it ended by itself
  }
}
