/**
 * Tests of containers as systemd units. They are declared only if systemd is PID 1, as in the guest (scripts/guest).
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { cgroupMode, readCgroup } from "./cgroups.js";
import { isTsrunc } from "./environment.js";
import { until } from "./execute.js";
import { test as declare } from "./suite.js";
import type { BundleOptions, Context } from "./context.js";

export const megabyte = 1024 * 1024;
/** The default prefix of unit names, if cgroupsPath does not give one. */
export const prefix = isTsrunc ? "tsrunc" : "runc";
const systemdRuns = existsSync("/run/systemd/system");

export function test(name: string, body: (c: Context) => Promise<void>): void {
  if (systemdRuns) declare(name, body);
}

/** A test for hosts with only cgroup v2. */
export function testOnV2(name: string, body: (c: Context) => Promise<void>): void {
  if (cgroupMode() === "v2") test(name, body);
}

export function systemctl(...args: string[]): string {
  return spawnSync("systemctl", ["--no-pager", ...args], { encoding: "utf8" }).stdout.trim();
}

/** The values of a unit's properties, by name. */
export function properties(unit: string, ...names: string[]): Record<string, string> {
  const lines = systemctl("show", ...names.map((name) => `--property=${name}`), unit).split("\n");
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}

export function isLoaded(unit: string): boolean {
  return properties(unit, "ActiveState")["ActiveState"] !== "inactive";
}

/** Runs a container as a unit. Returns the PID of its init. */
export async function start(c: Context, options: BundleOptions = {}): Promise<number> {
  c.deleteLater();
  await c.ok(["--systemd-cgroup", "run", "-d", "-b", c.bundle(options).directory, c.id]);
  return (await c.state()).pid;
}

/** Names a slice for this test below system.slice, and a unit in it for the container. Stops the slice after the test. */
export function inSlice(c: Context): { slice: string; unit: string; cgroupsPath: string } {
  const slice = `system-${c.id.replaceAll("-", "")}.slice`;
  c.defer(() => systemctl("stop", slice));
  return { slice, unit: `x-${c.id}.scope`, cgroupsPath: `${slice}:x:${c.id}` };
}

/** Makes systemd rewrite all files of a unit's cgroup by a reload, and waits until it is done. */
export async function reload(directory: string): Promise<void> {
  // systemd writes pids.max last, so once it is restored all other limits have been written.
  const pidsMax = readCgroup(directory, "pids.max");
  writeFileSync(`${directory}/pids.max`, "4000");
  systemctl("daemon-reload");
  await until("systemd has reloaded", () => readCgroup(directory, "pids.max") === pidsMax);
}

/** Makes systemd rewrite the files by setting a property: TasksMax, which is 4001 afterwards. */
export async function setProperty(directory: string, unit: string): Promise<void> {
  systemctl("set-property", "--runtime", unit, "TasksMax=4001");
  await until("systemd has set the property", () => readCgroup(directory, "pids.max") === "4001");
}

/** Writable cgroup files that are not settings: members, triggers and counters. */
const NOT_A_SETTING = /^cgroup\.(procs|threads|kill|subtree_control|freeze|type|pressure)$|\.(pressure|reclaim|peak)$/;

/** All settings of a v2 cgroup, by file name. */
export function settings(directory: string): Record<string, string> {
  const names = readdirSync(directory).filter((name) => {
    const found = statSync(`${directory}/${name}`);
    return found.isFile() && (found.mode & 0o600) === 0o600 && !NOT_A_SETTING.test(name);
  });
  return Object.fromEntries(names.map((name) => [name, readFileSync(`${directory}/${name}`, "utf8").trim()]));
}
