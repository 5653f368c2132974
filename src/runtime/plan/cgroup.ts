/** The container's cgroups: their paths, the values written to them, and their removal (config-linux.md#control-groups). */

import { RuntimeError } from "../errors.js";
import type { CgroupDirectory, CgroupPlan, CgroupWrite, Hierarchy, HostFacts, Undo } from "../generated/plan.js";
import type { Resources, Spec } from "../spec/generated/spec-types.js";
import { planDeviceRules, splitDeviceRules } from "./cgroup-devices.js";
import { cgroupOwner } from "./delegation.js";
import { planV1Writes } from "./cgroup-v1.js";
import type { DirectoryFinder } from "./cgroup-v1.js";
import { planV1DeviceWrites } from "./cgroup-v1-devices.js";
import { planV2Writes } from "./cgroup-v2.js";
import { ancestorsBelow, joinBelow, lastComponent, parentOf } from "./paths.js";
import type { Scope } from "./scope.js";

/** Where the container is in one hierarchy. */
export interface CgroupPlacement {
  hierarchy: Hierarchy;
  /** Absolute path of its directory on the host. */
  path: string;
}

export interface CgroupRequest {
  spec: Spec;
  id: string;
  facts: HostFacts;
  /** The caller has no privilege over the host's cgroups. */
  rootless: boolean;
  /** No cgroup is made. */
  disabled?: boolean | undefined;
  /** Set if systemd makes the cgroup. */
  scope?: Scope | undefined;
}

/** Controllers of cgroup v2 that are enabled for containers if the host has them. */
const V2_CONTROLLERS = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma"];

/**
 * Whether the container gets cgroups of its own. Rootless containers get them only if the configuration requires it,
 * because the caller may be unable to make any.
 */
export function makesCgroups({ spec, facts, rootless, disabled, scope }: Omit<CgroupRequest, "id">): boolean {
  if (facts.cgroupMode === "none" || disabled) return false;
  return scope !== undefined || !rootless || Boolean(spec.linux?.cgroupsPath) || firstLimit(spec.linux?.resources) !== undefined;
}

/** The name of a limited resource other than devices. */
function firstLimit(resources: Resources | undefined): string | undefined {
  return Object.entries(resources ?? {}).find(
    ([name, value]) => name !== "devices" && typeof value === "object" && value !== null && Object.keys(value).length > 0,
  )?.[0];
}

/**
 * The container's directory in every hierarchy. An absolute cgroupsPath is relative to the hierarchy's root, a
 * relative one and the default (the id) to the caller's cgroup; on v2 to that cgroup's parent, because a cgroup
 * that contains processes cannot enable controllers for its children (cgroups(7), "no internal processes").
 */
export function placeCgroups(request: CgroupRequest): CgroupPlacement[] {
  const { facts, spec, id, scope } = request;
  if (!makesCgroups(request))
    return facts.hierarchies.map((hierarchy) => ({ hierarchy, path: joinBelow(hierarchy.mountpoint, hierarchy.own) }));
  const wanted = scope?.cgroup ?? (spec.linux?.cgroupsPath || id);
  return facts.hierarchies.map((hierarchy) => {
    const own = facts.cgroupMode === "v2" ? parentOf(joinBelow("/", hierarchy.own)) : hierarchy.own;
    const inner = wanted.startsWith("/") ? joinBelow("/", wanted) : joinBelow(own, wanted);
    const path = joinBelow(hierarchy.mountpoint, inner);
    if (path === hierarchy.mountpoint) {
      throw new RuntimeError(`"${wanted}" is the root of the hierarchy`, {
        code: "invalidConfig",
        operation: "/linux/cgroupsPath",
        path: "/linux/cgroupsPath",
      });
    }
    return { hierarchy, path };
  });
}

/** The directories that `create` may have to make, parents included. The caller determines which are missing. */
export function cgroupDirectories(placements: readonly CgroupPlacement[]): string[] {
  const directories: string[] = [];
  for (const { hierarchy, path } of placements) directories.push(path, ...ancestorsBelow(hierarchy.mountpoint, path));
  return directories;
}

