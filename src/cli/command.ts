/** What a command is to `main`: each is a module of its own, loaded only when it is asked for. */

import type { Door } from "../door.js";
import type { CgroupManager, RuntimeContext } from "../runtime/runtime.js";
import type { CommandName } from "./grammars.js";
import type { LateParts } from "./late-commands.js";

/** The flags given before the command. */
export interface GlobalFlags {
  /** Undefined: by the caller's privilege. */
  rootless: boolean | undefined;
  cgroupManager: CgroupManager;
}

/** A command as it was given. */
export interface CommandCall {
  door: Door;
  global: GlobalFlags;
  /** Values of flags by name; those not given are absent. */
  values: Readonly<Record<string, string>>;
  /** Every value of the flags that may be repeated (`Flag.repeatable`), in their order; those not given are absent. */
  lists: Readonly<Record<string, readonly string[]>>;
  /** Flags without a value that were given. */
  switches: ReadonlySet<string>;
  /** What is no flag. */
  args: readonly string[];
  /** Loads what few calls need. */
  late(): LateParts;
  /**
   * The state directory and where messages go.
   * @param root in place of the flag --root
   * @throws RuntimeError when there is no usable state directory.
   */
  context(root?: string): RuntimeContext;
}

export interface CommandModule {
  /** Runs the command. @returns the exit status. @throws RuntimeError for `main` to report. */
  run(call: CommandCall): number;
}

/** Loads a command's module. */
export type LoadCommand = (name: CommandName) => CommandModule;
