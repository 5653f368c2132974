/** Rules for what the kernel shows to a container: `linux.personality` and `linux.timeOffsets` (config-linux.md). */

import type { TimeOffsets } from "../generated/spec-types.js";
import { each, isNew, type Rules, type Subject } from "../rule.js";

/** KTIME_SEC_MAX of the kernel: nanoseconds in 63 bits. */
const mostSeconds = 9_223_372_036;

/** Visits the clocks that have an offset. */
function eachOffset({ spec }: Subject, visit: (offset: TimeOffsets, place: string) => void): void {
  each(["boottime", "monotonic"] as const, (clock) => {
    const offset = spec.linux?.timeOffsets?.[clock];
    if (offset !== undefined) visit(offset, `/linux/timeOffsets/${clock}`);
  });
}

export const kernelViewRules: Rules = {
  personality: [
    ({ spec: { linux } }, report) => {
      if (linux?.personality && linux.personality.domain === undefined)
        report("/linux/personality/domain", undefined, '"LINUX" or "LINUX32"');
    },
    ({ spec: { linux } }, report) => {
      each(linux?.personality?.flags, (flag, i) => {
        report(`/linux/personality/flags/${i}`, flag, "no flags: the specification has none yet");
      });
    },
  ],

  "time-offsets": [
    (subject, report) => {
      eachOffset(subject, (offset, place) => {
        if (!isNew(subject.namespaces.get("time")))
          report(place, offset, 'nothing, or an entry of type "time" without "path" in /linux/namespaces');
      });
    },
    (subject, report) => {
      eachOffset(subject, ({ secs = 0 }, place) => {
        if (secs < -mostSeconds || secs > mostSeconds) report(`${place}/secs`, secs, `-${mostSeconds} to ${mostSeconds}`);
      });
    },
    (subject, report) => {
      eachOffset(subject, ({ nanosecs = 0 }, place) => {
        if (nanosecs > 999_999_999) report(`${place}/nanosecs`, nanosecs, "0 to 999999999");
      });
    },
  ],
};
