/** Plans new limits for an existing container. Only the limits that are given change. Pure. */

import type { BusAddress, CgroupDirectory, CgroupWrite, HostFacts, LimitChange, LimitWrite, UnitProperty } from "../generated/plan.js";
import type { CpuResources, DeviceCgroup, Integer64, MemoryResources, Resources } from "../spec/generated/spec-types.js";
import { planLimits, unifiedPlacement, unknownToSystemd } from "./cgroup.js";
import type { CgroupPlacement } from "./cgroup.js";
import { planDeviceRules, splitDeviceRules } from "./cgroup-devices.js";
import { parseBandwidth } from "./cgroup-values.js";
import { refused } from "./limit-error.js";
import { lastComponent } from "./paths.js";
import type { DeviceFacts } from "./systemd-devices.js";
import type { LimitFacts, UnitLimits } from "./systemd-limits.js";
import { planV1DeviceChange } from "./update-devices.js";
import { inSafeOrder } from "./update-order.js";
import { restoring } from "./update-restore.js";
import { amountOf, filesToRead, controllerDirectory } from "./update-values.js";
import type { FileTexts, ControllerDirectory } from "./update-values.js";

const PLACE = "/linux/resources";
/** The kernel's default of cpu.shares. */
const DEFAULT_SHARES = 1024;
/** The kernel's range (kernel/sched/sched.h, MIN_SHARES and MAX_SHARES); it silently clamps other values. */
const LEAST_SHARES = 2;
const MOST_SHARES = 262_144;

/** The running unit that is the container's cgroup. */
export interface UpdatedUnit {
  name: string;
  bus: BusAddress;
  facts: Omit<LimitFacts & DeviceFacts, "v2">;
  /** From `LazyParts.systemd`. */
  planUnitLimits(writes: readonly CgroupWrite[], facts: LimitFacts): UnitLimits;
  deviceProperties(rules: ReturnType<typeof planDeviceRules>, facts: DeviceFacts): UnitProperty[];
}

export interface UpdateRequest {
  /** The limits that change (`namedResources`). */
  changed: Resources;
  /** The container's current resources; undefined if not known. */
  applied: Resources | undefined;
  /** The container's own cgroups. */
  placements: readonly CgroupPlacement[];
  facts: HostFacts;
  /** Device rules cannot be set. */
  rootless: boolean;
  unit?: UpdatedUnit | undefined;
}

/** The files to read before `planUpdateWrites`. */
export function filesBeforeUpdate({ changed, placements }: UpdateRequest): string[] {
  const { cpu, memory, unified } = changed;
  return filesToRead([...(cpu || unified ? (["cpu"] as const) : []), ...(memory ? (["memory"] as const) : [])], placements);
}

/**
 * The values to write, in an order that the kernel accepts.
 * @param current texts of `filesBeforeUpdate`
 * @throws RuntimeError on a limit that the container's cgroups cannot carry out
 */
export function planUpdateWrites(request: UpdateRequest, current: FileTexts): CgroupWrite[] {
  const { changed, placements, facts } = request;
  const memory = changed.memory && completeMemory(changed.memory, controllerDirectory("memory", placements), current);
  const cpuHome = controllerDirectory("cpu", placements);
  const cpu = changed.cpu && completeCpu(changed.cpu, cpuHome, current, request);
  const resources: Resources = { ...changed, ...(memory && { memory: memory.limits }), ...(cpu && { cpu }) };
  const planned = planLimits(resources, placements, facts).writes.filter(({ path }) => path !== memory?.onlyRead);
  const writes = [...planned, ...resets(changed.cpu ?? {}, cpuHome, current)];
  return inSafeOrder(request.unit ? writes.map((write) => withPeriod(write, current)) : writes, current);
}

interface CompleteMemory {
  limits: MemoryResources;
  /** File of a limit that is there only for the sum. */
  onlyRead?: string;
}

