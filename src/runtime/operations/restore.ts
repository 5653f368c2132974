/** `restore`: restores a container from the images of `checkpoint`, through CRIU. */

import type { RuntimeContext } from "../container/context.js";
import { hookState } from "../container/oci-state.js";
import type { ContainerRecord } from "../container/record.js";
import { rollBack } from "../container/roll-back.js";
import { checkCriu, converse, withCriu } from "../criu/conversation.js";
import type { Session } from "../criu/conversation.js";
import { cgroupRoots, inheritedStreams, restoreRequest } from "../criu/messages.js";
import type { RestoreFlags } from "../criu/messages.js";
import { mountPoints, restoredMounts } from "../criu/mounts.js";
import { externalNamespaces, joinedNamespaces } from "../criu/namespaces.js";
import { CONFIG_FILES, DEFAULT_IMAGE_PATH, configFile } from "../criu/options.js";
import { RuntimeError, withOperation } from "../errors.js";
import type { Request } from "../generated/plan.js";
import { askNames, askText, attempt, perform, send } from "../native.js";
import type { CreatedProcess } from "../native.js";
import { externalMounts } from "../plan/external-mounts.js";
import { createsNamespace } from "../plan/namespaces.js";
import { DESCRIPTORS_FILE, refuseUnprivileged } from "./checkpoint.js";
import { newRecord, refuseUnusableRootfs, reserve, usableConsole, withPlanOfBundle } from "./create.js";
import type { BundlePlan, CreateOptions, CreateRequest } from "./create.js";
import { removeAfterExit } from "./run.js";

/** Options of a restore. */
export interface RestoreOptions
  extends RestoreFlags, Pick<CreateOptions, "bundle" | "consoleSocket" | "pidFile" | "cgroupManager" | "runtimeDirectory" | "rootless"> {
  /** Return once the container runs. */
  detach?: boolean | undefined;
  /** Adopt and reap the container's orphans while waiting for it. Default true. */
  subreaper?: boolean | undefined;
}

const LOG_FILE = "restore.log";

/**
 * Restores a container under an unused id. Unless detached, waits for it as `run` does.
 * @returns the exit status as in a shell, 0 when detached. @throws RuntimeError; nothing is left of the container then.
 */
export function restoreContainer(context: RuntimeContext, id: string, options: RestoreOptions): number {
  const { door } = context;
  try {
    refuseUnprivileged(context);
    const request: CreateRequest = { id, options, continuation: options.detach ? "detach" : "foreground" };
    const { lock, process } = withPlanOfBundle(context, request, (bundle) => restoreFromImages(context, bundle, { ...request, options }));
    perform(door, { op: "close", handle: lock });
    try {
      if (options.detach) return 0;
      const { status } = send(door, "exit", {
        op: "foreground",
        handle: process.handle,
        subreaper: options.subreaper ?? true,
        notify: null,
      });
      removeAfterExit(context, id);
      return status;
    } finally {
      perform(door, { op: "close", handle: process.handle });
    }
  } catch (error) {
    throw withOperation(`restore ${JSON.stringify(id)}`, error);
  }
}

/** The progress of a restore, for undoing it. */
interface Attempt {
  lock: number;
  record: ContainerRecord;
  process: CreatedProcess | undefined;
  /** The container's cgroups were created. */
  hasCgroups: boolean;
}

function restoreFromImages(
  context: RuntimeContext,
  bundle: BundlePlan,
  { id, options, continuation }: CreateRequest & { options: RestoreOptions },
): { lock: number; process: CreatedProcess } {
  const { door } = context;
  usableConsole(door, bundle.spec, { options, continuation });
  refuseUnusableRootfs(door, bundle.planned.rootfs);
  const join = joinedNamespaces(bundle.spec);
  const images = askText(door, { op: "resolveDirectory", path: options.imagePath ?? DEFAULT_IMAGE_PATH });
  const streams = inheritedStreams(readDescriptors(context, images));
  checkCriu(door, options.lazyPages ? { lazyPages: true } : {});
  const work = options.workPath === undefined ? undefined : askText(door, { op: "absolutePath", path: options.workPath });
  if (work !== undefined) perform(door, { op: "makeDirectory", path: work });
  const { planned } = bundle;
  const record = newRecord(door, { id, bundle: bundle.bundle, spec: bundle.spec, planned });
  const attempted: Attempt = { lock: reserve(context, record), record, process: undefined, hasCgroups: false };
  try {
    recordMount(context, attempted);
    if (bundle.seccomp !== null) perform(door, { op: "keepSeccomp", lock: attempted.lock, handle: bundle.seccomp });
    const root = askText(door, { op: "mountRoot", lock: attempted.lock, rootfs: planned.rootfs });
    for (const point of mountPoints(planned.rootfs, planned.plan.operations))
      perform(door, { op: "makeMountPoint", source: null, ...point });
    const external = externalNamespaces(bundle.spec);
    const start = { stdio: true, directories: work === undefined ? [images] : [images, work], inherit: external.map(({ path }) => path) };
    withCriu(door, start, (session) => {
      const cgroups = cgroupRoots(
        askText(door, { op: "placeCriu", handle: session.handle, lock: attempted.lock, cgroup: planned.plan.cgroup }),
      );
      attempted.hasCgroups = true;
      const request = restoreRequest(options, {
        directories: { images: session.directories[0] ?? -1, work: session.directories[1] },
        logFile: LOG_FILE,
        configFile: configFile(bundle.spec.annotations, askNames(door, { op: "missing", paths: [...CONFIG_FILES] })),
        root,
        cgroups,
        inherit: [...streams, ...external.map(({ key }, index) => ({ key, fd: session.inherited[index] ?? -1 }))],
        join,
        mounts: restoredMounts(placesOnHost(context, bundle), (bundle.spec.linux?.maskedPaths ?? []).length > 0),
      });
      restore(context, { session, attempted, options, bundle }, { request, log: `${work ?? images}/${LOG_FILE}` });
    });
    perform(door, { op: "unmountRoot", lock: attempted.lock });
    const { process } = attempted;
    if (!process) throw new RuntimeError("CRIU did not say which process it restored", { code: "other" });
    const state: ContainerRecord = {
      ...attempted.record,
      status: "running",
      process: process.process,
      defaults: { ...planned.plan.process, args: [] },
      undo: planned.undo,
    };
    perform(door, { op: "saveState", handle: attempted.lock, record: state });
    const subreaper = !options.detach && (options.subreaper ?? true);
    perform(door, { op: "release", handle: process.handle, ...(subreaper && { subreaper }) });
    return { lock: attempted.lock, process };
  } catch (error) {
    throw undoRestore(context, attempted, error);
  }
}

