/** Rules for what a container sees of the kernel: `linux.personality` and `linux.timeOffsets` (config-linux.md). */

import { isNew, type Rules } from "../rule.js";

/** KTIME_SEC_MAX of the kernel: nanoseconds in 63 bits. */
const mostSeconds = 9_223_372_036;

export const kernelViewRules: Rules = {
  personality: ({ spec }, report) => {
    const personality = spec.linux?.personality;
    if (personality === undefined) return;
    if (personality.domain === undefined) report("/linux/personality/domain", undefined, '"LINUX" or "LINUX32"');
    personality.flags?.forEach((flag, i) => {
      report(`/linux/personality/flags/${i}`, flag, "no flags: the specification has none yet");
    });
  },

  "time-offsets": ({ spec, namespaces }, report) => {
    const offsets = spec.linux?.timeOffsets ?? {};
    for (const clock of ["boottime", "monotonic"] as const) {
      const offset = offsets[clock];
      if (offset === undefined) continue;
      const place = `/linux/timeOffsets/${clock}`;
      const { secs = 0, nanosecs = 0 } = offset;
      if (!isNew(namespaces.get("time"))) report(place, offset, 'nothing, or an entry of type "time" without "path" in /linux/namespaces');
      if (secs < -mostSeconds || secs > mostSeconds) report(`${place}/secs`, secs, `-${mostSeconds} to ${mostSeconds}`);
      if (nanosecs > 999_999_999) report(`${place}/nanosecs`, nanosecs, "0 to 999999999");
    }
  },
};
