/** `create`: from a bundle to a container that waits at its start gate (runtime.md#create). */

import { readConfig } from "../config.js";
import type { ReadConfig } from "../config.js";
import { stateError } from "../container/container.js";
import { planConsole, refuseUnusableConsole, unusable } from "../container/console.js";
import type { ConsoleRequest } from "../container/console.js";
import type { LibraryDoor, RuntimeContext } from "../container/context.js";
import { RuntimeError, withOperation } from "../errors.js";
import type { HostFacts, Request, Undo, Warning } from "../generated/plan.js";
import { checkId } from "../container/identifier.js";
import { askNames, askText, attempt, hostFacts, perform, send } from "../native.js";
import type { CreatedProcess } from "../native.js";
import { bindNotify } from "../container/notify.js";
import { explainOom } from "../container/out-of-memory.js";
import { externalMounts } from "../plan/external-mounts.js";
import { planHooks } from "../plan/hooks.js";
import { createsNamespace, sharesNamespace } from "../plan/namespaces.js";
import { resolveFrom } from "../plan/paths.js";
import { isRootless, pathsToProbe, plan } from "../plan/plan.js";
import type { PlanOptions, PlannedContainer } from "../plan/plan.js";
import { NOTHING_RARE } from "../plan/rare.js";
import type { Scope } from "../plan/scope.js";
import { hasRareFields } from "../spec/rare-fields.js";
import type { ValidatedSpec } from "../spec/load.js";
import { withFilter } from "../seccomp.js";
import { RECORD_VERSION, exactly } from "../container/record.js";
import type { ContainerRecord } from "../container/record.js";
import { rollBack } from "../container/roll-back.js";
import { warn, warnOf } from "../report-warnings.js";

/**
 * Who makes the container's cgroup. `cgroupfs`: the runtime itself. `systemd`: the cgroup is a unit, `cgroupsPath` is `slice:prefix:name`, and
 * for an unprivileged caller the user's own service manager makes it. `disabled`: nobody; the container stays in its caller's cgroups, and a
 * configuration with limits is refused.
 */
export type CgroupManager = "cgroupfs" | "systemd" | "disabled";

/** What a caller decides about a new container. Every path may be relative to the working directory. */
export interface CreateOptions {
  /** Directory with config.json; the working directory when absent. */
  bundle?: string | undefined;
  /** Path of the configuration, if it is not the bundle's config.json. Its `root.path` is relative to the bundle in any case. */
  config?: string | undefined;
  /** Socket that receives the terminal's master by SCM_RIGHTS. Required with a terminal, an error without one. */
  consoleSocket?: string | undefined;
  /** Socket that receives a pidfd of the container's first process. */
  pidfdSocket?: string | undefined;
  /** File to which the pid of the container's first process is written. */
  pidFile?: string | undefined;
  /** False: move the root instead of pivot_root(2), for a root on an initramfs. Default true. */
  pivot?: boolean | undefined;
  /** False: the container keeps the caller's session keyring. Default true. */
  newKeyring?: boolean | undefined;
  /** How many descriptors, from 3 on, the program keeps. Default 0. */
  preserveFds?: number | undefined;
  /** How many descriptors socket activation passed (sd_listen_fds(3)); they come first. Default 0. */
  listenFds?: number | undefined;
  /** Socket of the caller's service manager (sd_notify(3)). The container gets its own socket, from which READY=1 is forwarded. */
  notifySocket?: string | undefined;
  /** Who makes the container's cgroup. Default `cgroupfs`. */
  cgroupManager?: CgroupManager | undefined;
  /** The caller's XDG_RUNTIME_DIR, where its service manager listens. Default /run/user/UID. */
  runtimeDirectory?: string | undefined;
  /** Whether to work without privilege over cgroups and devices. Default: depends on the caller's privilege. */
  rootless?: boolean | undefined;
}

/** What happens after the creation. */
export type Continuation =
  /** The container waits until `start` opens its gate. */
  | "wait"
  /** The container starts at once, and the caller leaves it. */
  | "detach"
  /** The container starts at once; the caller waits for it and serves its terminal. */
  | "foreground";

/** A container whose process is alive. The caller holds its lock. */
export interface NewContainer {
  lock: number;
  process: CreatedProcess;
  record: ContainerRecord;
  /** Handle of the container's notify socket; a request that waits on it closes it. */
  notify: number | undefined;
}

