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
import { dumpedMounts, parseMountInfo } from "../criu/mounts.js";
import { externalName, externalOf } from "../criu/namespaces.js";
import { CONFIG_FILES, DEFAULT_IMAGE_PATH, configFile } from "../criu/options.js";
import { cleanAbsolute } from "../plan/paths.js";

const LOG_FILE = "dump.log";

/** In the directory of images: what the standard streams were, so that a restore finds those that belong to them. */
export const DESCRIPTORS_FILE = "descriptors.json";

/** How long CRIU's processes may take to go when it is done with them. */
const END_TIMEOUT_MILLISECONDS = 10_000;

/**
 * Saves a container. Unless it is left running or dumped for the first time, it is gone afterwards, as with runc.
 * @throws RuntimeError `wrongStatus` for a container that does not run; what CRIU says: then the container runs on.
 */
export function checkpointContainer(context: RuntimeContext, id: string, options: CheckpointFlags): void {
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

function dump(context: RuntimeContext, { record }: LockedContainer, options: CheckpointFlags): void {
  const { door } = context;
  const { process } = record;
  if (!process) throw new RuntimeError("container not running", { code: "wrongStatus" });
  if (options.statusFd !== undefined) perform(door, { op: "requireWritable", descriptor: options.statusFd });
  refuseUnprivileged(context);
  checkCriu(door, { ...(options.preDump && { memTrack: true }), ...(options.lazyPages && { lazyPages: true }) });
  const external = externalOf(record.joinedNamespaces ?? []);
  const images = askText(door, { op: "absolutePath", path: options.imagePath ?? DEFAULT_IMAGE_PATH });
  const work = options.workPath === undefined ? undefined : askText(door, { op: "absolutePath", path: options.workPath });
  refuseUnusableParent(context, images, options.parentPath);
  // The processes that CRIU restores open images themselves, as their container's root.
  const group = record.namespaces.includes("user") ? rootGroup(context, process) : undefined;
  perform(door, { op: "makeDirectory", path: images, ...(group !== undefined && { group }) });
  if (work !== undefined) perform(door, { op: "makeDirectory", path: work });
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
      external: external.map((namespace) => externalName(namespace, namespaceLink(context, process, namespace.name))),
      mounts: options.preDump ? [] : mountsOf(context, process, record.externalMounts ?? []),
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

/** The host's gid of the group 0 in the user namespace of a process. */
function rootGroup({ door }: RuntimeContext, { pid }: ProcessIdentity): number | undefined {
  const map = askText(door, { op: "readFile", path: `/proc/${pid}/gid_map`, maxBytes: 1 << 20 });
  const first = /^\s*0\s+([0-9]+)\s/m.exec(map)?.[1];
  return first === undefined ? undefined : Number(first);
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

/** @param recorded where config.json had something of the host mounted when the container was created */
function mountsOf({ door }: RuntimeContext, { pid }: ProcessIdentity, recorded: readonly string[]): ReturnType<typeof dumpedMounts> {
  const text = askText(door, { op: "readFile", path: `/proc/${pid}/mountinfo`, maxBytes: 16 << 20 });
  const mounts = parseMountInfo(text);
  const points = new Set(mounts.map(({ point }) => point));
  const root = `/proc/${pid}/root`;
  const places = recorded.map((destination) => {
    if (points.has(destination)) return destination;
    // A link leads there, or somebody has unmounted it.
    return attempt(door, "text", { op: "resolveInRoot", root, path: destination }).reply?.text ?? destination;
  });
  return dumpedMounts(places, mounts);
}

/** CRIU has ended the container's processes: what is left of it goes. */
function finish(context: RuntimeContext, container: LockedContainer): void {
  const { process } = container.record;
  if (process) askFlag(context.door, { op: "waitGone", process, timeoutMilliseconds: END_TIMEOUT_MILLISECONDS });
  destroy(context, container);
}
