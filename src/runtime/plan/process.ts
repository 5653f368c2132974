/** Plans the user's program and its attributes (config.md#process). */

import { RuntimeError } from "../errors.js";
import type { Capabilities, HostFacts, Operation, Process as PlannedProcess } from "../generated/plan.js";
import type { Process, Spec } from "../spec/generated/spec-types.js";

/** The caller's options for the process. */
export interface ProcessOptions {
  /** How many descriptors, from 3 on, the program keeps besides those of socket activation. */
  preserveFds: number;
  /** Name of the new session keyring; undefined: the caller's is kept. */
  keyring: string | undefined;
  /** The program keeps the caller's supplementary groups. */
  keepsGroups?: boolean | undefined;
  /** The container keeps them if its user namespace denies setgroups(2). */
  keepsGroupsIfDenied?: boolean | undefined;
  /** Labels, personality, memory policy, scheduling. */
  operations: readonly Operation[];
  capabilities: Capabilities;
  /** Number of descriptors passed by systemd's socket activation (sd_listen_fds(3)); they come first. */
  listenFds: number;
  /** Path in the container for NOTIFY_SOCKET (sd_notify(3)). */
  notifySocket?: string | undefined;
}

/** The default umask(2): a fixed one and not the caller's. */
const DEFAULT_UMASK = 0o022;

/** @throws RuntimeError on groups that the caller may not set. */
export function planProcess(spec: Spec, process: Process, facts: HostFacts, options: ProcessOptions): PlannedProcess {
  const { env, setHome } = withoutEmptyHome(dedupeEnvironment([...(process.env ?? []), ...runtimeEnvironment(options)]));
  return {
    args: process.args ?? [],
    env,
    setHome,
    cwd: process.cwd,
    uid: process.user?.uid ?? 0,
    gid: process.user?.gid ?? 0,
    additionalGids: options.keepsGroups ? null : planGroups(spec, facts, process.user?.additionalGids ?? []),
    // Whoever made that namespace without privilege had to deny setgroups(2) first.
    ...((options.keepsGroupsIfDenied || (facts.euid !== 0 && joinsUserNamespace(spec))) && { keepGroupsIfDenied: true }),
    umask: process.user?.umask ?? DEFAULT_UMASK,
    capabilities: options.capabilities,
    rlimits: (process.rlimits ?? []).map(({ type, soft, hard }) => ({ kind: type, soft: String(soft), hard: String(hard) })),
    noNewPrivileges: process.noNewPrivileges ?? false,
    ...(spec.linux?.seccomp && { seccomp: true }),
    terminal: process.terminal ?? false,
    preserveFds: options.preserveFds + options.listenFds,
    keyring: options.keyring ?? null,
    keyringLabel: process.selinuxLabel || null,
    ...(options.operations.length > 0 && { operations: [...options.operations] }),
  };
}

/** Variables for the protocols of systemd. The program is process 1 of its pid namespace. */
function runtimeEnvironment({ listenFds, notifySocket }: ProcessOptions): string[] {
  const env: string[] = [];
  if (listenFds > 0) env.push(`LISTEN_FDS=${listenFds}`, "LISTEN_PID=1");
  if (notifySocket !== undefined) env.push(`NOTIFY_SOCKET=${notifySocket}`);
  return env;
}

function joinsUserNamespace({ linux }: Spec): boolean {
  return (linux?.namespaces ?? []).some(({ type, path }) => type === "user" && path);
}

/** An empty HOME is none, as with runc: the program gets that of its user. */
export function withoutEmptyHome(entries: readonly string[]): Pick<PlannedProcess, "env" | "setHome"> {
  const env = entries.filter((entry) => entry !== "HOME=");
  return { env, setHome: !env.some((entry) => entry.startsWith("HOME=")) };
}

/** Keeps only the last of several entries for one variable, in the position of the first, because programs differ in which one they read. */
export function dedupeEnvironment(entries: readonly string[]): string[] {
  const kept = new Map<string, string>();
  for (const entry of entries) {
    const name = entry.slice(0, entry.indexOf("="));
    kept.set(name, entry);
  }
  return [...kept.values()];
}

/**
 * The supplementary groups; null if the kernel denies setgroups(2): an unprivileged caller may map its own group
 * only after disabling setgroups (user_namespaces(7)).
 */
function planGroups(spec: Spec, facts: HostFacts, gids: number[]): number[] | null {
  const mappings = spec.linux?.gidMappings ?? [];
  const denied = facts.euid !== 0 && mappings.length === 1 && mappings[0]?.size === 1;
  if (!denied) return gids.length > 1 ? [...new Set(gids)] : gids;
  if (gids.length > 0) {
    const pointer = "/process/user/additionalGids";
    throw new RuntimeError("a container that maps one group only, made without privilege, has no additional groups", {
      code: "unsupported",
      operation: pointer,
      path: pointer,
    });
  }
  return null;
}
