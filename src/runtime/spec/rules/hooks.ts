/** Rules for `hooks` (config.md, "POSIX-platform Hooks"). */

import { each, type Rules } from "../rule.js";

/** The six points in a container's life at which hooks run, in their order. */
export const hookNames = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"] as const;

/** A year. The schema has no upper bound, but clocks have one. */
const longestTimeoutSeconds = 31_536_000;

export const hookRules: Rules = {
  "hook-path-absolute": ({ spec: { hooks } }, report) => {
    each(hookNames, (name) => {
      each(hooks?.[name], ({ path }, i) => {
        if (!path.startsWith("/")) report(`/hooks/${name}/${i}/path`, path, "an absolute path");
      });
    });
  },

  "hook-env-named": ({ spec: { hooks } }, report) => {
    each(hookNames, (name) => {
      each(hooks?.[name], ({ env }, i) => {
        each(env, (entry, j) => {
          if (entry.indexOf("=") < 1) report(`/hooks/${name}/${i}/env/${j}`, entry, "NAME=VALUE with a name");
        });
      });
    });
  },

  // The schema asks for at least one second.
  "hook-timeout-range": ({ spec: { hooks } }, report) => {
    each(hookNames, (name) => {
      each(hooks?.[name], ({ timeout }, i) => {
        if (timeout !== undefined && timeout > longestTimeoutSeconds)
          report(`/hooks/${name}/${i}/timeout`, timeout, `1 to ${longestTimeoutSeconds} seconds`);
      });
    });
  },
};
