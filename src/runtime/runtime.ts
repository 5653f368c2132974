/**
 * The library: everything that the command line program, other front ends and users of the package call. Nothing here
 * prints, ends the process, or changes its working directory or umask; every operation takes what it needs. Only these change the process:
 * in the foreground `runContainer`, `restoreContainer` and `execInContainer` forward signals and set the caller's terminal to raw mode,
 * and the first two make the process a subreaper, which it remains (option `subreaper`); `interruptible` of the context catches the signals
 * that ask the process to end.
 */

export { defaultStateRoot, namedStateRoot } from "./container/context.js";
export type { LibraryDoor, RuntimeContext, StateRoot } from "./container/context.js";
export { checkpointContainer } from "./operations/checkpoint.js";
export type { CheckpointFlags as CheckpointOptions } from "./criu/messages.js";
export { createContainer } from "./operations/create.js";
export type { CgroupManager, CreateOptions } from "./operations/create.js";
export { defaultSpec } from "./operations/default-spec.js";
export type { DefaultSpecOptions } from "./operations/default-spec.js";
export { deleteContainer } from "./operations/delete.js";
export type { DeleteOptions } from "./operations/delete.js";
export { RuntimeError, isRuntimeError } from "./errors.js";
export type { ErrorCode, ErrorFacts } from "./errors.js";
export type { Warning } from "./generated/plan.js";
export { execInContainer } from "./operations/exec.js";
export type { ExecOptions } from "./operations/exec.js";
export { containerEvents, containerStats } from "./operations/events.js";
export type { EventsOptions } from "./operations/events.js";
export { features } from "./operations/features.js";
export { containerIds, containerState, listContainers } from "./operations/inspect.js";
export { killContainer } from "./operations/kill.js";
export type { KillOptions } from "./operations/kill.js";
export { OCI_VERSION } from "./oci.js";
export { addMounts, removeMounts } from "./operations/mounts.js";
export { pauseContainer, resumeContainer } from "./operations/pause.js";
export { containerProcesses, processTable } from "./operations/processes.js";
export type { ProcessTableOptions } from "./operations/processes.js";
export { restoreContainer } from "./operations/restore.js";
export type { RestoreOptions } from "./operations/restore.js";
export { runContainer } from "./operations/run.js";
export type { RunOptions } from "./operations/run.js";
export type { Spec } from "./spec/generated/spec-types.js";
export type { ContainerStats } from "./stats/container-stats.js";
export { eventJson } from "./stats/json.js";
export type { ContainerEvent } from "./stats/json.js";
export { startContainer } from "./operations/start.js";
export { updateContainer } from "./operations/update.js";
export type { UpdateOptions } from "./operations/update.js";
export type { ContainerState } from "./container/oci-state.js";
export type { Status } from "./container/status.js";
