/**
 * Mounts on the host and in containers.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { parseMountinfo } from "./mountinfo.js";
import type { Config } from "./config.js";
import type { Context } from "./context.js";
import type { MountRecord } from "./mountinfo.js";

/** The mounts in a container with `config`. */
export async function mountsOf(c: Context, config: (config: Config) => void): Promise<MountRecord[]> {
  return parseMountinfo(await c.output({ args: ["cat", "/proc/self/mountinfo"], config }));
}

/** Runs mount(8) in the tests' mount namespace, and unmounts after the test. */
export function mountOnHost(c: Context, ...args: string[]): void {
  const result = spawnSync("mount", args, { encoding: "utf8" });
  assert.equal(result.status, 0, `mount ${args.join(" ")}: ${result.stderr}`);
  const target = args.at(-1) ?? "";
  c.defer(() => assert.equal(spawnSync("umount", ["-l", target]).status, 0));
}
