/** A file with one member of a configuration, for an existing container. It is validated inside a whole configuration, so that all rules apply. */

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
  /** Its path, which errors name. */
  file: string;
  /** The member of a configuration that the file holds. */
  member: "process" | "mounts";
  /** The other members that the configuration must have. */
  rest: Partial<Spec>;
  rootless: boolean;
  /** The mappings of the container's user namespace, if the member may refer to them. */
  mappings?: Pick<NonNullable<Spec["linux"]>, "uidMappings" | "gidMappings"> | undefined;
  /** Removes what is not used. */
  cut?: ((part: unknown) => unknown) | undefined;
}

/**
 * A configuration with the file's content as its member, and with the container's namespaces.
 * @throws RuntimeError with every fault of the file at once, each by its pointer in the file
 */
export function loadPart(
  door: LibraryDoor,
  record: ContainerRecord,
  { file, member, rest, rootless, mappings, cut }: PartFile,
): ValidatedSpec {
  const text = askText(door, { op: "readInput", path: file, maxBytes: MAX_CONFIG_BYTES });
  const options = { rootless, name: file, holds: member === "mounts" ? ("array" as const) : ("object" as const) };
  let part = text;
  try {
    const parsed: unknown = JSON.parse(text);
    if (cut) part = JSON.stringify(cut(parsed));
  } catch {
    return loadSpec(text, loadersOf(door), options); // reports where it is not JSON
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

/** The error for faults whose pointers are relative to a whole configuration. */
export function faultsOf(file: string, member: PartFile["member"], faults: readonly Fault[], original?: unknown): RuntimeError {
  const own = faults.map((fault) => ({
    ...fault,
    pointer: pointerInFile(member, fault.pointer),
    allowed: fault.allowed.replaceAll(new RegExp(`/${member}(?=/)`, "g"), ""),
  }));
  return new RuntimeError(faultText(file, own), { code: "invalidConfig", path: file }, original);
}

/** The pointer in the file, which holds what is at `/member` of config.json. */
export function pointerInFile(member: PartFile["member"], pointer: string): string {
  return pointer.startsWith(`/${member}`) ? pointer.slice(member.length + 1) : pointer;
}
