/** How much a message matters. */

/** From what stops the program to what only helps to find a mistake. */
export const LOG_LEVELS = ["error", "warning", "info", "debug"] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];
