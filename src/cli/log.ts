/** Where messages go: the log file, standard error. */

import type { Door } from "../door.js";
import { askText, perform } from "../runtime/native.js";

export type LogLevel = "error" | "warning" | "debug";

/** What the flags --log, --log-format and --debug say. */
export interface LogOptions {
  file: string | undefined;
  format: "text" | "json";
  debug: boolean;
}

/**
 * Logs a message: a line in the log file, or on standard error where there is none. An error is on standard error in any
 * case: callers who only keep that show it to their users.
 * @throws RuntimeError when the log file cannot be written.
 */
export function log(door: Door, options: LogOptions, level: LogLevel, message: string): void {
  if (level === "debug" && !options.debug) return;
  const { file, format } = options;
  if (file === undefined || level === "error")
    door.write(2, `${file === undefined && format === "json" ? line(door, "json", level, message) : plain(level, message)}\n`);
  if (file !== undefined) perform(door, { op: "appendFile", path: file, text: `${line(door, format, level, message)}\n` });
}

function plain(level: LogLevel, message: string): string {
  return level === "error" ? message : `${level}: ${message}`;
}

/** One line, in the form that callers of runc parse: `{"level","msg","time"}`, or logfmt. */
function line(door: Door, format: "text" | "json", level: LogLevel, message: string): string {
  const time = askText(door, { op: "now" });
  if (format === "json") return JSON.stringify({ level, msg: message, time });
  return `time=${JSON.stringify(time)} level=${level} msg=${JSON.stringify(message)}`;
}
