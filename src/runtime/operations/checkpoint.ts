/** `checkpoint`: saves a running container to a directory through CRIU. */

import { lockedStatus, withContainer } from "../container/container.js";
import type { LockedContainer } from "../container/container.js";
import type { RuntimeContext } from "../container/context.js";
import { RuntimeError, withOperation } from "../errors.js";
import type { ProcessIdentity } from "../generated/plan.js";
import { askFlag, askNames, askText, attempt, hostFacts, perform } from "../native.js";
import { freezerOf } from "../container/record.js";
import { destroy } from "../container/teardown.js";
import { checkCriu, converse, withCriu } from "../criu/conversation.js";
import { dumpRequest } from "../criu/messages.js";
import type { CheckpointFlags } from "../criu/messages.js";
import { dumpedMounts, externalMounts, parseMountInfo } from "../criu/mounts.js";
import { externalName, externalNamespaces } from "../criu/namespaces.js";
import { CONFIG_FILES, DEFAULT_IMAGE_PATH, configFile } from "../criu/options.js";
import { cleanAbsolute } from "../plan/paths.js";
import { planOfBundle } from "./create.js";
import type { BundlePlan } from "./create.js";

/** What a caller decides about a checkpoint. */
export interface CheckpointOptions extends CheckpointFlags {
  /** Whether to do without privilege over cgroups and devices; by the caller's privilege when absent. */
  rootless?: boolean | undefined;
}

const LOG_FILE = "dump.log";

/** In the directory of images: what the standard streams were, so that a restore finds those that belong to them. */
export const DESCRIPTORS_FILE = "descriptors.json";

/** How long CRIU's processes may take to go when it is done with them. */
const END_TIMEOUT_MILLISECONDS = 10_000;

/**
 * Saves a container. Unless it is left running or dumped for the first time, it is gone afterwards, as with runc.
 * @throws RuntimeError `wrongStatus` for a container that does not run; what CRIU says: then the container runs on.
 */
export function checkpointContainer(context: RuntimeContext, id: string, options: CheckpointOptions): void {
  try {
    withContainer(context, id, { kind: "wait" }, (container) => {
      const status = lockedStatus(context, container);
      if (status !== "running" && status !== "paused")
        throw new RuntimeError(`container cannot be checkpointed in ${status} state`, { code: "wrongStatus" });
      dump(context, container, options);
      if (!options.leaveRunning && !options.preDump) finish(context, container);
    });
  } catch (error) {
    throw withOperation(`checkpoint ${JSON.stringify(id)}`, error);
  }
}

function dump(context: RuntimeContext, { record }: LockedContainer, options: CheckpointOptions): void {
  const { door } = context;
  const { process } = record;
  if (!process) throw new RuntimeError("container not running", { code: "wrongStatus" });
  if (options.statusFd !== undefined) perform(door, { op: "requireWritable", descriptor: options.statusFd });
  refuseUnprivileged(context);
  checkCriu(door, { ...(options.preDump && { memTrack: true }), ...(options.lazyPages && { lazyPages: true }) });
  const planned = planOfBundle(context, record.id, { bundle: record.bundle, rootless: options.rootless });
  const externalPid = externalNamespaces(planned.spec).some(({ name }) => name === "pid");
  if (!record.ownPidNamespace && !externalPid) {
    throw new RuntimeError("it takes a pid namespace of the container's own (/linux/namespaces)", { code: "unsupported" });
  }
  const images = askText(door, { op: "absolutePath", path: options.imagePath ?? DEFAULT_IMAGE_PATH });
  const work = options.workPath === undefined ? undefined : askText(door, { op: "absolutePath", path: options.workPath });
  refuseUnusableParent(context, images, options.parentPath);
  for (const path of work === undefined ? [images] : [images, work]) perform(door, { op: "makeDirectory", path });
  if (!options.preDump) {
    const descriptors = [0, 1, 2].map((number) => attempt(door, "text", { op: "readLink", path: `/proc/${process.pid}/fd/${number}` }));
    const text = JSON.stringify(descriptors.map(({ reply }) => reply?.text ?? ""));
    perform(door, { op: "writeFile", path: `${images}/${DESCRIPTORS_FILE}`, text });
  }
  const start = { stdio: false, directories: work === undefined ? [images] : [images, work], inherit: [] };
  withCriu(door, start, (session) => {
    const request = dumpRequest(options, {
      directories: { images: session.directories[0] ?? -1, work: session.directories[1] },
      logFile: LOG_FILE,
      configFile: configFile(record.annotations, askNames(door, { op: "missing", paths: [...CONFIG_FILES] })),
      pid: process.pid,
      rootfs: record.rootfs,
      freezer: freezerOf(record),
      external: externalNamespaces(planned.spec).map((namespace) =>
        externalName(namespace, namespaceLink(context, process, namespace.name)),
      ),
      mounts: options.preDump ? [] : mountsOf(context, process, planned),
    });
    converse(door, session, {
      request,
      log: `${work ?? images}/${LOG_FILE}`,
      onNotify: ({ script }) => {
        if (script === "status-ready" && options.statusFd !== undefined) perform(door, { op: "writeZero", descriptor: options.statusFd });
      },
    });
  });
}

/** CRIU before 4.0 needs all capabilities, and those after do not dump what runs as somebody else. */
export function refuseUnprivileged({ door }: RuntimeContext): void {
  const { euid, inUserNamespace } = hostFacts(door);
  if (euid !== 0 || inUserNamespace) throw new RuntimeError("CRIU needs root of the host", { code: "unsupported" });
}

function refuseUnusableParent({ door }: RuntimeContext, images: string, parentPath: string | undefined): void {
  if (parentPath === undefined) return;
  const kind = askText(door, { op: "pathKind", path: cleanAbsolute(`${images}/${parentPath}`) });
  if (kind === "directory" || kind === "symlink") return;
  throw new RuntimeError(kind === "missing" ? "it does not exist" : `it is a ${kind}`, {
    code: kind === "missing" ? "notFound" : "invalidArgument",
    operation: `use the parent images ${JSON.stringify(parentPath)} of ${JSON.stringify(images)}`,
    path: parentPath,
  });
}

/** What the link of a process's namespace says. */
function namespaceLink({ door }: RuntimeContext, { pid }: ProcessIdentity, name: string): string {
  return askText(door, { op: "readLink", path: `/proc/${pid}/ns/${name}` });
}

function mountsOf({ door }: RuntimeContext, { pid }: ProcessIdentity, { planned, spec }: BundlePlan): ReturnType<typeof dumpedMounts> {
  const text = askText(door, { op: "readFile", path: `/proc/${pid}/mountinfo`, maxBytes: 16 << 20 });
  const mounts = parseMountInfo(text);
  const points = new Set(mounts.map(({ point }) => point));
  const root = `/proc/${pid}/root`;
  const places = externalMounts(planned.plan.operations).map(({ destination }) => {
    if (points.has(destination)) return destination;
    // A link leads there, or somebody has unmounted it.
    return attempt(door, "text", { op: "resolveInRoot", root, path: destination }).reply?.text ?? destination;
  });
  return dumpedMounts(places, spec.linux?.maskedPaths ?? [], mounts);
}

/** CRIU has ended the container's processes: what is left of it goes. */
function finish(context: RuntimeContext, container: LockedContainer): void {
  const { process } = container.record;
  if (process) askFlag(context.door, { op: "waitGone", process, timeoutMilliseconds: END_TIMEOUT_MILLISECONDS });
  destroy(context, container);
}
