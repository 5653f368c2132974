/** `ps`: the processes of a container. */

import { processCgroup, withoutCgroup } from "../container/process-cgroup.js";
import { observedStatus, peekRecord } from "../container/container.js";
import type { RuntimeContext } from "../container/context.js";
import { RuntimeError, errorFromFailure, withOperation } from "../errors.js";
import { attempt, send } from "../native.js";
import { selectRows } from "../process-rows.js";

/** Options for a table of processes. */
export interface ProcessTableOptions {
  /** Arguments of ps(1). Default `-ef`. */
  args?: readonly string[] | undefined;
  /** Directories in which to look for ps, as in PATH; relative ones are skipped. Default /usr/bin and /bin. */
  searchPath?: string | undefined;
}

const DEFAULT_SEARCH_PATH = "/usr/bin:/bin";

/**
 * The pids of a container's processes in the caller's pid namespace, sorted. Includes those that a stopped container without its own pid
 * namespace left behind.
 * @throws RuntimeError `notFound` for an unknown id, `unsupported` for a container without a cgroup of its own.
 */
export function containerProcesses(context: RuntimeContext, id: string): number[] {
  try {
    return processesOf(context, id);
  } catch (error) {
    throw withOperation(operation(id), error);
  }
}

/**
 * The table of ps(1), without the lines of processes outside of the container.
 * @throws RuntimeError as `containerProcesses`; `notFound` if the host has no ps; if ps fails or its table has no column PID.
 */
export function processTable(context: RuntimeContext, id: string, options: ProcessTableOptions = {}): string {
  try {
    const before = processesOf(context, id);
    const text = runPs(context, options);
    // A pid may have been reused for a process outside of the container: list only pids that are in it before and after.
    const after = new Set(processesOf(context, id));
    return selectRows(text, new Set(before.filter((pid) => after.has(pid))));
  } catch (error) {
    throw withOperation(operation(id), error);
  }
}

function operation(id: string): string {
  return `ps ${JSON.stringify(id)}`;
}

function processesOf(context: RuntimeContext, id: string): number[] {
  const record = peekRecord(context, id);
  // All processes of a pid namespace die with its first one, so processes in the cgroup of a stopped container are not the container's.
  if (record.ownPidNamespace && observedStatus(context, record) === "stopped") return [];
  const path = processCgroup(record);
  if (path === undefined) throw withoutCgroup();
  const { pids } = send(context.door, "pids", { op: "cgroupProcesses", path });
  return [...new Set(pids)].sort((a, b) => a - b);
}

function runPs({ door }: RuntimeContext, { args = [], searchPath = DEFAULT_SEARCH_PATH }: ProcessTableOptions): string {
  const given = args.length > 0 ? [...args] : ["-ef"];
  const candidates = searchPath
    .split(":")
    .filter((directory) => directory.startsWith("/"))
    .map((directory) => `${directory}/ps`);
  const { reply, failure } = attempt(door, "finished", { op: "runProgram", candidates, args: given });
  if (failure?.code === "notFound") {
    // Go's text, which callers of runc know.
    throw new RuntimeError("executable file not found in $PATH", { code: "notFound", operation: 'run "ps"' });
  }
  if (failure) throw errorFromFailure(failure);
  const { status, stdout, stderr } = reply;
  // ps exits with 1 if it has found no process; then it prints only its header.
  if (status === 0 || (status === 1 && stderr === "" && stdout !== "")) return stdout;
  const reason = stderr.split("\n").find((line) => line.trim() !== "");
  throw new RuntimeError(`exit status ${status}${reason === undefined ? "" : `: ${reason.trim()}`}`, {
    code: "other",
    operation: `run ${JSON.stringify(["ps", ...given].join(" "))}`,
  });
}
