/** The operations that the container's init carries out in order, such as mounts and names. */

import { RuntimeError } from "../errors.js";
import type { Hook, Operation, Propagation } from "../generated/plan.js";
import type { Spec } from "../spec/generated/spec-types.js";
import { sysctlPath } from "../spec/sysctl-name.js";
import { planDevices } from "./devices.js";
import { planHooks } from "./hooks.js";
import { planMounts } from "./mounts.js";
import type { MountContext } from "./mounts.js";
import { createsNamespace, sharesNamespace } from "./namespaces.js";

export interface OperationContext extends MountContext {
  /** Absolute path of the root file system on the host. */
  rootfs: string;
  /** Use pivot_root(2); false moves the mount instead (root on an initramfs, which cannot be pivoted away). */
  pivot: boolean;
  /** The host has /proc/kcore. */
  kcoreExists: boolean;
  /** prestart and createRuntime hooks, which the creator runs. */
  runtimeHooks: readonly Hook[];
  /** Mounts that the runtime adds after those of the configuration. */
  extraMounts: readonly Operation[];
}

/** The operations of a container. @throws RuntimeError on an invalid mount or device. */
export function planOperations(spec: Spec, context: OperationContext): Operation[] {
  const ownMounts = createsNamespace(spec, "mount");
  const sharesMounts = sharesNamespace(spec, "mount");
  const mounts = planMounts(spec, context);
  const propagation = spec.linux?.rootfsPropagation;
  return [
    ...when(createsNamespace(spec, "network"), { op: "loopback" }),
    // Before any mount: nothing may leak to the host.
    ...when(ownMounts, { op: "rootPropagation", propagation: firstPropagation(propagation) }),
    { op: sharesMounts ? "sharedRootfs" : "rootfs", path: context.rootfs },
    ...mounts.operations,
    ...context.extraMounts,
    // After the mounts: /dev is one of them.
    ...planDevices(spec, context.facts, context.kcoreExists),
    // Needs /dev/pts of the container.
    ...planConsole(spec),
    // Before the root changes: createContainer hooks resolve their programs in the runtime's root.
    ...planHooksStep(spec, context.runtimeHooks),
    { op: ownMounts ? (context.pivot ? "pivotRoot" : "moveRoot") : "chroot" },
    // As runc and crun do: Kubernetes and image builders rely on it.
    ...planWorkingDirectory(spec),
    // From here on nothing is created below the root any more.
    ...mounts.late,
    ...when(spec.root?.readonly === true, { op: "readonlyRoot" }),
    ...planNames(spec),
    ...planSysctls(spec),
    // Masks first: a read-only path is a recursive bind mount, which must include the masks below it.
    ...planPaths("maskPaths", spec.linux?.maskedPaths),
    ...planPaths("readonlyPaths", spec.linux?.readonlyPaths),
    // After the pivot: applied to the old root it would reach the host's mounts. After the binds: an unbindable mount
    // cannot be bound on itself, and a shared mount would propagate our binds.
    ...((ownMounts || sharesMounts) && propagation ? [{ op: "rootfsPropagation", propagation: rootsAlone(propagation) } as const] : []),
  ];
}

function when(condition: boolean, operation: Operation): Operation[] {
  return condition ? [operation] : [];
}

function planPaths(op: "readonlyPaths" | "maskPaths", paths: string[] = []): Operation[] {
  return when(paths.length > 0, { op, paths });
}

/**
 * The propagation that the copy of the host's mounts gets before anything is mounted; an `r` form applies to all of them. The default is slave:
 * unmounts on the host reach the container, and the container's mounts do not reach the host. A shared rootfs must stay a peer of the host's
 * mounts. Unbindable is set only after the pivot, because the rootfs has to be bound before.
 */
function firstPropagation(propagation: Propagation | undefined): Propagation {
  switch (propagation) {
    case undefined:
      return "rslave";
    case "unbindable":
      return "private";
    case "runbindable":
      return "rprivate";
    default:
      return propagation;
  }
}

/**
 * The final propagation of the container's root. The mounts below it have theirs already, from the `r` form or from their own options. Only
 * `runbindable` has to be set on all of them now.
 */
function rootsAlone(propagation: Propagation): Propagation {
  switch (propagation) {
    case "rshared":
      return "shared";
    case "rslave":
      return "slave";
    case "rprivate":
      return "private";
    default:
      return propagation;
  }
}

function planConsole(spec: Spec): Operation[] {
  if (!spec.process?.terminal) return [];
  const size = spec.process.consoleSize;
  return [{ op: "console", height: Number(size?.height ?? 0), width: Number(size?.width ?? 0) }];
}

function planWorkingDirectory({ process }: Spec): Operation[] {
  return process && process.cwd !== "/" ? [{ op: "workingDirectory", path: process.cwd }] : [];
}

function planHooksStep(spec: Spec, runtimeHooks: readonly Hook[]): Operation[] {
  const createContainer = planHooks(spec, "createContainer");
  return when(createContainer.length > 0 || runtimeHooks.length > 0, { op: "hooks", createContainer });
}

function planNames(spec: Spec): Operation[] {
  if (sharesNamespace(spec, "uts")) return [];
  return [
    ...(spec.hostname ? [{ op: "hostname", name: spec.hostname } as const] : []),
    ...(spec.domainname ? [{ op: "domainname", name: spec.domainname } as const] : []),
  ];
}

function planSysctls(spec: Spec): Operation[] {
  return Object.entries(spec.linux?.sysctl ?? {}).map(([name, value]) => {
    const path = sysctlPath(name);
    if (path === undefined)
      throw new RuntimeError("no name of a kernel parameter", { code: "invalidConfig", operation: `set sysctl ${JSON.stringify(name)}` });
    return { op: "sysctl", name: path, value };
  });
}