/** Adds the values on which a limit depends. */
function completeMemory(memory: MemoryResources, home: ControllerDirectory | undefined, current: FileTexts): CompleteMemory {
  const { checkBeforeUpdate, ...limits } = memory;
  if (!home) return { limits };
  if (!home.v2) {
    // Memory and swap together must not be less than memory.
    const swap = limits.limit !== undefined && limits.limit < 0 && limits.swap === undefined ? { swap: -1 } : {};
    return { limits: { ...limits, ...swap } };
  }
  const used = current.get(`${home.path}/memory.current`);
  if (checkBeforeUpdate && limits.limit !== undefined && used !== undefined && amountOf(limits.limit) < amountOf(used)) {
    throw refused(`${PLACE}/memory/limit`, `${used} is in use already (memory.current)`);
  }
  // v2 limits swap alone, so the current limit of memory is subtracted.
  const file = `${home.path}/memory.max`;
  const present = current.get(file);
  if (limits.swap === undefined || limits.swap < 0 || limits.limit !== undefined || present === undefined) return { limits };
  return { limits: { ...limits, limit: present === "max" ? -1 : integerOf(present) }, onlyRead: file };
}

function integerOf(text: string): Integer64 {
  const exact = BigInt(text);
  return exact <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(exact) : exact;
}

/** Adds the values on which a limit depends. @throws RuntimeError on shares that the kernel would clamp */
function completeCpu(
  cpu: CpuResources,
  home: ControllerDirectory | undefined,
  current: FileTexts,
  { applied, unit }: UpdateRequest,
): CpuResources {
  const { idle, burst: _burst, ...limits } = cpu;
  if (!home) return cpu;
  const complete: CpuResources = { ...limits, ...(cpu.burst && { burst: cpu.burst }), ...(idle && { idle }) };
  if (!home.v2 && limits.shares !== undefined) {
    if (limits.shares < LEAST_SHARES) throw refused(`${PLACE}/cpu/shares`, `the minimum allowed cpu-shares is ${LEAST_SHARES}`);
    if (limits.shares > MOST_SHARES) throw refused(`${PLACE}/cpu/shares`, `the maximum allowed cpu-shares is ${MOST_SHARES}`);
  }
  const isIdle = current.get(`${home.path}/cpu.idle`) === "1";
  // The kernel refuses a weight for an idle cgroup, which has lost its previous one.
  if (isIdle && idle !== undefined) {
    if (idle) delete complete.shares;
    else complete.shares ??= applied?.cpu?.shares || DEFAULT_SHARES;
  }
  // Quota and period share one file, or one property of systemd.
  if ((home.v2 || unit) && (limits.quota !== undefined || limits.period !== undefined)) {
    const { quota, period } = presentBandwidth(home, current);
    complete.quota ??= quota;
    complete.period ??= period;
  }
  return complete;
}

function presentBandwidth({ path, v2 }: ControllerDirectory, current: FileTexts): { quota: Integer64; period: Integer64 } {
  const [quota = "max", period = "100000"] = v2
    ? (current.get(`${path}/cpu.max`) ?? "max 100000").split(" ")
    : [current.get(`${path}/cpu.cfs_quota_us`), current.get(`${path}/cpu.cfs_period_us`)];
  return { quota: /^[0-9]+$/.test(quota) ? integerOf(quota) : -1, period: integerOf(period) };
}

/** The writes that reset `burst` and `idle`. */
function resets({ burst, idle }: CpuResources, home: ControllerDirectory | undefined, current: FileTexts): CgroupWrite[] {
  if (!home) return [];
  const reset = (value: Integer64 | undefined, name: string, file: string): CgroupWrite[] => {
    const path = `${home.path}/${file}`;
    const isSet = current.has(path) && current.get(path) !== "0";
    return value !== undefined && !value && isSet ? [{ path, value: "0", pointer: `${PLACE}/cpu/${name}` }] : [];
  };
  return [...reset(burst, "burst", home.v2 ? "cpu.max.burst" : "cpu.cfs_burst_us"), ...reset(idle, "idle", "cpu.idle")];
}

/** Adds the current period to a cpu.max without one, for which systemd would assume the default. */
function withPeriod(write: CgroupWrite, current: FileTexts): CgroupWrite {
  if (lastComponent(write.path) !== "cpu.max" || parseBandwidth(write.value)?.period !== undefined) return write;
  const period = current.get(write.path)?.split(" ")[1];
  return period === undefined ? write : { ...write, value: `${write.value.trim()} ${period}` };
}

