/**
 * The interface between the core and the system. The core is plain ECMAScript 2022 and does everything else through a `Door`, so that the same
 * code runs in Node.js and in the static binary.
 */

import type { CarefulLoader } from "./runtime/spec/load.js";

/** The core's only access to the system. */
export interface Door {
  /** Arguments without the program's name. Bytes that are not UTF-8 are U+FFFD. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Sends one synchronous request to the native layer, both as JSON. A failed request does not throw: its reply is `failed`. */
  call(request: string): string;
  /** Writes all of `text`; only src/cli calls it. */
  write(fd: 1 | 2, text: string): void;
  /** The version, set at build time. */
  readonly build: { version: string; commit: string; hostName: "static" | "node" };
  /** src/runtime/careful.ts, which few calls need. It is large: the static program loads it when it is called (scripts/bundle.mjs). */
  readonly readCarefully: CarefulLoader;
}