/**
 * The undo steps that remove the container's directories and then the parents that `create` made.
 * @param whole false while it is not certain that the container's cgroups are its own: a directory that existed before
 * may contain other processes, which its removal would kill
 * @param endsWithInit all processes die with the first one, so processes that remain are not the container's
 */
export function planCgroupUndo(
  placements: readonly CgroupPlacement[],
  missing: ReadonlySet<string>,
  { whole, endsWithInit, scope }: { whole: boolean; endsWithInit: boolean; scope?: Scope | undefined },
): Undo[] {
  const own = placements.filter(({ path }) => whole || missing.has(path));
  const undo: Undo[] = own.map(({ path }) => ({ op: endsWithInit ? "removeVacatedCgroup" : "removeCgroup", path }));
  for (const { hierarchy, path } of placements) {
    // Slices are systemd's.
    if (scope && isManagedBySystemd(hierarchy)) continue;
    for (const parent of ancestorsBelow(hierarchy.mountpoint, path)) {
      if (missing.has(parent)) undo.push({ op: "removeEmptyCgroup", path: parent });
    }
  }
  return undo;
}

function isManagedBySystemd({ controllers }: Hierarchy): boolean {
  return controllers.length === 0 || controllers.includes("name=systemd");
}

/** The plan for the container's cgroups. @throws RuntimeError on a limit that the host's cgroups do not support. */
export function planCgroup(request: CgroupRequest, placements: readonly CgroupPlacement[]): CgroupPlan {
  const { facts, rootless, scope } = request;
  if (request.disabled) refuseLimits(request.spec);
  if (!makesCgroups(request)) return stayInCallersCgroups();
  const resources = request.spec.linux?.resources ?? {};
  const unified = unifiedPlacement(placements);
  const v2 = facts.cgroupMode === "v2";
  const devices = resources.devices ?? [];
  // Neither the v1 files nor the v2 filter can be set without privilege. User namespaces cannot make device nodes anyway.
  const limitsDevices = !rootless;
  const { writes: limits, controllers } = planLimits(resources, placements, facts);
  const onDevices = limitsDevices && !v2 ? planV1DeviceWrites(splitDeviceRules(devices), directoryFinder(placements)) : [];
  const writes = [...onDevices, ...limits];
  const deviceFilter = limitsDevices && v2 ? planDeviceRules(devices) : null;
  const everywhere = V2_CONTROLLERS.filter((controller) => facts.v2Controllers.includes(controller));
  const enabled = v2 ? [...new Set([...everywhere, ...controllers])] : controllers;
  const owner = v2 && !rootless ? cgroupOwner(request.spec) : undefined;
  const planned = scope?.unit({ writes, deviceRules: limitsDevices ? planDeviceRules(devices) : undefined, v2 });
  return {
    ...(owner !== undefined && { owner }),
    ...(planned && { systemd: planned.unit }),
    directories: placements.map((placement) => planDirectory(placement, scope ? unknownToSystemd(writes) : enabled, v2)),
    writes: planned?.writes ?? writes,
    joinTasks: placements.filter((placement) => placement !== unified).map(({ path }) => path),
    cloneInto: unified?.path ?? null,
    ...(unified && facts.v2Controllers.includes("memory") && { memoryAccounted: true }),
    deviceFilter,
  };
}

export interface PlannedLimits {
  writes: CgroupWrite[];
  /** Controllers of cgroup v2 that the writes need and that are not always enabled. */
  controllers: string[];
}

/** All limits but those on devices. @throws RuntimeError on a limit that the host's cgroups do not support. */
export function planLimits(resources: Resources, placements: readonly CgroupPlacement[], facts: HostFacts): PlannedLimits {
  const unified = unifiedPlacement(placements);
  if (facts.cgroupMode === "v2") {
    const writes = unified ? planV2Writes(resources, { path: unified.path, controllers: facts.v2Controllers }) : [];
    return { writes, controllers: unifiedControllers(resources, facts.v2Controllers) };
  }
  const { onV1, onV2, controllers } = splitHybrid(resources, placements, unified ? facts.v2Controllers : []);
  const writes = planV1Writes(onV1, directoryFinder(placements));
  const v1Controllers = placements.flatMap(({ hierarchy }) => hierarchy.controllers);
  if (unified) writes.push(...planV2Writes(onV2, { path: unified.path, controllers, v1Controllers }));
  return { writes, controllers };
}

