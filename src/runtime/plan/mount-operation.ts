/** The operation that makes one mount. Empty fields are left out, because they would make up most of a plan's text. */

import type { MountAttributes, MountSource, Operation, Propagation } from "../generated/plan.js";

export type MountOperation = Extract<Operation, { op: "mount" }>;

export interface MountParts {
  /** Clean absolute path in the container. */
  destination: string;
  source: MountSource;
  /** If the destination is a symbolic link, mount on the link itself. */
  inPlace?: boolean;
  /** JSON pointer of the mount in config.json. */
  pointer: string;
  /** Of the mount itself. */
  attributes?: MountAttributes;
  /** Of the mount and all below it. */
  recursive?: MountAttributes;
  propagation?: Propagation[];
}

export function mountOperation({ destination, source, inPlace, pointer, attributes, recursive, propagation }: MountParts): MountOperation {
  const operation: MountOperation = { op: "mount", destination, source, pointer };
  if (inPlace) operation.inPlace = true;
  if (attributes && changesAny(attributes)) operation.attributes = withoutEmpty(attributes);
  if (recursive && changesAny(recursive)) operation.recursive = withoutEmpty(recursive);
  if (propagation && propagation.length > 0) operation.propagation = propagation;
  return operation;
}

/** A new file system. @param data its own options */
export function fileSystem(fsType: string, source: string, data: string[] = []): MountSource {
  return data.length > 0 ? { kind: "fileSystem", fsType, source, data } : { kind: "fileSystem", fsType, source };
}

/** Makes the mount at `destination` read-only and keeps its other attributes. */
export function readonlyRemount(destination: string, pointer: string): MountOperation {
  return mountOperation({ destination, source: { kind: "remount", bind: true }, pointer, attributes: { set: ["ro"] } });
}

function changesAny({ set, clear, reset }: MountAttributes): boolean {
  return set.length > 0 || (clear !== undefined && clear.length > 0) || reset === true;
}

function withoutEmpty(attributes: MountAttributes): MountAttributes {
  if (attributes.clear?.length !== 0) return attributes;
  return attributes.reset ? { set: attributes.set, reset: true } : { set: attributes.set };
}
