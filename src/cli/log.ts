/** Writes messages to the log of --log and to standard error. */

import type { Door } from "../door.js";
import { askText, perform } from "../runtime/native.js";
import type { LateParts } from "./late-commands.js";
import type { Daemon } from "./log-daemons.js";
import { LOG_LEVELS } from "./log-level.js";
import type { LogLevel } from "./log-level.js";
import { usageError } from "./usage.js";

export type LogDestination =
  | { kind: "file"; path: string }
  /** `request` is `daemonRequest`, which is loaded on demand. */
  | { kind: "daemon"; daemon: Daemon; request: LateParts["daemonRequest"] };

/** The values of the flags for logging. */
export interface LogOptions {
  /** Undefined: only standard error. */
  destination: LogDestination | undefined;
  format: "text" | "json";
  /** Messages of lower levels are dropped. */
  level: LogLevel;
}

/**
 * Parses --log: `file:PATH`, `journald:ID` or `syslog:ID`, as in crun; anything else is the path of a file, as in runc.
 * @throws RuntimeError if nothing follows `file:`
 */
export function logDestination(value: string, late: () => Pick<LateParts, "daemonRequest">): LogDestination {
  const [, kind, rest = ""] = /^(file|journald|syslog):([^]*)$/.exec(value) ?? [];
  if (kind === "journald" || kind === "syslog")
    return { kind: "daemon", daemon: { kind, identifier: rest === "" ? "tsrunc" : rest }, request: late().daemonRequest };
  const path = kind === undefined ? value : rest;
  if (path === "") throw usageError("tsrunc", `flag "--log" names no file: ${JSON.stringify(value)}`);
  return { kind: "file", path };
}

/** Creates the log file or finds the daemon, so that a log that cannot be written is an error before anything is done. */
export function openLog(door: Door, destination: LogDestination): void {
  perform(
    door,
    destination.kind === "file" ? { op: "appendFile", path: destination.path, text: "" } : destination.request(destination.daemon),
  );
}

/**
 * Writes a message to the log, or to standard error without one. An error always goes to standard error too, because some
 * callers show only that to their users.
 * @throws RuntimeError if the log cannot be written
 */
export function log(door: Door, options: LogOptions, level: LogLevel, message: string): void {
  if (LOG_LEVELS.indexOf(level) > LOG_LEVELS.indexOf(options.level)) return;
  const { destination, format } = options;
  if (destination === undefined || level === "error")
    door.write(2, `${destination === undefined ? onStandardError(door, format, level, message) : plain(level, message)}\n`);
  if (destination === undefined) return;
  if (destination.kind === "file") {
    perform(door, { op: "appendFile", path: destination.path, text: `${line(door, format, level, message)}\n` });
  } else {
    const text = format === "json" ? line(door, format, level, message) : message;
    perform(door, destination.request(destination.daemon, { level, text }));
  }
}

/** Debug messages have the form of a log's lines, which say when each was written. */
function onStandardError(door: Door, format: "text" | "json", level: LogLevel, message: string): string {
  return format === "json" || level === "debug" ? line(door, format, level, message) : plain(level, message);
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
