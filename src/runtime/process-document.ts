/** The file of `exec --process`: it has the form of `process` of config.json (config.md#process). */

import type { RuntimeContext } from "./container/context.js";
import type { ContainerRecord } from "./container/record.js";
import { RuntimeError } from "./errors.js";
import type { HostFacts, Operation, Process, RecordedAffinity } from "./generated/plan.js";
import { loadPart } from "./part-document.js";
import { planCapabilities } from "./plan/capabilities.js";
import { planProcess } from "./plan/process.js";
import { planLabels } from "./plan/security-modules.js";
import type { Spec } from "./spec/generated/spec-types.js";

/** A process as the file describes it. */
export interface GivenProcess {
  process: Process;
  /** Height and width. */
  terminalSize: [number, number] | undefined;
  affinity: RecordedAffinity | undefined;
  oomScoreAdj: number | undefined;
}

export interface ProcessFile {
  file: string;
  /** The recorded process of the container; its values apply to what the file leaves out. */
  defaults: Process;
  /** `missingCapabilities` are those that a process of the container lacks. */
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
    keepsGroupsIfDenied: defaults.keepGroupsIfDenied,
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

/** The labels and the scheduling of the file replace those of the first process; the other operations stay. */
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
