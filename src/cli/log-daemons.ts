/** Sends messages to the sockets of the host's log daemons. */

import type { DatagramPart, Request } from "../runtime/generated/plan.js";
import type { LogLevel } from "./log-level.js";

export interface Daemon {
  kind: "journald" | "syslog";
  /** The name of the sender. */
  identifier: string;
}

export interface Entry {
  level: LogLevel;
  text: string;
}

const SOCKETS = { journald: "/run/systemd/journal/socket", syslog: "/dev/log" } as const;

/** syslog(3). */
const PRIORITIES: Readonly<Record<LogLevel, number>> = { error: 3, warning: 4, info: 6, debug: 7 };
const FACILITY_USER = 1;

/** A datagram must fit into the socket's buffer, 208 KiB by default. Standard error gets the whole error. */
const MAX_CHARACTERS = 32 * 1024;

/** The request that logs an entry. Without an entry it tests whether the daemon runs. */
export function daemonRequest({ kind, identifier }: Daemon, entry?: Entry): Request {
  const path = SOCKETS[kind];
  if (!entry) return { op: "sendDatagram", path, parts: [] };
  const { level } = entry;
  const text = shortened(entry.text);
  return {
    op: "sendDatagram",
    path,
    parts: kind === "journald" ? journalEntry(identifier, level, text) : syslogLine(identifier, level, text),
  };
}

/** systemd.io/JOURNAL_NATIVE_PROTOCOL: a line `NAME=value`; for values that may contain newlines the name, then length and value. */
function journalEntry(identifier: string, level: LogLevel, text: string): DatagramPart[] {
  return [...field("PRIORITY", String(PRIORITIES[level])), ...field("SYSLOG_IDENTIFIER", identifier), ...field("MESSAGE", text)];
}

function field(name: string, value: string): DatagramPart[] {
  return [
    { text: `${name}\n`, sized: false },
    { text: value, sized: true },
    { text: "\n", sized: false },
  ];
}

/** RFC 3164 without a time stamp, which the daemon adds. */
function syslogLine(identifier: string, level: LogLevel, text: string): DatagramPart[] {
  return [{ text: `<${FACILITY_USER * 8 + PRIORITIES[level]}>${identifier}: ${text}`, sized: false }];
}

function shortened(text: string): string {
  return text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}...` : text;
}
