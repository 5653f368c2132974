/**
 * The types of the command table. Each file in src/cli/table describes one command by its grammar, with which argv is parsed, and its manual, which
 * is loaded only to print it. Help, man pages, completions and docs/cli.md are generated from both.
 */

import type { Status } from "../runtime/runtime.js";

/** A flag of a command, or of the program. */
export interface Flag {
  /** Without dashes. */
  name: string;
  /** One letter. */
  short?: string;
  /**
   * Placeholder of its value in the help: `FILE`. A flag without one is a switch. Completion depends on it: for `FILE` and `SOCKET` it
   * offers files, for `DIR` directories.
   */
  value?: string;
  /** The only values that are accepted. */
  choices?: readonly string[];
  /** May be given several times, and every value is kept (`CommandCall.lists`). For other flags the last value counts. */
  repeatable?: true;
  /** Names of flags that it excludes. */
  excludes?: readonly string[];
  /** Accepted because callers pass it, but only documented in docs/cli.md. */
  hidden?: true;
}

/** An argument that is not a flag. */
export interface Argument {
  /** Its name in errors: `missing container ID`. */
  name: string;
  /**
   * Placeholder in the synopsis. Completion depends on it: for `ID` it offers containers, for `SIGNAL` signals, for `COMMAND` commands, for
   * `FILE` and `DIR` as with flags.
   */
  placeholder: string;
  /** For an `ID`: completion offers only containers with one of these statuses. Absent: all. */
  statuses?: readonly Status[];
  /** The only values that are accepted. */
  choices?: readonly string[];
  optional?: true;
  /** It stands for all following arguments. Only the last argument can be repeatable. */
  repeatable?: true;
}

/** What a command accepts. The parser enforces it. */
export interface Grammar {
  arguments: readonly Argument[];
  /** Every command also has `--help`, which is not listed. */
  flags: readonly Flag[];
  /** Flags end at the first argument; those that follow belong to another program: `exec ID ls -l`. */
  flagsEndEarly?: true;
}

/** The documentation of a command, in plain prose. Line breaks have no meaning. */
export interface Manual {
  /** One line, without a period. */
  summary: string;
  /** Paragraphs, with an empty line between them. */
  description: string;
  /** By the names of the grammar's flags, including hidden ones. */
  flags: Readonly<Record<string, string>>;
  /** Lines, if it is not the common one. */
  exitStatus?: readonly string[];
  /** Lines of a shell. */
  example: readonly string[];
}
