/** Rules for `process.rlimits` (config.md, "POSIX process"; getrlimit(2)). */

import type { Integer64 } from "../generated/spec-types.js";
import { nearest } from "../nearest.js";
import { isUint64, uint64Range } from "../numbers.js";
import { rlimitNumbers } from "../rlimit-names.js";
import type { Rules } from "../rule.js";

export const rlimitRules: Rules = {
  "rlimit-names": ({ spec }, report) => {
    spec.process?.rlimits?.forEach(({ type }, i) => {
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
    spec.process?.rlimits?.forEach(({ type }, i) => {
      const first = seen.get(type);
      if (first === undefined) seen.set(type, i);
      else report(`/process/rlimits/${i}/type`, type, `each limit once: it stands in /process/rlimits/${first} too`);
    });
  },

  "rlimit-values": ({ spec }, report) => {
    spec.process?.rlimits?.forEach(({ soft, hard }, i) => {
      const outside = (name: string, value: Integer64): boolean => {
        if (isUint64(value)) return false;
        report(`/process/rlimits/${i}/${name}`, value, uint64Range);
        return true;
      };
      const anyOutside = [outside("soft", soft), outside("hard", hard)].includes(true);
      if (!anyOutside && soft > hard) report(`/process/rlimits/${i}/soft`, soft, `at most the hard limit, ${hard}`);
    });
  },
};
