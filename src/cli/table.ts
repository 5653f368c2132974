/**
 * The shape of the command table. Each file of src/cli/table is a row: the grammar of one command, which parses argv and is part of the core,
 * and its manual, which is loaded only when somebody reads it. Help, man pages, completions and docs/cli.md are made of both.
 */

import type { Status } from "../runtime/runtime.js";

/** A flag of a command, or of the program. */
export interface Flag {
  /** Without dashes. */
  name: string;
  /** One letter. */
  short?: string;
  /**
   * What its value is called in the help: `FILE`. A flag without is a switch. Completion goes by it: for `FILE` and `SOCKET` it
   * offers files, for `DIR` directories.
   */
  value?: string;
  /** The only values that are accepted. */
  choices?: readonly string[];
  /** May be given several times, and every value counts (`CommandCall.lists`). Of other flags the last value counts. */
  repeatable?: true;
  /** Names of flags that cannot be given beside it. */
  excludes?: readonly string[];
  /** Accepted because callers pass it. Only docs/cli.md shows it. */
  hidden?: true;
}

/** An argument that is no flag. */
export interface Argument {
  /** What errors call it: `missing container ID`. */
  name: string;
  /**
   * What the synopsis calls it. Completion goes by it: for `ID` it offers containers, for `SIGNAL` signals, for `COMMAND` commands, for
   * `FILE` and `DIR` as with flags.
   */
  placeholder: string;
  /** Of an `ID`: only containers in one of these statuses are worth offering. Absent: all are. */
  statuses?: readonly Status[];
  /** The only values that are accepted. */
  choices?: readonly string[];
  optional?: true;
  /** It stands for all that follow. Only the last argument can. */
  repeatable?: true;
}

/** What a command accepts. Errors that only the table knows of are raised by the parser. */
export interface Grammar {
  arguments: readonly Argument[];
  /** Every command also has `--help`, which is not listed. */
  flags: readonly Flag[];
  /** Flags end at the first argument; those that follow belong to another program: `exec ID ls -l`. */
  flagsEndEarly?: true;
}

/** What is said about a command. Text is plain prose; where its lines break means nothing. */
export interface Manual {
  /** One line, without a period. */
  summary: string;
  /** Paragraphs, with an empty line between them. */
  description: string;
  /** By the names of the grammar's flags, hidden ones too. */
  flags: Readonly<Record<string, string>>;
  /** Lines, where it is not the common one. */
  exitStatus?: readonly string[];
  /** Lines of a shell. */
  example: readonly string[];
}