export interface CreateRequest {
  id: string;
  options: CreateOptions;
  continuation: Continuation;
  /** The caller adopts orphans from the program's first instruction on. */
  subreaper?: boolean;
}

/**
 * Creates a container that waits for `startContainer`.
 * @throws RuntimeError; nothing is left of the container then.
 */
export function createContainer(context: RuntimeContext, id: string, options: CreateOptions): void {
  try {
    const { lock, process, notify } = launchContainer(context, { id, options, continuation: "wait" });
    // The init keeps the socket for `start`.
    if (notify !== undefined) perform(context.door, { op: "close", handle: notify });
    perform(context.door, { op: "close", handle: process.handle });
    perform(context.door, { op: "close", handle: lock });
  } catch (error) {
    throw withOperation(`create ${JSON.stringify(id)}`, error);
  }
}

/**
 * Creates a container and continues as `request.continuation` says. The caller closes both handles.
 * @throws RuntimeError with what failed and what could not be undone.
 */
export function launchContainer(context: RuntimeContext, request: CreateRequest): NewContainer {
  const { bundle, facts, config } = readBundle(context, request);
  return withFilter(context.door, config, (seccomp) => launch(context, request, { bundle, facts, spec: config.spec, seccomp }));
}

/** Reads a bundle. @throws RuntimeError with every fault of the configuration at once */
function readBundle(
  context: RuntimeContext,
  { id, options }: Pick<CreateRequest, "id" | "options">,
): { bundle: string; facts: HostFacts; config: ReadConfig } {
  const { door } = context;
  checkId(id);
  const bundle = askText(door, { op: "resolveDirectory", path: options.bundle ?? "." });
  const facts = hostFacts(door);
  const { config: path = `${bundle}/config.json`, cgroupManager } = options;
  const check = {
    rootless: facts.euid !== 0,
    ...(options.config !== undefined && { name: options.config }),
    ...(cgroupManager === "systemd" && { more: door.part("systemd").unitRules }),
  };
  const config = readConfig(context, path, check, options.config !== undefined);
  return { bundle, facts, config };
}

/** What `launch` needs besides the request. */
interface LaunchInputs {
  bundle: string;
  facts: HostFacts;
  spec: ValidatedSpec;
  /** Handle of the filter. */
  seccomp: number | null;
}

function launch(context: RuntimeContext, request: CreateRequest, { bundle, facts, spec, seccomp }: LaunchInputs): NewContainer {
  const { door } = context;
  const { id, options, continuation } = request;
  const console = usableConsole(door, spec, request);
  const scope = options.cgroupManager === "systemd" ? planUnit(context, request, spec, facts) : undefined;
  const planning = planOptions(context, request, { bundle, spec, console });
  const planned = planContainer(door, spec, facts, { ...planning, scope });
  refuseUnusableRootfs(door, planned.rootfs);
  warnOf(context, spec, {
    leftOut: planned.leftOut,
    hasUnit: scope !== undefined,
    cgroupDisabled: !planning.makesCgroup,
    rootless: isRootless(facts, options),
  });
  const attempted: Attempt = { lock: 0, notify: undefined, created: undefined, record: newRecord(door, { id, bundle, spec, planned }) };
  if (planned.plan.process.preserveFds > 0) perform(door, { op: "requireOpen", count: planned.plan.process.preserveFds });
  attempted.lock = reserve(context, attempted.record);
  try {
    attempted.notify = bindNotify(door, attempted.lock, options.notifySocket);
    // startContainer hooks run after the gate opens and before the program: then `running` is recorded later.
    const runsAtOnce = continuation !== "wait" && planned.plan.startContainerHooks.length === 0;
    const createdRecord: ContainerRecord = { ...attempted.record, status: runsAtOnce ? "running" : "created", undo: planned.undo };
    const notifyHandle = continuation === "wait" && attempted.notify !== undefined ? { notify: attempted.notify } : {};
    attempted.created = send(door, "created", {
      op: "create",
      lock: attempted.lock,
      plan: planned.plan,
      record: createdRecord,
      seccomp,
      ...notifyHandle,
    });
    const { process, warnings } = attempted.created;
    attempted.record = { ...createdRecord, process };
    if (planning.rare.crun.refusesUnknownCalls) refuseUnknownCalls(warnings);
    warn(context, warnings);
    perform(door, { op: "release", handle: attempted.created.handle, ...(request.subreaper && { subreaper: true }) });
    return { lock: attempted.lock, process: attempted.created, record: attempted.record, notify: attempted.notify };
  } catch (error) {
    // Also what `delete` would leave: the class of service that config.json names and create made.
    const { undo } = attempted.record;
    const others = planned.undoWhileCreating.filter(
      (step) => step.op === "removeResctrlGroup" && !undo.some((one) => isSameGroup(one, step)),
    );
    const record = { ...attempted.record, undo: [...undo, ...others] };
    throw undoCreation(context, { ...attempted, record }, explainOom(context, record, error));
  }
}

