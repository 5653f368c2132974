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

/** File among the images that says what the standard streams were, so that a restore can replace them. */
export const DESCRIPTORS_FILE = "descriptors.json";

/** How long to wait for the exit of processes that CRIU has killed after the dump. */
const END_TIMEOUT_MILLISECONDS = 10_000;

/**
 * Saves a container. Afterwards it is deleted, as with runc, except with `leaveRunning` and `preDump`.
 * @throws RuntimeError `wrongStatus` for a container that is not running; if CRIU fails, and then the container keeps running.
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

/** CRIU before 4.0 needs all capabilities, and later versions cannot dump processes of other users. */
export function refuseUnprivileged({ door }: RuntimeContext): void {
  const { euid, inUserNamespace } = hostFacts(door);
  if (euid !== 0 || inUserNamespace) throw new RuntimeError("CRIU needs root of the host", { code: "unsupported" });
}

/** The host's gid of group 0 in the user namespace of a process. */
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

/** The target of the link to a process's namespace, such as `net:[4026531840]`. */
function namespaceLink({ door }: RuntimeContext, { pid }: ProcessIdentity, name: string): string {
  return askText(door, { op: "readLink", path: `/proc/${pid}/ns/${name}` });
}

/** @param recorded destinations in config.json of mounts from the host, when the container was created */
function mountsOf({ door }: RuntimeContext, { pid }: ProcessIdentity, recorded: readonly string[]): ReturnType<typeof dumpedMounts> {
  const text = askText(door, { op: "readFile", path: `/proc/${pid}/mountinfo`, maxBytes: 16 << 20 });
  const mounts = parseMountInfo(text);
  const points = new Set(mounts.map(({ point }) => point));
  const root = `/proc/${pid}/root`;
  const places = recorded.map((destination) => {
    if (points.has(destination)) return destination;
    // The destination is behind a link, or it has been unmounted.
    return attempt(door, "text", { op: "resolveInRoot", root, path: destination }).reply?.text ?? destination;
  });
  return dumpedMounts(places, mounts);
}

/** Removes the container once CRIU has ended its processes. */
function finish(context: RuntimeContext, container: LockedContainer): void {
  const { process } = container.record;
  if (process) askFlag(context.door, { op: "waitGone", process, timeoutMilliseconds: END_TIMEOUT_MILLISECONDS });
  destroy(context, container);
}
