/** `exec`: runs a process in a running container. */

import { observedStatus, peekRecord } from "../container/container.js";
import { planConsole, refuseUnusableConsole } from "../container/console.js";
import type { RuntimeContext } from "../container/context.js";
import { checkId } from "../container/identifier.js";
import { hookState } from "../container/oci-state.js";
import type { ContainerRecord } from "../container/record.js";
import { RuntimeError, errorFromFailure, isRuntimeError, withOperation } from "../errors.js";
import type { ExecPlan, HostFacts } from "../generated/plan.js";
import { askFlag, attempt, hostFacts, perform, send } from "../native.js";
import { execDefaults, planCgroupJoin, planExecAffinity, planExecProcess } from "../plan/exec.js";
import type { ExecProcessOptions } from "../plan/exec.js";
import { readProcess } from "../process-document.js";

/** What a caller decides about a process. Every path may be relative to the working directory. */
export interface ExecOptions extends ExecProcessOptions {
  /** File with a process as in config.json; the other options change it. */
  processFile?: string | undefined;
  /** Socket that receives the terminal's master by SCM_RIGHTS. */
  consoleSocket?: string | undefined;
  /** Socket that receives a pidfd of the process. */
  pidfdSocket?: string | undefined;
  /** File to which the pid of the process is written. */
  pidFile?: string | undefined;
  /** Return once the program runs. */
  detach?: boolean | undefined;
  /** Cgroups below the container's own: `[controller[,controller]:]path`. */
  cgroups?: readonly string[] | undefined;
  /** Allow a paused container: the process starts when it is resumed. */
  ignorePaused?: boolean | undefined;
}

/**
 * Runs a process in a container. Unless detached, forwards signals and the terminal until its program ends.
 * @returns the exit status as in a shell, 0 when detached. @throws RuntimeError if the process cannot be started; nothing is left of it then.
 */
export function execInContainer(context: RuntimeContext, id: string, options: ExecOptions): number {
  try {
    checkId(id);
    const record = peekRecord(context, id);
    refuseStatus(context, record, options);
    return startProcess(context, record, options);
  } catch (error) {
    throw withOperation("exec failed", error);
  }
}

/** @throws RuntimeError with runc's text, which callers look for */
function refuseStatus(context: RuntimeContext, record: ContainerRecord, { ignorePaused }: ExecOptions): void {
  const status = observedStatus(context, record);
  if (status === "stopped") throw stopped();
  if (status === "creating") throw new RuntimeError("cannot exec in a container that is being created", { code: "wrongStatus" });
  if (status === "paused" && !ignorePaused) {
    throw new RuntimeError("cannot exec in a paused container (use --ignore-paused to override)", { code: "wrongStatus" });
  }
}

function stopped(): RuntimeError {
  return new RuntimeError("cannot exec in a stopped container", { code: "wrongStatus" });
}

function startProcess(context: RuntimeContext, record: ContainerRecord, options: ExecOptions): number {
  const { door, root, interruptible } = context;
  const plan = planExec(context, record, options);
  const { preserveFds } = plan.process;
  if (preserveFds > 0) perform(door, { op: "requireOpen", count: preserveFds });
  const { reply, failure } = attempt(door, "created", { op: "exec", root, id: record.id, plan, interruptible: interruptible ?? false });
  if (failure) throw explained(context, record, errorFromFailure(failure));
  const { handle } = reply;
  try {
    release(context, record, handle);
    return options.detach ? 0 : send(door, "exit", { op: "foreground", handle, subreaper: false, notify: null }).status;
  } finally {
    perform(door, { op: "close", handle });
  }
}

function release(context: RuntimeContext, record: ContainerRecord, handle: number): void {
  try {
    perform(context.door, { op: "release", handle });
  } catch (error) {
    throw explained(context, record, error);
  }
}

/** Errnos with which the start of a process may fail if its container ends meanwhile. */
const ERRNOS_OF_CONTAINER_EXIT: readonly (string | undefined)[] = ["ECONNRESET", "EPIPE", "ENOENT", "ENODEV", "ENOMEM", "ESRCH"];
/** The first process of a pid namespace exits only after the others that are killed with it. */
const EXIT_TIMEOUT_MILLISECONDS = 100;

/** If the container has stopped meanwhile: the error that callers look for. */
function explained({ door }: RuntimeContext, { process }: ContainerRecord, error: unknown): RuntimeError {
  const mayHaveStopped =
    isRuntimeError(error) && (error.code === "finished" || (error.code !== "exec" && ERRNOS_OF_CONTAINER_EXIT.includes(error.errno)));
  if (mayHaveStopped && process && askFlag(door, { op: "waitGone", process, timeoutMilliseconds: EXIT_TIMEOUT_MILLISECONDS }))
    return stopped();
  return withOperation("unable to start container process", error);
}

function planExec(context: RuntimeContext, record: ContainerRecord, options: ExecOptions): ExecPlan {
  const { door } = context;
  const defaults = execDefaults(record);
  const needsFacts = options.processFile !== undefined || (options.capabilities?.length ?? 0) > 0;
  const facts = needsFacts ? factsFor(record, hostFacts(door)) : undefined;
  const given =
    facts && options.processFile !== undefined ? readProcess(context, record, { file: options.processFile, defaults, facts }) : undefined;
  const process = planExecProcess(given?.process ?? defaults, options, facts);
  if (process.args.length === 0) throw new RuntimeError("missing the program to execute", { code: "invalidArgument" });
  const request = { terminal: process.terminal, consoleSocket: options.consoleSocket, detaches: options.detach ?? false };
  refuseUnusableConsole(door, request, { without: "leave --tty out", socketIsFor: "--detach with --tty" });
  if (!record.process) throw stopped();
  return {
    init: record.process,
    namespaces: record.namespaces,
    chroot: record.chroot ?? false,
    cgroup: planCgroupJoin(record, options.cgroups ?? []),
    mayBeFrozen: options.ignorePaused ?? false,
    process,
    terminalSize: process.terminal ? (given?.terminalSize ?? [0, 0]) : null,
    console: planConsole(request),
    affinity: planExecAffinity(given?.affinity ?? record.execAffinity),
    oomScoreAdj: given?.oomScoreAdj ?? record.oomScoreAdj ?? null,
    pidFile: options.pidFile ?? null,
    pidfdSocket: options.pidfdSocket ?? null,
    state: hookState(record, "running"),
  };
}

/** In the container's own user namespace a process lacks no capability. */
function factsFor({ namespaces }: ContainerRecord, facts: HostFacts): HostFacts {
  return namespaces.includes("user") ? { ...facts, missingCapabilities: [] } : facts;
}
