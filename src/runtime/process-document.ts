/** A process in a file of its own, as `exec --process` reads it: `process` of config.json (config.md#process). */

import type { RuntimeContext } from "./container/context.js";
import type { ContainerRecord } from "./container/record.js";
import { RuntimeError } from "./errors.js";
import type { HostFacts, Operation, Process, RecordedAffinity } from "./generated/plan.js";
import { loadPart } from "./part-document.js";
import { planCapabilities } from "./plan/capabilities.js";
import { planProcess } from "./plan/process.js";
import { planLabels } from "./plan/security-modules.js";
import type { Spec } from "./spec/generated/spec-types.js";

/** What a file says of a process. */
export interface GivenProcess {
  process: Process;
  /** Height and width. */
  terminalSize: [number, number] | undefined;
  affinity: RecordedAffinity | undefined;
  oomScoreAdj: number | undefined;
}

export interface ProcessFile {
  file: string;
  /** What the container's first process has; what the file does not say is as there. */
  defaults: Process;
  /** With the capabilities that a process of the container lacks. */
  facts: HostFacts;
}

/** @throws RuntimeError with every fault of the file at once */
export function readProcess(context: RuntimeContext, record: ContainerRecord, { file, defaults, facts }: ProcessFile): GivenProcess {
  const spec = loadPart(context.door, record, { file, member: "process", rest: {}, rootless: facts.euid !== 0 });
  const given = spec.process;
  if (!given) throw new RuntimeError("it has no process", { code: "invalidConfig", operation: `read ${JSON.stringify(file)}`, path: file });
  if (defaults.additionalGids === null && given.user?.additionalGids?.length) {
    throw new RuntimeError("the container keeps the groups of its caller, and its processes have no additional ones", {
      code: "unsupported",
      operation: `${file}: /user/additionalGids`,
      path: file,
    });
  }
  const planned = planProcess(spec, given, facts, {
    preserveFds: 0,
    keyring: defaults.keyring ?? undefined,
    keepsGroups: defaults.additionalGids === null,
    operations: operationsOf(context, spec, defaults),
    capabilities: planCapabilities(given.capabilities, facts).masks,
    listenFds: 0,
  });
  return {
    process: {
      ...planned,
      umask: given.user?.umask ?? defaults.umask,
      capabilities: given.capabilities ? planned.capabilities : defaults.capabilities,
      rlimits: given.rlimits?.length ? planned.rlimits : defaults.rlimits,
      noNewPrivileges: given.noNewPrivileges ?? defaults.noNewPrivileges,
      keyringLabel: given.selinuxLabel || defaults.keyringLabel,
      ...(defaults.seccomp && { seccomp: true }),
    },
    terminalSize: given.consoleSize && [Number(given.consoleSize.height), Number(given.consoleSize.width)],
    affinity: given.execCPUAffinity,
    oomScoreAdj: given.oomScoreAdj,
  };
}

/** Labels and scheduling that the file gives in the place of those of the first process; what is the container's stays. */
function operationsOf({ door }: RuntimeContext, spec: Spec, defaults: Process): Operation[] {
  const { process } = spec;
  const given = planLabels(spec);
  if (process?.scheduler ?? process?.ioPriority) given.push(...door.part("rare").planRare({ process } as Spec).operations);
  const replaced = new Set(given.map(({ op }) => op));
  return [
    ...given.filter(({ op }) => op !== "schedule"),
    ...(defaults.operations ?? []).filter(({ op }) => !replaced.has(op)),
    ...given.filter(({ op }) => op === "schedule"),
  ];
}