/** Adds the mount that a killed restore would leave to the undo list, before it is made. */
function recordMount({ door, root }: RuntimeContext, attempted: Attempt): void {
  const directory = `${root}/${attempted.record.id}`;
  const { number: above } = send(door, "number", { op: "mountId", path: directory });
  const unmount = { op: "unmount" as const, path: `${directory}/criu-root`, above };
  const record = { ...attempted.record, undo: [unmount, ...attempted.record.undo] };
  perform(door, { op: "saveState", handle: attempted.lock, record });
  attempted.record = record;
}

/** Runs the restore and handles CRIU's notifications. */
function restore(
  context: RuntimeContext,
  { session, attempted, options, bundle }: { session: Session; attempted: Attempt; options: RestoreOptions; bundle: BundlePlan },
  { request, log }: { request: Parameters<typeof converse>[2]["request"]; log: string },
): void {
  const { door } = context;
  const { runtimeHooks, hookOutput } = bundle.planned.plan;
  converse(door, session, {
    request,
    log,
    onNotify: ({ script, pid }) => {
      switch (script) {
        case "setup-namespaces": {
          if (createsNamespace(bundle.spec, "network")) perform(door, { op: "bringLoopbackUp", pid: pid ?? 0 });
          if (runtimeHooks.length === 0) return;
          const process = { pid: pid ?? 0, startTimeTicks: "" };
          const state = hookState({ ...attempted.record, process }, "creating");
          perform(door, { op: "runHooks", hooks: runtimeHooks, state, output: hookOutput ?? null });
          return;
        }
        case "orphan-pts-master":
          if (options.consoleSocket !== undefined) perform(door, { op: "sendMaster", handle: session.handle, path: options.consoleSocket });
          return;
        case "post-restore":
          attempted.process = send(door, "created", {
            op: "adoptRestored",
            handle: session.handle,
            pid: pid ?? 0,
            foreground: !options.detach,
            pidFile: options.pidFile ?? null,
          });
          return;
        default:
          return;
      }
    },
  });
}

/** The external mounts with the names they had at the dump: links in the root file system are followed. */
function placesOnHost({ door }: RuntimeContext, { planned }: BundlePlan): ReturnType<typeof externalMounts> {
  return externalMounts(planned.plan.operations).map(({ destination, source }) => {
    const { reply } = attempt(door, "text", { op: "resolveInRoot", root: planned.rootfs, path: destination });
    return { destination: reply?.text ?? destination, source };
  });
}

/** What the standard streams were at the dump. @throws RuntimeError for a file that `checkpoint` did not write */
function readDescriptors({ door }: RuntimeContext, images: string): string[] {
  const path = `${images}/${DESCRIPTORS_FILE}`;
  const text = askText(door, { op: "readFile", path, maxBytes: 64 << 10 });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined; // the engines' own messages differ
  }
  const isText = (entry: unknown): entry is string => typeof entry === "string";
  if (Array.isArray(value) && value.length <= 3 && value.every(isText)) return value;
  throw new RuntimeError("it is no list of up to 3 descriptors", { code: "other", operation: `read ${JSON.stringify(path)}`, path });
}

function undoRestore(context: RuntimeContext, { lock, record, process, hasCgroups }: Attempt, error: unknown): unknown {
  const end: Request[] = process ? [{ op: "close", handle: process.handle }] : [];
  return rollBack(context, { lock, record, first: [...end, { op: "unmountRoot", lock }], ownsCgroups: hasCgroups }, error);
}
