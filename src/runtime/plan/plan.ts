/** From a valid configuration to the plan of a container: flat data that the native layer carries out. Pure. */

import type { ConsolePlan, ContainerPlan, GatePlan, HookState, HostFacts, Operation, RecordedCgroup, Undo } from "../generated/plan.js";
import { RuntimeError } from "../errors.js";
import { OCI_VERSION } from "../oci.js";
import type { ValidatedSpec } from "../spec/load.js";
import { planCapabilities } from "./capabilities.js";
import type { LeftOut } from "./capabilities.js";
import { cgroupDirectories, placeCgroups, planCgroup, planCgroupUndo, makesCgroups } from "./cgroup.js";
import { planHooks, planRuntimeHooks } from "./hooks.js";
import { planResctrl, resctrlDirectories } from "./intel-rdt.js";
import type { ResctrlRequest } from "./intel-rdt.js";
import { createsNamespace, planOwnerMap, planSpawn, sharesNamespace } from "./namespaces.js";
import { mountOperation } from "./mount-operation.js";
import { planNetDevices } from "./net-devices.js";
import { planOperations } from "./operations.js";
import { resolveFrom } from "./paths.js";
import { dedupeEnvironment, planProcess } from "./process.js";
import type { RarePlan } from "./rare.js";
import { modulePaths, planLabels, refuseInactiveModules } from "./security-modules.js";
import type { Scope } from "./scope.js";

/** The facts about the host on which a plan depends. */
export interface PlanFacts extends HostFacts {
  /** Those of `pathsToProbe` that do not exist. */
  missing: readonly string[];
  /** Mount point of resctrl, empty if it is not mounted; only set for `linux.intelRdt`. */
  resctrl?: string | undefined;
  /** Id of the mount at the rootfs; only set if the container shares the runtime's mount namespace. */
  rootfsMount?: number | undefined;
}

/** The caller's options of `create`. */
export interface PlanOptions {
  id: string;
  /** Absolute path of the bundle. */
  bundle: string;
  /** Undefined: depends on the caller's privilege. */
  rootless?: boolean | undefined;
  /** False: the container stays in its caller's cgroups. */
  makesCgroup: boolean;
  pivot: boolean;
  newKeyring: boolean;
  preserveFds: number;
  listenFds: number;
  /** The container's notify socket on the host; in the container it is /run/notify/notify.sock. */
  notifySocket?: string | undefined;
  console: ConsolePlan;
  gate: GatePlan;
  /** The container's cgroup as a unit of systemd. Undefined: the runtime makes it. */
  scope?: Scope | undefined;
  pidFile?: string | undefined;
  pidfdSocket?: string | undefined;
  rare: RarePlan;
}

/** A plan, and how to undo it. */
export interface PlannedContainer {
  plan: ContainerPlan;
  /** What `delete` undoes. */
  undo: Undo[];
  /**
   * What a failed create undoes. Unlike `undo` it has no cgroup that existed before, which may hold other processes, and it has the resctrl
   * class of `closID` if this create makes it, which `delete` keeps.
   */
  undoWhileCreating: Undo[];
  /** Requested capabilities that cannot be granted, for warnings. */
  leftOut: LeftOut[];
  /** Absolute path of the root file system. */
  rootfs: string;
  /** The uid of the container's owner. */
  ownerUid: number;
  /** The container's own cgroups. */
  cgroups: RecordedCgroup[];
  /** The environment of config.json, if socket activation or sd_notify change it for the first process only (sd_listen_fds(3), sd_notify(3)). */
  configuredEnv?: string[];
}

const KCORE = "/proc/kcore";
const NOTIFY_SOCKET = "/run/notify/notify.sock";

/** Paths whose existence the plan depends on. The caller finds out which do not exist, for `PlanFacts.missing`. */
export function pathsToProbe(spec: ValidatedSpec, facts: Omit<PlanFacts, "missing">, options: PlanOptions): string[] {
  const request = {
    spec,
    id: options.id,
    facts,
    rootless: isRootless(facts, options),
    disabled: !options.makesCgroup,
    scope: options.scope,
  };
  const paths = [KCORE, ...modulePaths(spec)];
  const resctrl = resctrlRequest(spec, facts, options.id);
  if (resctrl) paths.push(...resctrlDirectories(resctrl));
  return makesCgroups(request) ? [...paths, ...cgroupDirectories(placeCgroups(request))] : paths;
}

function resctrlRequest({ linux }: ValidatedSpec, { resctrl }: Pick<PlanFacts, "resctrl">, id: string): ResctrlRequest | undefined {
  return linux?.intelRdt && { rdt: linux.intelRdt, id, mountpoint: resctrl ?? "" };
}