function isSameGroup(one: Undo, other: Undo): boolean {
  return one.op === "removeResctrlGroup" && other.op === "removeResctrlGroup" && one.path === other.path;
}

/** A bundle with its plan, for operations that create no process from it. */
export interface BundlePlan {
  /** Absolute path. */
  bundle: string;
  spec: ValidatedSpec;
  planned: PlannedContainer;
  /** Handle of the filter. */
  seccomp: number | null;
}

/** Plans the container of a bundle for `use`. @throws RuntimeError on faults of the configuration, and on what this host cannot carry out */
export function withPlanOfBundle<T>(context: RuntimeContext, request: CreateRequest, use: (bundle: BundlePlan) => T): T {
  const { door } = context;
  const { bundle, facts, config } = readBundle(context, request);
  return withFilter(door, config, (seccomp) => {
    const { spec } = config;
    const scope = request.options.cgroupManager === "systemd" ? planUnit(context, request, spec, facts) : undefined;
    const planned = planContainer(door, spec, facts, {
      ...planOptions(context, request, { bundle, spec, console: consoleOf(spec, request) }),
      scope,
    });
    return use({ bundle, spec, planned, seccomp });
  });
}

function consoleOf(spec: ValidatedSpec, { options, continuation }: Pick<CreateRequest, "options" | "continuation">): ConsoleRequest {
  return {
    terminal: spec.process?.terminal ?? false,
    consoleSocket: options.consoleSocket,
    detaches: continuation !== "foreground",
  };
}

/** Where the master of the container's terminal goes. @throws RuntimeError if it has no receiver */
export function usableConsole(
  door: LibraryDoor,
  spec: ValidatedSpec,
  request: Pick<CreateRequest, "options" | "continuation">,
): ConsoleRequest {
  const console = consoleOf(spec, request);
  refuseUnusableConsole(door, console, {
    without: "set /process/terminal to false",
    socketIsFor: "create or --detach, with /process/terminal",
  });
  return console;
}

/** Plans the container's cgroup as a unit. @throws RuntimeError if systemd does not run */
function planUnit({ door, root }: RuntimeContext, { id, options }: CreateRequest, spec: ValidatedSpec, facts: HostFacts): Scope {
  const user = isRootless(facts, options);
  const { factsWanted, planScope } = door.part("systemd");
  const runtimeDirectory = options.runtimeDirectory ?? null;
  const systemd = send(door, "systemd", { op: "systemdFacts", user, runtimeDirectory, ...factsWanted(spec) }).facts;
  return planScope({ spec, id, stateDirectory: `${root}/${id}`, facts: systemd });
}

/** The plan for this host. @throws RuntimeError on what it cannot carry out. */
function planContainer(door: LibraryDoor, spec: ValidatedSpec, facts: HostFacts, options: PlanOptions): PlannedContainer {
  const resctrl = spec.linux?.intelRdt ? askText(door, { op: "findMount", fsType: "resctrl" }) : undefined;
  const missing = askNames(door, { op: "missing", paths: pathsToProbe(spec, { ...facts, resctrl }, options) });
  const rootfsMount = sharesNamespace(spec, "mount") ? rootfsMountId(door, spec, options.bundle) : undefined;
  return plan(spec, { ...facts, missing, rootfsMount, resctrl }, options);
}

/** The id of the mount at the rootfs before the container exists. A missing rootfs is refused later, with a proper error. */
function rootfsMountId(door: LibraryDoor, spec: ValidatedSpec, bundle: string): number | undefined {
  return attempt(door, "number", { op: "mountId", path: resolveFrom(bundle, spec.root?.path ?? "") }).reply?.number;
}

