/** Standard output and error of Node.js, written at once. `process.stdout` would make the caller's pipe non-blocking. */

import { writeSync } from "node:fs";

/** How long to wait for the reader of a full non-blocking pipe before the next try. */
const RETRY_MILLISECONDS = 5;

/** Writes all of `text`. A stream whose reader is gone or that is closed loses it: there is nobody to tell. */
export function write(fd: 1 | 2, text: string): void {
  let rest = new TextEncoder().encode(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      // The caller's pipe may be non-blocking; its flags are not ours to change.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MILLISECONDS);
    }
  }
}
