/** Every exit status of the program. `run` in the foreground exits with the container's status: its code, or 128 + signal. */
export const EXIT_STATUS = {
  success: 0,
  /** Any error: bad usage, a configuration with faults, an operation that failed. */
  failure: 1,
  /** `exec` could not start the program. */
  notExecuted: 255,
} as const;

/** The exit status for a thrown error. Tested by shape, because each bundle has its own copy of the error classes. */
export function exitStatusOf(error: unknown): number {
  const status = typeof error === "object" && error !== null ? (error as { exitStatus?: unknown }).exitStatus : undefined;
  return typeof status === "number" ? status : EXIT_STATUS.failure;
}
