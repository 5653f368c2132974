/** A file that holds a part of a configuration, for a container that exists: read as that part of a whole one, so that all rules look at it. */

import { MAX_CONFIG_BYTES, loadersOf } from "./config.js";
import type { LibraryDoor } from "./container/context.js";
import type { ContainerRecord } from "./container/record.js";
import { RuntimeError } from "./errors.js";
import { askText } from "./native.js";
import { faultText } from "./spec/fault.js";
import type { Fault } from "./spec/fault.js";
import type { Spec } from "./spec/generated/spec-types.js";
import { loadSpec } from "./spec/load.js";
import type { ValidatedSpec } from "./spec/load.js";

export interface PartFile {
  /** Its path, and how errors call it. */
  file: string;
  /** The member of a configuration that it holds. */
  member: "process" | "mounts";
  /** What a configuration must have beside it. */
  rest: Partial<Spec>;
  rootless: boolean;
  /** Those of the container's user namespace, where the part may refer to them. */
  mappings?: Pick<NonNullable<Spec["linux"]>, "uidMappings" | "gidMappings"> | undefined;
  /** Leaves out of the part what nobody looks at. */
  cut?: ((part: unknown) => unknown) | undefined;
}

/**
 * The configuration that the part is of, with the container's namespaces.
 * @throws RuntimeError with every fault of the file at once, each by its pointer in the file
 */
export function loadPart(
  door: LibraryDoor,
  record: ContainerRecord,
  { file, member, rest, rootless, mappings, cut }: PartFile,
): ValidatedSpec {
  const text = askText(door, { op: "readFile", path: file, maxBytes: MAX_CONFIG_BYTES });
  const options = { rootless, name: file, holds: member === "mounts" ? ("array" as const) : ("object" as const) };
  let part = text;
  try {
    const parsed: unknown = JSON.parse(text);
    if (cut) part = JSON.stringify(cut(parsed));
  } catch {
    return loadSpec(text, loadersOf(door), options); // says where it is no JSON
  }
  const namespaces = record.namespaces.map((type) => ({ type, path: "/" }));
  const whole = JSON.stringify({ ociVersion: "1.0.0", root: { path: "rootfs" }, linux: { namespaces, ...mappings }, ...rest });
  try {
    return loadSpec(`{"${member}":${part},${whole.slice(1)}`, loadersOf(door), options);
  } catch (error) {
    const { faults } = error as { faults?: readonly Fault[] };
    if (!faults) throw error;
    throw faultsOf(file, member, faults, error);
  }
}

/** The error for faults that are given by their pointers in a configuration. */
export function faultsOf(file: string, member: PartFile["member"], faults: readonly Fault[], original?: unknown): RuntimeError {
  const own = faults.map((fault) => ({
    ...fault,
    pointer: pointerInFile(member, fault.pointer),
    allowed: fault.allowed.replaceAll(new RegExp(`/${member}(?=/)`, "g"), ""),
  }));
  return new RuntimeError(faultText(file, own), { code: "invalidConfig", path: file }, original);
}

/** The file holds what is at `/member` of config.json. */
export function pointerInFile(member: PartFile["member"], pointer: string): string {
  return pointer.startsWith(`/${member}`) ? pointer.slice(member.length + 1) : pointer;
}
