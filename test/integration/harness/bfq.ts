/**
 * The scheduler BFQ. It changes the machine's disk: only a machine that is the tests' own, the guest, will do.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import type { Context } from "./context.js";

/** Puts the machine's first virtual disk on the scheduler BFQ for the time of the test. Returns its numbers. */
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
