/** Tests of checkpoint and restore with CRIU. Their programs write to files in the container, because CRIU cannot save open files of the host. */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, readlinkSync } from "node:fs";
import { binaries } from "./environment.js";
import { until } from "./execute.js";
import { test } from "./suite.js";
import type { Config } from "./config.js";
import type { Bundle, Context } from "./context.js";

/** The guest, which runs systemd, must have CRIU. Elsewhere it may be missing, or not work with the kernel. */
const mustHaveCriu = existsSync("/run/systemd/system");

/** Declares tests only if CRIU is installed, or must be. */
export const criu = {
  test(title: string, run: (c: Context) => Promise<void>): void {
    if (mustHaveCriu || existsSync("/usr/sbin/criu")) test(title, run);
  },
};

/** Counts in memory, and publishes the number as a symlink's target: it needs no open file, which could be missing at a second restore. */
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

/** A `counter` whose program is the helper `keeps` (native/keeps.c). */
export function keeper(c: Context, args: readonly string[], config?: (config: Config) => void): Bundle {
  const bundle = counter(c, config, `exec >/dev/null 2>&1; exec keeps ${args.join(" ")}`);
  copyFileSync(`${binaries}/keeps`, `${bundle.rootfs}/bin/keeps`);
  return bundle;
}

export function needCriu(c: Context): void {
  // CRIU mounts cgroup2 without options, which clears the options of the host's cgroup2 mount.
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

/** Waits until the container has counted beyond `beyond`. Returns the count. */
export function counts(bundle: Bundle, beyond = 0): Promise<number> {
  return until(`it counts beyond ${beyond}`, () => (count(bundle) > beyond ? count(bundle) : undefined), 30);
}

export async function isGone(c: Context): Promise<void> {
  await c.fails(["state", c.id], /container does not exist/);
}

export function restoreArgs(c: Context, bundle: Bundle, ...flags: string[]): string[] {
  return ["restore", "-b", bundle.directory, "--image-path", `${c.directory}/images`, ...flags, c.id];
}

/** Starts the container and checkpoints it to `images`. Returns its count at that time. */
export async function saved(c: Context, bundle: Bundle, ...flags: string[]): Promise<number> {
  await c.createAndStart(bundle);
  await counts(bundle);
  await c.ok(["checkpoint", "--image-path", `${c.directory}/images`, ...flags, c.id]);
  return count(bundle);
}