/** @throws RuntimeError on what this host does not support, with the JSON pointer concerned. */
export function plan(spec: ValidatedSpec, facts: PlanFacts, options: PlanOptions): PlannedContainer {
  const { id, bundle } = options;
  const { process, root } = spec;
  if (!process || !root) throw new RuntimeError("process and root are needed", { code: "invalidConfig", operation: "plan" });
  const request = { spec, id, facts, rootless: isRootless(facts, options), disabled: !options.makesCgroup, scope: options.scope };
  const missing = new Set(facts.missing);
  refuseInactiveModules(spec, missing);
  const placements = placeCgroups(request);
  const ownCgroups = makesCgroups(request);
  const rootfs = resolveFrom(bundle, root.path);
  const runtimeHooks = planRuntimeHooks(spec);
  const notify = options.notifySocket;
  const operations = planOperations(spec, {
    facts,
    placements,
    ownCgroupNamespace: createsNamespace(spec, "cgroup"),
    joinsCgroupNamespace: !createsNamespace(spec, "cgroup") && !sharesNamespace(spec, "cgroup"),
    inUserNamespace: request.rootless || !sharesNamespace(spec, "user"),
    bundle,
    ownerMap: planOwnerMap(spec),
    mappings: spec.linux ?? {},
    mountLabel: spec.linux?.mountLabel,
    contextType: options.rare.crun.contextType,
    rootfs,
    pivot: options.pivot,
    kcoreExists: !missing.has(KCORE),
    runtimeHooks,
    extraMounts: notify === undefined ? [] : [notifyMount(notify)],
  });
  const undoCgroups = (whole: boolean): Undo[] => {
    if (!ownCgroups) return [];
    const steps = planCgroupUndo(placements, missing, { whole, endsWithInit: createsNamespace(spec, "pid"), scope: options.scope });
    return options.scope ? [...steps, options.scope.undo] : steps;
  };
  const wantedResctrl = resctrlRequest(spec, facts, id);
  const resctrl = wantedResctrl && planResctrl(wantedResctrl, facts.missing);
  const capabilities = planCapabilities(
    process.capabilities,
    sharesNamespace(spec, "user") ? facts : { ...facts, missingCapabilities: [] },
  );
  // In a new mount namespace the mounts disappear with the container.
  const undoMounts: Undo[] = facts.rootfsMount === undefined ? [] : [{ op: "unmount", path: rootfs, above: facts.rootfsMount }];
  return {
    plan: {
      spawn: { ...planSpawn(spec, facts), clockOffsets: options.rare.clockOffsets },
      cgroup: planCgroup(request, placements),
      operations,
      process: planProcess(spec, process, facts, {
        capabilities: capabilities.masks,
        preserveFds: options.preserveFds,
        keyring: options.newKeyring ? `_ses.${id}` : undefined, // runc's name
        operations: [...planLabels(spec), ...options.rare.operations],
        keepsGroups: options.rare.crun.keepsGroups,
        listenFds: options.listenFds,
        notifySocket: notify === undefined ? undefined : NOTIFY_SOCKET,
      }),
      console: options.console,
      gate: options.gate,
      runtimeHooks,
      startContainerHooks: planHooks(spec, "startContainer"),
      ...(options.rare.crun.hookOutput && { hookOutput: options.rare.crun.hookOutput }),
      hookState: hookState(spec, options),
      pidFile: options.pidFile ?? null,
      pidfdSocket: options.pidfdSocket ?? options.rare.crun.pidfdSocket ?? null,
      ...(spec.linux?.netDevices && { netDevices: planNetDevices(spec.linux.netDevices) }),
      ...(resctrl && { resctrl: resctrl.plan }),
    },
    leftOut: capabilities.leftOut,
    undo: [...undoMounts, ...undoCgroups(true), ...(resctrl?.undo ?? [])],
    undoWhileCreating: [...undoMounts, ...undoCgroups(false), ...(resctrl?.undoWhileCreating ?? [])],
    rootfs,
    ownerUid: facts.euid,
    cgroups: ownCgroups ? placements.map(({ path, hierarchy: { controllers } }) => ({ controllers, path })) : [],
    ...((options.listenFds > 0 || notify !== undefined) && { configuredEnv: dedupeEnvironment(process.env ?? []) }),
  };
}

/** Whether the caller works without privilege over cgroups and devices. */
export function isRootless(facts: HostFacts, { rootless }: Pick<PlanOptions, "rootless">): boolean {
  return rootless ?? (facts.euid !== 0 || facts.inUserNamespace);
}

/**
 * Mounts the notify socket in the container, read-only: sending to a socket does not write to the mount. Only the socket and not its directory is
 * mounted, because a container that remounts a directory of the state root could create files in it.
 */
function notifyMount(source: string): Operation {
  const mount = mountOperation({
    destination: NOTIFY_SOCKET,
    source: { kind: "bind", source, recursive: false },
    attributes: { set: ["ro", "nosuid", "nodev", "noexec"] },
    pointer: "",
  });
  return { ...mount, target: "likeSource" };
}

/** The state for hooks; the native layer sets `pid` and `status`. */
function hookState({ annotations }: ValidatedSpec, { id, bundle }: PlanOptions): HookState {
  return { ociVersion: OCI_VERSION, id, status: "creating", pid: 0, bundle, ...(annotations && { annotations }) };
}
