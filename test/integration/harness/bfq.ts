/**
 * The I/O scheduler BFQ. The tests may reconfigure a disk only in the guest.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import type { Context } from "./context.js";

/** Switches the first virtual disk to BFQ until the test ends. Returns the disk's device numbers. */
export function diskOnBfq(c: Context): { major: number; minor: number } {
  const scheduler = "/sys/block/vda/queue/scheduler";
  const before = /\[(.+)\]/.exec(readFileSync(scheduler, "utf8"))?.[1] ?? "none";
  const modprobe = (...args: string[]): void => {
    const { status, stderr } = spawnSync("modprobe", [...args, "bfq"], { encoding: "utf8" });
    assert.equal(status, 0, stderr);
  };
  modprobe();
  c.defer(() => modprobe("--remove"));
  writeFileSync(scheduler, "bfq");
  c.defer(() => writeFileSync(scheduler, before));
  const [major = 0, minor = 0] = readFileSync("/sys/block/vda/dev", "utf8").trim().split(":").map(Number);
  return { major, minor };
}
