/**
 * Bundles with a Debian root file system: an overlay on the tree that test/integration/prepare makes.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync } from "node:fs";
import { cacheDirectory } from "./environment.js";
import type { Bundle, BundleOptions, Context } from "./context.js";

/** Debian's smallest variant with procps, dbus and systemd. Do not write to it: all tests share it. */
export const debianTree = `${cacheDirectory}/debian-systemd`;

/** Mounts an overlay of `lower` on a bundle's rootfs. Returns the upper folder, which receives all writes. */
export function overlay(c: Context, lower: string, rootfs: string): string {
  const [upper, work] = [c.folder("upper"), c.folder("work")];
  chmodSync(upper, 0o755);
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  const mounted = spawnSync("mount", ["-t", "overlay", "overlay", "-o", options, rootfs], { encoding: "utf8" });
  assert.equal(mounted.status, 0, mounted.stderr);
  c.defer(() => {
    assert.equal(spawnSync("umount", [rootfs]).status, 0);
    spawnSync("rm", ["-rf", `${work}/work`]);
  });
  return upper;
}

/** Makes a bundle with a writable Debian root file system. */
export function debian(c: Context, options: BundleOptions): Bundle {
  if (!existsSync(debianTree)) c.skip(`${debianTree} is missing: test/integration/prepare`);
  const bundle = c.bundle({ ...options, rootfs: "empty" });
  overlay(c, debianTree, bundle.rootfs);
  return bundle;
}
