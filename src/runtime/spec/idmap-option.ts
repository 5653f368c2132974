/**
 * The mount option `idmap=uids=0-1000-10#10-5000-1;gids=@0-0-10` of crun (crun(1), "idmap mount options"), and `ridmap=...`: mappings of
 * owners in one string. A range is the first id on the file system, the first id on the host, and the number of ids. With `@` the second one is
 * an id in the container.
 */

import type { IDMapping, Spec } from "./generated/spec-types.js";

export interface OwnerMappings {
  uidMappings: IDMapping[];
  gidMappings: IDMapping[];
}

/** The mappings of a container's user namespace; empty without one. */
export type ContainerMappings = Pick<NonNullable<Spec["linux"]>, "uidMappings" | "gidMappings">;

const LISTS = { "uids=": "uidMappings", "gids=": "gidMappings" } as const;
const RANGE = /^(@?)([0-9]{1,10})-([0-9]{1,10})-([0-9]{1,10})$/;

/** The syntax of the option, for errors. */
const EXAMPLE = '"idmap=uids=0-1000-10;gids=0-1000-10", with "#" between ranges';

/** @returns the mappings of an option with `=`, or what is allowed instead, as text. */
export function parseIdMapOption(option: string, container: ContainerMappings = {}): OwnerMappings | string {
  const found: Partial<OwnerMappings> = {};
  for (const part of option.slice(option.indexOf("=") + 1).split(";")) {
    if (part === "") continue;
    const name = part.slice(0, 5);
    if (name !== "uids=" && name !== "gids=") return EXAMPLE;
    const list = LISTS[name];
    if (found[list]) return EXAMPLE;
    const mappings: IDMapping[] = [];
    for (const range of part.slice(5).split("#")) {
      const mapping = parseRange(range, list, container[list]);
      if (typeof mapping === "string") return mapping;
      mappings.push(mapping);
    }
    found[list] = mappings;
  }
  const { uidMappings, gidMappings } = found;
  // The kernel refuses a user namespace without uid or without gid mappings.
  return uidMappings && gidMappings ? { uidMappings, gidMappings } : `both "uids" and "gids", as in ${EXAMPLE}`;
}

function parseRange(range: string, list: keyof ContainerMappings, mappings: readonly IDMapping[] = []): IDMapping | string {
  const match = RANGE.exec(range);
  if (!match) return EXAMPLE;
  const [containerID, second, size] = match.slice(2).map(Number) as [number, number, number];
  if (match[1] === "") return { containerID, hostID: second, size };
  // crun checks only the first id; the others could belong to another container.
  const holder = mappings.find((line) => second >= line.containerID && second + size <= line.containerID + line.size);
  if (!holder) return `after "@" ids that one line of /linux/${list} maps`;
  return { containerID, hostID: second - holder.containerID + holder.hostID, size };
}