/** The container's cgroup in the hierarchy of v2. */
export function unifiedPlacement(placements: readonly CgroupPlacement[]): CgroupPlacement | undefined {
  return placements.find(({ hierarchy }) => hierarchy.controllers.length === 0);
}

/** Limits for which a hybrid host may have the controller only on v2, by the controller's name. */
const EITHER_VERSION = { hugetlb: "hugepageLimits", rdma: "rdma" } as const;

/** Which limits go to the v1 hierarchies of a hybrid host and which to its v2 one, with the controllers that those need. */
function splitHybrid(resources: Resources, placements: readonly CgroupPlacement[], v2Controllers: readonly string[]) {
  const onV1: Resources = { ...resources };
  const onV2: Resources = {};
  const controllers = unifiedControllers(resources, v2Controllers);
  if (resources.unified && placements.some(({ hierarchy }) => hierarchy.controllers.length === 0)) {
    onV2.unified = resources.unified;
    delete onV1.unified;
  }
  for (const controller of ["hugetlb", "rdma"] as const) {
    const field = EITHER_VERSION[controller];
    const isOnV1 = placements.some(({ hierarchy }) => hierarchy.controllers.includes(controller));
    if (resources[field] === undefined || isOnV1 || !v2Controllers.includes(controller)) continue;
    Object.assign(onV2, { [field]: resources[field] });
    delete onV1[field];
    controllers.push(controller);
  }
  return { onV1, onV2, controllers: [...new Set(controllers)] };
}

/** Controllers that systemd does not know and so does not enable for its units; only those that are needed. */
export function unknownToSystemd(writes: readonly CgroupWrite[]): string[] {
  return ["hugetlb", "rdma", "misc"].filter((controller) => writes.some(({ path }) => lastComponent(path).startsWith(`${controller}.`)));
}

/** The available controllers that `unified` needs (config-linux.md#unified: the runtime enables them). */
function unifiedControllers({ unified }: Resources, available: readonly string[]): string[] {
  return available.filter((controller) => Object.keys(unified ?? {}).some((file) => file.startsWith(`${controller}.`)));
}

/** Without a cgroup limits have no effect: fail rather than run the container without them. */
function refuseLimits({ linux }: Spec): void {
  const limit = firstLimit(linux?.resources);
  if (limit === undefined) return;
  const pointer = `/linux/resources/${limit}`;
  throw new RuntimeError("the cgroup manager is disabled: without a cgroup there are no limits", {
    code: "unsupported",
    operation: pointer,
    path: pointer,
  });
}

function stayInCallersCgroups(): CgroupPlan {
  return { directories: [], writes: [], joinTasks: [], cloneInto: null, deviceFilter: null };
}

function planDirectory({ hierarchy, path }: CgroupPlacement, enabled: readonly string[], v2: boolean): CgroupDirectory {
  const directory: CgroupDirectory = { path, mountpoint: hierarchy.mountpoint };
  if (hierarchy.controllers.includes("cpuset")) directory.inheritCpuset = true;
  const unified = hierarchy.controllers.length === 0;
  if (unified) directory.enableControllers = [...enabled];
  if ((unified || hierarchy.controllers.includes("freezer")) && mayBeFrozen({ hierarchy, path }, v2)) directory.mayBeFrozen = true;
  return directory;
}

/** Whether the parent of a cgroup may be frozen. A hierarchy's root cannot be, and the caller's own cgroups are not, since the caller runs. */
function mayBeFrozen({ hierarchy, path }: CgroupPlacement, v2: boolean): boolean {
  const own = joinBelow(hierarchy.mountpoint, hierarchy.own);
  const parent = parentOf(path);
  return parent !== hierarchy.mountpoint && parent !== own && !(v2 && parent === parentOf(own));
}

/** Finds the container's directory of a v1 controller. */
export function directoryFinder(placements: readonly CgroupPlacement[]): DirectoryFinder {
  return (controller, pointer) => {
    const found = placements.find(({ hierarchy }) => hierarchy.controllers.includes(controller));
    if (found) return found.path;
    throw new RuntimeError(`the cgroup controller "${controller}" is not mounted`, {
      code: "unsupported",
      operation: pointer,
      path: pointer,
    });
  };
}
