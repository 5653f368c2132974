/** Rules for `process` (config.md, "Process") without its capabilities and rlimits. */

import { Description } from "../fault.js";
import { each, type Rules } from "../rule.js";
import { noId } from "../numbers.js";

/** NGROUPS_MAX of the kernel. */
const mostGroups = 65536;
/** The kernel keeps window sizes as unsigned short (struct winsize). */
const largestWindowSide = 65535;

export const processRules: Rules = {
  // The specification requires it only for `start`, but create already looks the program up, as in every runtime.
  "process-given": ({ spec }, report) => {
    if (spec.process === undefined) report("/process", undefined, 'an object with "args" and "cwd"');
  },

  "args-given": ({ spec: { process } }, report) => {
    if (process === undefined) return;
    if (process.args === undefined || process.args.length === 0) report("/process/args", process.args, "at least the name of a program");
    else if (process.args[0] === "") report("/process/args/0", "", "the name of a program");
  },

  "cwd-absolute": ({ spec: { process } }, report) => {
    if (process !== undefined && !process.cwd?.startsWith("/")) report("/process/cwd", process.cwd, "an absolute path");
  },

  "env-named": ({ spec: { process } }, report) => {
    each(process?.env, (entry, i) => {
      if (entry.indexOf("=") < 1) report(`/process/env/${i}`, entry, "NAME=VALUE with a name");
    });
  },

  "user-ids": ({ spec: { process } }, report) => {
    const user = process?.user;
    if (user === undefined) return;
    const allowed = `0 to ${noId - 1}`;
    // Required by the specification's text, though not by its schema.
    each(["uid", "gid"] as const, (id) => {
      if (user[id] === undefined || user[id] === noId) report(`/process/user/${id}`, user[id], allowed);
    });
    each(user.additionalGids, (gid, i) => {
      if (gid === noId) report(`/process/user/additionalGids/${i}`, gid, allowed);
    });
    const groups = user.additionalGids?.length ?? 0;
    if (groups > mostGroups) report("/process/user/additionalGids", new Description(`${groups} groups`), `at most ${mostGroups} groups`);
  },

  "umask-range": ({ spec: { process } }, report) => {
    const umask = process?.user?.umask;
    if (umask !== undefined && umask > 0o777) report("/process/user/umask", umask, "0 to 511 (octal 777)");
  },

  "oom-score-range": ({ spec: { process } }, report) => {
    const score = process?.oomScoreAdj;
    if (score !== undefined && !(score >= -1000 && score <= 1000)) report("/process/oomScoreAdj", score, "-1000 to 1000");
  },

  // The specification says to ignore it without a terminal.
  "console-size": ({ spec: { process } }, report) => {
    if (process?.terminal !== true || process.consoleSize === undefined) return;
    const { consoleSize } = process;
    each(["height", "width"] as const, (side) => {
      const size = consoleSize[side];
      if (size > largestWindowSide) report(`/process/consoleSize/${side}`, size, `0 to ${largestWindowSide}`);
    });
  },
};
