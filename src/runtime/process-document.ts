/** A process in a file of its own, as `exec --process` reads it: `process` of config.json (config.md#process). */

import { MAX_CONFIG_BYTES, loadersOf } from "./config.js";
import type { RuntimeContext } from "./container/context.js";
import type { ContainerRecord } from "./container/record.js";
import { RuntimeError } from "./errors.js";
import type { HostFacts, Operation, Process, RecordedAffinity } from "./generated/plan.js";
import { askText } from "./native.js";
import { planCapabilities } from "./plan/capabilities.js";
import { planProcess } from "./plan/process.js";
import { planLabels } from "./plan/security-modules.js";
import { faultText } from "./spec/fault.js";
import type { Fault } from "./spec/fault.js";
import type { Spec } from "./spec/generated/spec-types.js";
import { loadSpec } from "./spec/load.js";
import type { ValidatedSpec } from "./spec/load.js";

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
  facts: HostFacts;
}

/** @throws RuntimeError with every fault of the file at once */
export function readProcess(context: RuntimeContext, record: ContainerRecord, { file, defaults, facts }: ProcessFile): GivenProcess {
  const { door } = context;
  const spec = load(context, record, { text: askText(door, { op: "readFile", path: file, maxBytes: MAX_CONFIG_BYTES }), file, facts });
  const given = spec.process;
  if (!given) throw new RuntimeError("it has no process", { code: "invalidConfig", operation: `read ${JSON.stringify(file)}`, path: file });
  if (defaults.additionalGids === null && given.user?.additionalGids?.length) {
    throw new RuntimeError("the container keeps the groups of its caller, and its processes have no additional ones", {
      code: "unsupported",
      operation: `${file}: /user/additionalGids`,
      path: file,
    });
  }
  const limits = record.namespaces.includes("user") ? { ...facts, lackedCapabilities: [] } : facts;
  const planned = planProcess(spec, given, facts, {
    preserveFds: 0,
    keyring: defaults.keyring ?? undefined,
    keepsGroups: defaults.additionalGids === null,
    operations: operationsOf(context, spec, defaults),
    capabilities: planCapabilities(given.capabilities, limits).masks,
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

/** The file as the process of a configuration with the container's namespaces, which all rules for processes look at. */
function load(
  context: RuntimeContext,
  record: ContainerRecord,
  { text, file, facts }: { text: string; file: string; facts: HostFacts },
): ValidatedSpec {
  const options = { rootless: facts.euid !== 0, name: file };
  try {
    JSON.parse(text);
  } catch {
    return loadSpec(text, loadersOf(context.door), options); // says where it is no JSON
  }
  const namespaces = record.namespaces.map((type) => ({ type, path: "/" }));
  const rest = JSON.stringify({ ociVersion: "1.0.0", root: { path: "rootfs" }, linux: { namespaces } });
  try {
    return loadSpec(`{"process":${text},${rest.slice(1)}`, loadersOf(context.door), options);
  } catch (error) {
    const { faults } = error as { faults?: readonly Fault[] };
    if (!faults) throw error;
    const own = faults.map((fault) => ({ ...fault, pointer: fault.pointer.replace(/^\/process/, "") }));
    throw new RuntimeError(faultText(file, own), { code: "invalidConfig", path: file }, error);
  }
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