/** The files to read before `planChange`. */
export function filesToRestore(request: UpdateRequest, writes: readonly CgroupWrite[]): string[] {
  const files = writes.flatMap((write) => [write, ...(write.ifMissing ?? [])]).map(({ path }) => path);
  const devices = changedDevices(request) && controllerDirectory("devices", request.placements);
  return [...new Set([...files, ...(devices && !devices.v2 ? [`${devices.path}/devices.list`] : [])])];
}

/**
 * The change, with the writes that undo it.
 * @param current texts of `filesBeforeUpdate` and `filesToRestore`
 * @throws RuntimeError on what systemd or the v1 device files cannot express
 */
export function planChange(request: UpdateRequest, planned: readonly CgroupWrite[], current: FileTexts): LimitChange {
  const { placements, facts, unit, changed } = request;
  const v2 = facts.cgroupMode === "v2";
  const limits = unit?.planUnitLimits(planned, { ...unit.facts, v2 }) ?? { properties: [], writes: [...planned] };
  const writes: LimitWrite[] = limits.writes.map((write) => ({
    write,
    restore: [write, ...(write.ifMissing ?? [])].flatMap((one) => restoring(one, current)),
  }));
  const devices = changedDevices(request) ? (changed.devices ?? []) : undefined;
  const rules = devices && planDeviceRules(devices);
  const directory = devices && controllerDirectory("devices", placements);
  if (devices && directory && !directory.v2) {
    const applied = request.applied?.devices && splitDeviceRules(request.applied.devices);
    const list = current.get(`${directory.path}/devices.list`) ?? "";
    writes.push(...planV1DeviceChange({ directory: directory.path, list, wanted: splitDeviceRules(devices), applied }));
  }
  const properties = [...limits.properties, ...(unit && rules ? devicePropertyChange(unit, rules, v2) : [])];
  return {
    directories: directoriesToEnable(request, planned),
    ...(unit && properties.length > 0 && { unit: { name: unit.name, bus: unit.bus, properties } }),
    writes,
    ...(rules && directory?.v2 && { deviceFilter: { cgroup: directory.path, rules } }),
  };
}

/** Whether the device rules differ from the current ones, which callers that fill in every field repeat. */
function changedDevices({ changed, applied, rootless }: UpdateRequest): boolean {
  if (rootless || !changed.devices) return false;
  return !applied?.devices || textOf(changed.devices) !== textOf(applied.devices);
}

function textOf(devices: readonly DeviceCgroup[]): string {
  return planDeviceRules(devices)
    .map(({ allow, kind, major, minor, access }) => `${allow} ${kind} ${major}:${minor} ${access}`)
    .join("\n");
}

/** systemd appends to a list property, so it is emptied first. */
function devicePropertyChange(unit: UpdatedUnit, rules: ReturnType<typeof planDeviceRules>, v2: boolean): UnitProperty[] {
  const pointer = `${PLACE}/devices`;
  const properties = unit.deviceProperties(rules, { ...unit.facts, v2 });
  const empty: UnitProperty = { name: "DeviceAllow", signature: "a(ss)", value: [], pointer };
  if (properties.length > 0) return [empty, ...properties];
  return [{ name: "DevicePolicy", signature: "s", value: "auto", pointer }, empty];
}

/** Directories in which a controller must be enabled that containers get only if a limit needs it. */
function directoriesToEnable({ changed, placements, facts, unit }: UpdateRequest, writes: readonly CgroupWrite[]): CgroupDirectory[] {
  const unified = unifiedPlacement(placements);
  const enableControllers = unit ? unknownToSystemd(writes) : planLimits(onlyRare(changed), placements, facts).controllers;
  if (!unified || enableControllers.length === 0) return [];
  return [{ path: unified.path, mountpoint: unified.hierarchy.mountpoint, enableControllers }];
}

function onlyRare({ unified, hugepageLimits, rdma }: Resources): Resources {
  return { ...(unified && { unified }), ...(hugepageLimits && { hugepageLimits }), ...(rdma && { rdma }) };
}
