/** Rules for `process.rlimits` (config.md, "POSIX process"; getrlimit(2)). */

import { nearest } from "../nearest.js";
import { isUint64, uint64Range } from "../numbers.js";
import { rlimitNumbers } from "../rlimit-names.js";
import { each, type Rules } from "../rule.js";

export const rlimitRules: Rules = {
  "rlimit-names": ({ spec }, report) => {
    each(spec.process?.rlimits, ({ type }, i) => {
      if (!Object.hasOwn(rlimitNumbers, type))
        report(
          `/process/rlimits/${i}/type`,
          type,
          `a limit of Linux such as "${nearest(type, Object.keys(rlimitNumbers)) ?? "RLIMIT_NOFILE"}"`,
        );
    });
  },

  "rlimits-unique": ({ spec }, report) => {
    const seen = new Map<string, number>();
    each(spec.process?.rlimits, ({ type }, i) => {
      const first = seen.get(type);
      if (first === undefined) seen.set(type, i);
      else report(`/process/rlimits/${i}/type`, type, `each limit once: it stands in /process/rlimits/${first} too`);
    });
  },

  "rlimit-values": ({ spec }, report) => {
    each(spec.process?.rlimits, (rlimit, i) => {
      let fit = true;
      each(["soft", "hard"] as const, (name) => {
        if (isUint64(rlimit[name])) return;
        fit = false;
        report(`/process/rlimits/${i}/${name}`, rlimit[name], uint64Range);
      });
      const { soft, hard } = rlimit;
      if (fit && soft > hard) report(`/process/rlimits/${i}/soft`, soft, `at most the hard limit, ${hard}`);
    });
  },
};
