/** The interface of command modules, which `main` loads on demand. */

import type { Door } from "../door.js";
import type { CgroupManager, RuntimeContext } from "../runtime/runtime.js";
import type { CommandName } from "./grammars.js";
import type { LateParts } from "./late-commands.js";

/** The flags given before the command. */
export interface GlobalFlags {
  /** Undefined: depends on the caller's privilege. */
  rootless: boolean | undefined;
  cgroupManager: CgroupManager;
}

/** The parsed call of a command. */
export interface CommandCall {
  door: Door;
  global: GlobalFlags;
  /** Values of the given flags, by name. */
  values: Readonly<Record<string, string>>;
  /** All values of the given repeatable flags (`Flag.repeatable`), in order. */
  lists: Readonly<Record<string, readonly string[]>>;
  /** The given flags that have no value. */
  switches: ReadonlySet<string>;
  /** The arguments that are not flags. */
  args: readonly string[];
  /** Loads rarely used parts. */
  late(): LateParts;
  /**
   * The context for operations, with the state directory and the log.
   * @param root instead of the flag --root
   * @throws RuntimeError if the state directory cannot be used
   */
  context(root?: string): RuntimeContext;
}

export interface CommandModule {
  /** Runs the command. @returns the exit status. @throws RuntimeError for `main` to report. */
  run(call: CommandCall): number;
}

/** Loads a command's module. */
export type LoadCommand = (name: CommandName) => CommandModule;
