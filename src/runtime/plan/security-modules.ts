/** AppArmor and SELinux: labels of the program, of its keyring and of the container's mounts (config.md#linux-process). */

import { RuntimeError } from "../errors.js";
import type { Operation } from "../generated/plan.js";
import type { Spec } from "../spec/generated/spec-types.js";

/** Are there where the module is active, as far as this can be seen. */
const APPARMOR = "/sys/kernel/security/apparmor";
const SELINUX = "/sys/fs/selinux/enforce";

/** File systems that SELinux labels by its policy alone: `context` is refused or changes nothing for them. */
const LABELLED_BY_POLICY: readonly string[] = ["proc", "sysfs", "cgroup", "cgroup2"];

/** How the container's own mounts are labelled. */
export interface LabelContext {
  /** `linux.mountLabel`. */
  mountLabel?: string | undefined;
  /** Which kind of context that is (mount(8)). Default `context`. */
  contextType?: string | undefined;
}

/** What to look for on the host; nothing where no label is asked for. */
export function modulePaths({ process, linux }: Spec): string[] {
  const paths: string[] = [];
  if (process?.apparmorProfile) paths.push(APPARMOR);
  if (process?.selinuxLabel || linux?.mountLabel) paths.push(SELINUX);
  return paths;
}

/** @throws RuntimeError where a label is asked for whose module is not active: it would confine nothing. */
export function refuseInactiveModules({ process, linux }: Spec, missing: ReadonlySet<string>): void {
  if (missing.has(APPARMOR) && process?.apparmorProfile)
    throw inactive("/process/apparmorProfile", "apparmor: config provided but apparmor not supported", APPARMOR);
  if (missing.has(SELINUX) && (process?.selinuxLabel || linux?.mountLabel)) {
    const pointer = process?.selinuxLabel ? "/process/selinuxLabel" : "/linux/mountLabel";
    throw inactive(pointer, "selinux label is specified in config, but selinux is disabled or not supported", SELINUX);
  }
}

/** The words of runc, which callers know, and what was looked for. */
function inactive(pointer: string, words: string, path: string): RuntimeError {
  return new RuntimeError(`${words} (the host has no "${path}")`, { code: "unsupported", operation: pointer, path: pointer });
}

/** The labels that the program gets when it is executed. */
export function planLabels({ process }: Spec): Operation[] {
  const operations: Operation[] = [];
  if (process?.apparmorProfile) operations.push({ op: "apparmor", profile: process.apparmorProfile });
  if (process?.selinuxLabel) operations.push({ op: "selinux", label: process.selinuxLabel });
  return operations;
}

/** The data of a new file system with the context that `linux.mountLabel` gives it, unless it has one of its own. */
export function withContext(fsType: string, data: string[], { mountLabel: label, contextType = "context" }: LabelContext): string[] {
  if (!label || fsType === "mqueue" || LABELLED_BY_POLICY.includes(fsType)) return data;
  return data.some((entry) => entry.startsWith("context=") || entry.startsWith(`${contextType}=`))
    ? data
    : [...data, `${contextType}=${label}`];
}

/** What is left to do for a file system that takes no context: mqueue is labelled like a file. */
export function planMountLabel(fsType: string, path: string, label: string | undefined): Operation[] {
  return label && fsType === "mqueue" ? [{ op: "label", path, label }] : [];
}
