/** `exec ID PROGRAM ...`: runs another program in a container. */

import { RuntimeError, isRuntimeError } from "../../runtime/errors.js";
import { execInContainer } from "../../runtime/runtime.js";
import type { ExecOptions } from "../../runtime/runtime.js";
import type { CommandCall } from "../command.js";
import { preserveFds } from "../create-options.js";
import { EXIT_STATUS } from "../exit-status.js";
import { usageError } from "../usage.js";

export function run(call: CommandCall): number {
  const [id = "", ...args] = call.args;
  const options = execOptions(call, args);
  const context = call.context();
  try {
    return execInContainer(context, id, options);
  } catch (error) {
    throw withStatus(error);
  }
}

/** The exit status by which callers see that the program did not run. A signal that ended us has its own status. */
function withStatus(error: unknown): unknown {
  if (!isRuntimeError(error) || error.code === "interrupted") return error;
  const { message, code, path, errno } = error;
  return new RuntimeError(
    message,
    { code, ...(path === undefined ? {} : { path }), ...(errno === undefined ? {} : { errno }), exitStatus: EXIT_STATUS.notExecuted },
    error,
  );
}

function execOptions({ values, lists, switches }: CommandCall, args: readonly string[]): ExecOptions {
  const processFile = values["process"];
  if (args.length === 0 && processFile === undefined) throw usageError("exec", "missing the program to execute, or --process");
  const env = lists["env"] ?? [];
  const unnamed = env.find((entry) => entry.indexOf("=") < 1);
  if (unnamed !== undefined) throw usageError("exec", `flag "--env" is NAME=VALUE with a name, not ${JSON.stringify(unnamed)}`);
  const cwd = values["cwd"];
  if (cwd !== undefined && !cwd.startsWith("/")) throw usageError("exec", `flag "--cwd" is an absolute path, not ${JSON.stringify(cwd)}`);
  return {
    processFile,
    ...(args.length > 0 && { args }),
    cwd,
    env,
    ...user(values["user"]),
    additionalGids: lists["additional-gids"]?.map((gid) => idOf("additional-gids", gid, gid)),
    capabilities: lists["cap"],
    apparmorProfile: values["apparmor"],
    processLabel: values["process-label"],
    ...(switches.has("no-new-privs") && { noNewPrivileges: true }),
    ...(switches.has("tty") && { terminal: true }),
    consoleSocket: values["console-socket"],
    pidfdSocket: values["pidfd-socket"],
    pidFile: values["pid-file"],
    detach: switches.has("detach"),
    preserveFds: preserveFds("exec", values["preserve-fds"]),
    cgroups: lists["cgroup"],
    ignorePaused: switches.has("ignore-paused"),
  };
}

/** Parsed strictly, so that the process never runs as another user than intended (CVE-2026-30892). */
function user(value: string | undefined): Pick<ExecOptions, "uid" | "gid"> {
  if (value === undefined) return {};
  const [uid = "", gid, ...more] = value.split(":");
  if (more.length > 0) throw usageError("exec", `flag "--user" is UID or UID:GID, not ${JSON.stringify(value)}`);
  return { uid: idOf("user", uid, value), ...(gid !== undefined && { gid: idOf("user", gid, value) }) };
}

/** The largest id; -1 means "none" to every system call that takes one. */
const MAX_ID = 0xffff_fffe;

function idOf(flag: string, text: string, value: string): number {
  const id = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(id <= MAX_ID)) throw usageError("exec", `flag "--${flag}" takes numbers from 0 to ${MAX_ID}, not ${JSON.stringify(value)}`);
  return id;
}
