/** How crun's annotations change a plan (src/runtime/spec/crun-annotations.ts). */

import type { HookOutput } from "../generated/plan.js";
import { crunAnnotationsOf } from "../spec/crun-annotations.js";

export interface CrunSettings {
  /** The program keeps the supplementary groups of the runtime: setgroups(2) is not called. */
  keepsGroups?: boolean;
  /** The mount option that sets `linux.mountLabel`. */
  contextType?: string;
  /** Socket that receives a pidfd of the container's first process, unless the command line names one. */
  pidfdSocket?: string;
  /** A system call in the seccomp profile that libseccomp does not know is an error. */
  refusesUnknownCalls?: boolean;
  /** Files that hooks write to. */
  hookOutput?: HookOutput;
}

/** The settings of a valid configuration. */
export function planCrunSettings(annotations: Readonly<Record<string, string>> | undefined): CrunSettings {
  const given = new Map(crunAnnotationsOf(annotations));
  const contextType = given.get("mount_context_type");
  const pidfdSocket = given.get("pidfd_receiver");
  const [stdout, stderr] = [given.get("hooks.stdout"), given.get("hooks.stderr")];
  return {
    ...(given.get("keep_original_groups") === "1" && { keepsGroups: true }),
    ...(given.get("seccomp_fail_unknown_syscall") === "1" && { refusesUnknownCalls: true }),
    ...(contextType !== undefined && { contextType }),
    ...(pidfdSocket !== undefined && { pidfdSocket }),
    ...((stdout ?? stderr) !== undefined && { hookOutput: { stdout: stdout ?? null, stderr: stderr ?? null } }),
  };
}
