/** Signals by name and number (signal(7)), as on x86-64 and arm64. */

import { RuntimeError } from "./errors.js";

/** In the order of their numbers, from 1. */
const NAMES =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ " +
  "VTALRM PROF WINCH IO PWR SYS";

const ALIASES: Readonly<Record<string, string>> = { IOT: "ABRT", CLD: "CHLD", POLL: "IO" };

/** glibc keeps 32 and 33 for itself: SIGRTMIN, as programs know it, is 34. */
const REAL_TIME_MIN = 34;
const REAL_TIME_MAX = 64;

/** The names of the standard signals, without SIG. */
export function signalNames(): string[] {
  return NAMES.split(" ");
}

/**
 * The number of a signal given as `15`, `TERM`, `SIGTERM`, `sigterm` or `RTMIN+3`. 0 only tests whether the process
 * exists (kill(2)). @throws RuntimeError on anything else.
 */
export function parseSignal(text: string): number {
  const number = /^[0-9]+$/.test(text) ? Number(text) : signalByName(text.toUpperCase().replace(/^SIG/, ""));
  if (number === undefined || number > REAL_TIME_MAX) {
    throw new RuntimeError("unknown signal", { code: "invalidArgument", operation: `use the signal ${JSON.stringify(text)}` });
  }
  return number;
}

function signalByName(name: string): number | undefined {
  const index = signalNames().indexOf(ALIASES[name] ?? name);
  if (index >= 0) return index + 1;
  const [, base, sign, offset] = /^(RTMIN|RTMAX)(?:([+-])([0-9]{1,2}))?$/.exec(name) ?? [];
  if (base === undefined) return undefined;
  const from = base === "RTMIN" ? REAL_TIME_MIN : REAL_TIME_MAX;
  const number = from + (offset === undefined ? 0 : Number(`${sign}${offset}`));
  return number >= REAL_TIME_MIN && number <= REAL_TIME_MAX ? number : undefined;
}
