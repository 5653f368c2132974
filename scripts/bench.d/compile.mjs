/** Compiles the benchmark's C programs. */

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const sources = dirname(fileURLToPath(import.meta.url));
export const repository = join(sources, "../..");
/** Where results and compiled helpers go. */
export const outputDirectory = join(repository, "build/bench");

/** @returns {{timer: string, terminal: string, memlock: string, floor: string | undefined}} their paths; no floor except on x86-64, because it has assembly code */
export function compileHelpers() {
  mkdirSync(outputDirectory, { recursive: true });
  return {
    timer: compile("timer"),
    terminal: compile("terminal"),
    memlock: compile("memlock"),
    floor: process.arch === "x64" ? compile("floor") : undefined,
  };
}

/**
 * Compiles build/bench/NAME unless it is newer than its source: the guest has no compiler and uses what the host built. Prefers musl, because
 * glibc's CPU detection costs 0.3 ms at each start in a virtual machine (CPUID traps).
 */
function compile(name) {
  const target = join(outputDirectory, name);
  if (existsSync(target) && statSync(target).mtimeMs > statSync(join(sources, `${name}.c`)).mtimeMs) return target;
  // musl-gcc searches its own headers only; add the kernel's after them
  const kernelHeaders = [
    "-idirafter",
    "/usr/include",
    "-idirafter",
    `/usr/include/${process.arch === "x64" ? "x86_64" : "aarch64"}-linux-gnu`,
  ];
  const options = ["-static", "-O2", "-s", "-Wall", "-Wextra", "-Werror", "-o", target, join(sources, `${name}.c`)];
  const withMusl = spawnSync("musl-gcc", [...options, ...kernelHeaders], { encoding: "utf8" });
  if (withMusl.status === 0) return target;
  if (withMusl.error?.code !== "ENOENT") throw new Error(`compile "${name}.c": ${withMusl.stderr || withMusl.error?.message}`);
  execFileSync("cc", options, { stdio: ["ignore", "inherit", "inherit"] });
  return target;
}