function planOptions(
  context: RuntimeContext,
  { id, options, continuation }: CreateRequest,
  { bundle, spec, console }: { bundle: string; spec: ValidatedSpec; console: ConsoleRequest },
): PlanOptions {
  return {
    id,
    bundle,
    rootless: options.rootless,
    makesCgroup: options.cgroupManager !== "disabled",
    pivot: options.pivot ?? true,
    newKeyring: options.newKeyring ?? true,
    preserveFds: options.preserveFds ?? 0,
    listenFds: options.listenFds ?? 0,
    console: planConsole(console),
    gate: { kind: continuation === "wait" ? "socket" : "channel" },
    notifySocket: options.notifySocket ? `${context.root}/${id}/notify.sock` : undefined,
    pidFile: options.pidFile,
    pidfdSocket: options.pidfdSocket,
    rare: hasRareFields(spec) ? context.door.part("rare").planRare(spec) : NOTHING_RARE,
  };
}

/** Turns the warning about unknown system calls into an error, for `run.oci.seccomp_fail_unknown_syscall`. */
function refuseUnknownCalls(warnings: readonly Warning[]): void {
  const unknown = warnings.find(({ rule }) => rule === "seccomp-names");
  if (unknown) throw new RuntimeError(unknown.message, { code: "invalidConfig", operation: unknown.pointer, path: unknown.pointer });
}

/** The native layer refuses these too; this error says what is there instead of a directory. */
export function refuseUnusableRootfs(door: LibraryDoor, rootfs: string): void {
  const kind = askText(door, { op: "pathKind", path: rootfs });
  if (kind !== "directory") throw unusable("rootfs", rootfs, kind);
}

interface RecordParts {
  id: string;
  bundle: string;
  spec: ValidatedSpec;
  planned: PlannedContainer;
}

/** The record before the first clone. */
export function newRecord(door: LibraryDoor, { id, bundle, spec, planned }: RecordParts): ContainerRecord {
  const { cgroup, spawn, operations } = planned.plan;
  const unit = cgroup.systemd;
  const joined = spawn.join.map(({ namespace }) => namespace);
  const external = externalMounts(operations).map(({ destination }) => destination);
  return {
    version: RECORD_VERSION,
    id,
    status: "creating",
    bundle,
    rootfs: planned.rootfs,
    ...(spec.annotations && { annotations: spec.annotations }),
    created: askText(door, { op: "now" }),
    ownerUid: planned.ownerUid,
    ...(!createsNamespace(spec, "mount") && { chroot: true }),
    ownPidNamespace: createsNamespace(spec, "pid"),
    namespaces: [...spawn.create, ...joined],
    ...(joined.length > 0 && { joinedNamespaces: joined }),
    ...(external.length > 0 && { externalMounts: external }),
    cgroups: planned.cgroups,
    ...(unit && { unit: { name: unit.name, bus: unit.bus } }),
    ...(spec.linux?.resources && { resources: exactly(spec.linux.resources) as object }),
    ...(spec.linux?.mountLabel && { mountLabel: spec.linux.mountLabel }),
    undo: planned.undoWhileCreating,
    poststart: planHooks(spec, "poststart"),
    poststop: planHooks(spec, "poststop"),
    ...(planned.plan.hookOutput && { hookOutput: planned.plan.hookOutput }),
    ...(planned.configuredEnv && { env: planned.configuredEnv }),
    ...(spec.process?.execCPUAffinity && { execAffinity: spec.process.execCPUAffinity }),
    ...(spec.process?.oomScoreAdj !== undefined && { oomScoreAdj: spec.process.oomScoreAdj }),
  };
}

/** @returns the handle of the new container's lock. @throws RuntimeError with runc's text for an id that is in use. */
export function reserve({ door, root, rootMode, interruptible }: RuntimeContext, record: ContainerRecord): number {
  const { reply, failure } = attempt(door, "handle", {
    op: "reserve",
    root,
    rootMode,
    record,
    interruptible: interruptible ?? false,
  });
  if (reply) return reply.handle;
  if (failure.code === "exists") throw new RuntimeError("container with given ID already exists", { code: "exists" });
  throw stateError(failure);
}

/** The progress of a creation, for undoing it. */
interface Attempt {
  lock: number;
  notify: number | undefined;
  created: CreatedProcess | undefined;
  record: ContainerRecord;
}

function undoCreation(context: RuntimeContext, { lock, notify, created, record }: Attempt, error: unknown): unknown {
  const first: Request[] = [notify, created?.handle].flatMap((handle) => (handle === undefined ? [] : [{ op: "close", handle } as const]));
  return rollBack(context, { lock, record, first, ownsCgroups: created !== undefined }, error);
}
