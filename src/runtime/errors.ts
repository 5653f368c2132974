/** The one error type of the library. Callers branch on `code`, never on the text. */

import type { Failure, FailureCode } from "./generated/plan.js";

/** Error codes, for callers to branch on: those of the native layer and those of the core. */
export type ErrorCode =
  | FailureCode
  /** config.json is not a valid configuration. */
  | "invalidConfig"
  /** An argument (id, signal, path, option) is not acceptable. */
  | "invalidArgument"
  /** The configuration asks for something that this version does not support. */
  | "unsupported"
  /** The container's status does not allow the operation. */
  | "wrongStatus"
  /** state.json cannot be understood. */
  | "corruptState";

/** The fields of an error besides its text. */
export interface ErrorFacts {
  code: ErrorCode;
  /** Verb and object: `mount "proc" on "/proc"`. Empty if the cause says enough. */
  operation?: string;
  /** The file, directory or JSON pointer concerned. */
  path?: string;
  /** Name of the errno if a system call failed: `EPERM`. */
  errno?: string;
  /** Exit status for a command line program. Default: 1. */
  exitStatus?: number;
}

/** Every error that the library throws on purpose. `message` is the whole chain: `create "c1": mount "proc" on "/proc": EPERM (...)`. */
export class RuntimeError extends Error {
  readonly code: ErrorCode;
  readonly operation: string;
  readonly path: string | undefined;
  readonly errno: string | undefined;
  readonly exitStatus: number;

  /** @param original the error that this one describes, kept as `Error.cause` */
  constructor(cause: string, facts: ErrorFacts, original?: unknown) {
    super(facts.operation ? `${facts.operation}: ${cause}` : cause, original === undefined ? undefined : { cause: original });
    this.name = "RuntimeError";
    this.code = facts.code;
    this.operation = facts.operation ?? "";
    this.path = facts.path;
    this.errno = facts.errno;
    this.exitStatus = facts.exitStatus ?? 1;
  }
}

/** A failed request of the native layer as an error. */
export function errorFromFailure(failure: Failure): RuntimeError {
  return new RuntimeError(failure.cause, {
    code: failure.code,
    operation: failure.operation,
    ...(failure.errno ? { errno: failure.errno } : {}),
    ...(failure.signal ? { exitStatus: 128 + failure.signal } : {}),
  });
}

/** Puts what was being done in front of an error's text; code and facts stay. */
export function withOperation(operation: string, error: unknown): RuntimeError {
  if (!isRuntimeError(error)) return new RuntimeError(messageOf(error), { code: "other", operation }, error);
  const { code, path, errno, exitStatus } = error;
  return new RuntimeError(
    error.message,
    { code, operation, ...(path === undefined ? {} : { path }), ...(errno === undefined ? {} : { errno }), exitStatus },
    error,
  );
}

/**
 * Whether the library threw it on purpose. Tested by shape, because each of the program's bundles has its own copy of the class.
 */
export function isRuntimeError(error: unknown): error is RuntimeError {
  return (
    error instanceof Error &&
    typeof (error as Partial<RuntimeError>).code === "string" &&
    typeof (error as Partial<RuntimeError>).exitStatus === "number"
  );
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The end of an exhaustive switch: compiles only when every case is handled. */
export function assertNever(value: never): never {
  throw new RuntimeError(JSON.stringify(value), { code: "other", operation: "reach an impossible case" });
}
