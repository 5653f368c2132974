/**
 * The library: everything that the command line program, other front ends and users of the package call. Nothing here
 * prints, ends the process, or changes its working directory, umask or signal handling; every operation takes what it needs.
 */

export { defaultStateRoot, namedStateRoot } from "./context.js";
export type { LibraryHost, RuntimeContext, StateRoot } from "./context.js";
export { createContainer } from "./create.js";
export type { CreateOptions } from "./create.js";
export { defaultSpec } from "./default-spec.js";
export type { DefaultSpecOptions } from "./default-spec.js";
export { deleteContainer } from "./delete.js";
export type { DeleteOptions } from "./delete.js";
export { RuntimeError, isRuntimeError } from "./errors.js";
export type { ErrorCode, ErrorFacts } from "./errors.js";
export type { Warning } from "./generated/plan.js";
export { features } from "./features.js";
export { containerIds, containerState, listContainers } from "./inspect.js";
export { killContainer } from "./kill.js";
export type { KillOptions } from "./kill.js";
export { OCI_VERSION } from "./oci.js";
export { runContainer } from "./run.js";
export type { RunOptions } from "./run.js";
export type { Spec } from "./spec/generated/spec-types.js";
export { startContainer } from "./start.js";
export type { ContainerState } from "./state/oci-state.js";
export type { Status } from "./state/status.js";
