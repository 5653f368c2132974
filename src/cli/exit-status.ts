/** Every exit status of the program. `run` in the foreground ends with the container's own: its code, or 128 + signal. */
export const EXIT_STATUS = {
  success: 0,
  /** Any error: bad usage, a configuration with faults, an operation that failed. */
  failure: 1,
  /** `exec` could not start the program. */
  notExecuted: 255,
} as const;

/** The status for something that was thrown. Each bundle has its own copy of the error classes: told by shape, not by class. */
export function exitStatusOf(error: unknown): number {
  const status = typeof error === "object" && error !== null ? (error as { exitStatus?: unknown }).exitStatus : undefined;
  return typeof status === "number" ? status : EXIT_STATUS.failure;
}
