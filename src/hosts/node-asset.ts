/** Shared libraries inside the single executable, which the dynamic loader can only take from a file. */

import { closeSync, constants, openSync, writeSync } from "node:fs";
import { getRawAsset } from "node:sea";

/** Directories to try for an unnamed file: $TMPDIR may be mounted noexec. */
const directories = (): string[] => [process.env["TMPDIR"] || "/tmp", "/dev/shm", "/var/tmp", "/run"];

/** O_TMPFILE of open(2), with O_DIRECTORY as in <fcntl.h>; Node does not name it. */
const O_TMPFILE = 0o20200000;

let loads = 0;

/**
 * Loads a library that is an asset of the executable.
 *
 * The file never has a name, so nothing is left behind, however the process ends. The loader identifies libraries by path, so
 * each path is different, although descriptor numbers are reused.
 *
 * @param load loads the library at a path; called again with another path if that fails
 * @throws Error with the reason for each directory
 */
export function loadAsset<T>(name: string, load: (path: string) => T): T {
  const asset = new Uint8Array(getRawAsset(name));
  const reasons = [];
  for (const directory of directories()) {
    let fd: number | undefined;
    try {
      fd = openSync(directory, O_TMPFILE | constants.O_RDWR, 0o500);
      for (let rest = asset; rest.length > 0;) rest = rest.subarray(writeSync(fd, rest));
      return load(`/proc/self${"/.".repeat(loads++)}/fd/${fd}`);
    } catch (error) {
      reasons.push(`in ${directory}: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      // Through --preserve-fds an open descriptor, and so the code of this process, could reach the container.
      if (fd !== undefined) closeSync(fd);
    }
  }
  throw new Error(`load library ${JSON.stringify(name)}: ${reasons.join("; ")}`);
}
