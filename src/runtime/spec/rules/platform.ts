/** Rules for sections of other platforms (config.md, "Platform-specific configuration"). */

import { Description } from "../fault.js";
import { each, type Rules } from "../rule.js";

/** Name of the rule for fields that are not wrong, but meant for another runtime. */
export const OTHER_PLATFORM = "other-platform";

const allowed = "nothing: it configures a container of another platform, this runtime is for Linux";

export const platformRules: Rules = {
  [OTHER_PLATFORM]: [
    ({ spec }, report) => {
      each(["solaris", "windows", "vm", "zos", "freebsd"] as const, (platform) => {
        if (spec[platform] !== undefined) report(`/${platform}`, new Description("a section"), allowed);
      });
    },
    ({ spec: { process } }, report) => {
      if (process?.commandLine) report("/process/commandLine", new Description("a command line"), allowed);
    },
  ],
};
