/** AppArmor and SELinux: labels of the program, of its keyring and of the container's mounts (config.md#linux-process). */

import { RuntimeError } from "../errors.js";
import type { Operation } from "../generated/plan.js";
import type { Spec } from "../spec/generated/spec-types.js";

/** These exist if the module is active. */
const APPARMOR = "/sys/kernel/security/apparmor";
const SELINUX = "/sys/fs/selinux/enforce";

/** File systems that SELinux labels only by its policy: for them `context` is refused or has no effect. */
const LABELLED_BY_POLICY: readonly string[] = ["proc", "sysfs", "cgroup", "cgroup2"];

/** How the container's own mounts are labelled. */
export interface LabelContext {
  /** `linux.mountLabel`. */
  mountLabel?: string | undefined;
  /** The mount option that sets it (mount(8)). Default `context`. */
  contextType?: string | undefined;
}

/** The paths to test on the host; none without a label. */
export function modulePaths({ process, linux }: Spec): string[] {
  const paths: string[] = [];
  if (process?.apparmorProfile) paths.push(APPARMOR);
  if (process?.selinuxLabel || linux?.mountLabel) paths.push(SELINUX);
  return paths;
}

/** @throws RuntimeError on a label whose module is not active, because it would have no effect. */
export function refuseInactiveModules({ process, linux }: Spec, missing: ReadonlySet<string>): void {
  if (missing.has(APPARMOR) && process?.apparmorProfile)
    throw inactive("/process/apparmorProfile", "apparmor: config provided but apparmor not supported", APPARMOR);
  if (missing.has(SELINUX) && (process?.selinuxLabel || linux?.mountLabel)) {
    const pointer = process?.selinuxLabel ? "/process/selinuxLabel" : "/linux/mountLabel";
    throw inactive(pointer, "selinux label is specified in config, but selinux is disabled or not supported", SELINUX);
  }
}

/** runc's text, which callers know, and the path that was tested. */
function inactive(pointer: string, text: string, path: string): RuntimeError {
  return new RuntimeError(`${text} (the host has no "${path}")`, { code: "unsupported", operation: pointer, path: pointer });
}

/** The operations that set the program's labels. */
export function planLabels({ process }: Spec): Operation[] {
  const operations: Operation[] = [];
  if (process?.apparmorProfile) operations.push({ op: "apparmor", profile: process.apparmorProfile });
  if (process?.selinuxLabel) operations.push({ op: "selinux", label: process.selinuxLabel });
  return operations;
}

/** Adds the context of `linux.mountLabel` to the data of a new file system, unless it has its own. */
export function withContext(fsType: string, data: string[], { mountLabel: label, contextType = "context" }: LabelContext): string[] {
  if (!label || fsType === "mqueue" || LABELLED_BY_POLICY.includes(fsType)) return data;
  return data.some((entry) => entry.startsWith("context=") || entry.startsWith(`${contextType}=`))
    ? data
    : [...data, `${contextType}=${label}`];
}

/** Labels a file system that has no context option: mqueue is labelled like a file. */
export function planMountLabel(fsType: string, path: string, label: string | undefined): Operation[] {
  return label && fsType === "mqueue" ? [{ op: "label", path, label }] : [];
}
