/** Tests of checkpoint and restore by CRIU, which the guest has. Programs write to files of the container: CRIU cannot save a file of the host. */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, readlinkSync } from "node:fs";
import { binaries } from "./environment.js";
import { until } from "./execute.js";
import { test } from "./suite.js";
import type { Config } from "./config.js";
import type { Bundle, Context } from "./context.js";

/** CRIU may be missing, or not work with the kernel; the guest, which systemd runs, must have it. */
const mustHaveCriu = existsSync("/run/systemd/system");

/** Tests that are there where CRIU is. */
export const criu = {
  test(title: string, run: (c: Context) => Promise<void>): void {
    if (mustHaveCriu || existsSync("/usr/sbin/criu")) test(title, run);
  },
};

/** Counts in memory and shows the number as a link: an open file could be missing when the same images are restored again. */
export const COUNT = "exec >/dev/null 2>&1; n=0; while sleep 0.1; do n=$((n+1)); ln -sfn $n /count.new; mv /count.new /count; done";

export function counter(c: Context, config?: (config: Config) => void, line = COUNT): Bundle {
  needCriu(c);
  return c.bundle({
    args: ["sh", "-c", line],
    config: (spec) => {
      spec.root.readonly = false;
      config?.(spec);
    },
  });
}

/** The same with the helper `keeps` (native/keeps.c) as program. */
export function keeper(c: Context, args: readonly string[], config?: (config: Config) => void): Bundle {
  const bundle = counter(c, config, `exec >/dev/null 2>&1; exec keeps ${args.join(" ")}`);
  copyFileSync(`${binaries}/keeps`, `${bundle.rootfs}/bin/keeps`);
  return bundle;
}

export function needCriu(c: Context): void {
  // CRIU mounts cgroup2 for itself, without the options that the file system has, which takes them away.
  const before = cgroupOptions();
  c.defer(() => {
    if (cgroupOptions() !== before) execFileSync("mount", ["-o", `remount,${before}`, "/sys/fs/cgroup"]);
  });
}

function cgroupOptions(): string {
  const line = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .find((entry) => entry.startsWith("cgroup2 /sys/fs/cgroup "));
  return line?.split(" ")[3] ?? "";
}

export function count({ rootfs }: Bundle): number {
  try {
    return Number(readlinkSync(`${rootfs}/count`));
  } catch {
    return 0;
  }
}

/** Waits until the container has counted further. Returns how far. */
export function counts(bundle: Bundle, beyond = 0): Promise<number> {
  return until(`it counts beyond ${beyond}`, () => (count(bundle) > beyond ? count(bundle) : undefined), 30);
}

export async function isGone(c: Context): Promise<void> {
  await c.fails(["state", c.id], /container does not exist/);
}

export function restoreArgs(c: Context, bundle: Bundle, ...flags: string[]): string[] {
  return ["restore", "-b", bundle.directory, "--image-path", `${c.directory}/images`, ...flags, c.id];
}

/** Starts the container and saves it to `images`. Returns how far it had counted. */
export async function saved(c: Context, bundle: Bundle, ...flags: string[]): Promise<number> {
  await c.createAndStart(bundle);
  await counts(bundle);
  await c.ok(["checkpoint", "--image-path", `${c.directory}/images`, ...flags, c.id]);
  return count(bundle);
}
