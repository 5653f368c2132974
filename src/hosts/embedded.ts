/** The static host: this runs in QuickJS; the rest of the host is native/engine. */

import { commandModule } from "../cli/command-modules.js";
import type { LateParts } from "../cli/late-commands.js";
import { main } from "../cli/main.js";
import type { LazyParts } from "../door.js";

/** What native/engine/src/native.rs provides. */
export interface Native {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  call(request: string): string;
  write(fd: 1 | 2, text: string): void;
  /** Evaluates another embedded script and returns its exports. @throws Error if there is none of that name. */
  load(script: string): unknown;
}

// Set by scripts/bundle.mjs.
declare const TSRUNC_VERSION: string;
declare const TSRUNC_COMMIT: string;

/** Runs the program. @returns the exit status */
export function start(native: Native): number {
  const door = {
    ...native,
    build: { version: TSRUNC_VERSION, commit: TSRUNC_COMMIT, hostName: "static" as const },
    part: <Name extends keyof LazyParts>(name: Name) => native.load(name) as LazyParts[Name],
  };
  const loadLate = () => native.load("late-commands") as LateParts;
  return main(door, (name) => commandModule(name, loadLate), loadLate);
}
