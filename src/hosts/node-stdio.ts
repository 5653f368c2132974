/** Writes synchronously to standard output and error. `process.stdout` would make the caller's pipe non-blocking. */

import { writeSync } from "node:fs";

/** How long to wait before the next attempt to write to a full non-blocking pipe. */
const RETRY_MILLISECONDS = 5;

/** Writes all of `text`. If the stream is closed or has no reader, the text is lost, since there is no other place for an error. */
export function write(fd: 1 | 2, text: string): void {
  let rest = new TextEncoder().encode(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      // The caller's pipe may be non-blocking, and its flags must not be changed.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MILLISECONDS);
    }
  }
}
