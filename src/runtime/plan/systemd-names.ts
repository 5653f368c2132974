/** Names of systemd's units: where `cgroupsPath` says that a container's scope is (systemd.slice(5), systemd.unit(5)). */

import { RuntimeError } from "../errors.js";

/** A unit and its place. */
export interface UnitPlace {
  /** `system.slice` */
  slice: string;
  /** `tsrunc-c1.scope` */
  unit: string;
  /** What the unit is for: the last part of cgroupsPath, or the container's id. */
  name: string;
}

const POINTER = "/linux/cgroupsPath";
const LONGEST_UNIT_NAME = 255;

/**
 * What `cgroupsPath` means to systemd: `slice:prefix:name`, with defaults for an empty slice and an absent path.
 * @throws RuntimeError on another form and on names that systemd does not take
 */
export function unitPlace(cgroupsPath: string | undefined, id: string, defaultSlice: string): UnitPlace {
  if (!cgroupsPath) return checked({ slice: defaultSlice, unit: `tsrunc-${escapeName(id)}.scope`, name: id });
  const parts = cgroupsPath.split(":");
  const [slice = "", prefix = "", name = ""] = parts;
  if (parts.length !== 3 || name === "") {
    throw unusable(`expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "${cgroupsPath}" instead`);
  }
  // systemd puts processes into scopes and services only.
  if (name.endsWith(".slice")) throw unusable(`found the slice "${name}", allowed: the name of a scope`);
  return checked({ slice: slice || defaultSlice, unit: `${prefix === "" ? "" : `${prefix}-`}${name}.scope`, name });
}

function checked(place: UnitPlace): UnitPlace {
  const { slice, unit } = place;
  if (!/^[A-Za-z0-9:_.\\@-]+$/.test(unit) || unit.length > LONGEST_UNIT_NAME) {
    throw unusable(`"${unit}" is no name of a unit: up to ${LONGEST_UNIT_NAME} letters, digits and : - _ . \\ @`);
  }
  expandSlice(slice);
  return place;
}

/** systemd-escape(1) for the letters of an id that unit names cannot hold. */
function escapeName(id: string): string {
  return id.replaceAll("+", "\\x2b");
}

/**
 * The path of a slice in the hierarchy: `a-b.slice` is /a.slice/a-b.slice, `-.slice` is the root.
 * @throws RuntimeError on a name that is no slice's
 */
export function expandSlice(slice: string): string {
  const stem = slice.replace(/\.slice$/, "");
  if (stem === slice || !/^[A-Za-z0-9:_.\\@-]+$/.test(stem) || slice.length > LONGEST_UNIT_NAME)
    throw unusable(`invalid slice name: ${slice}`);
  if (stem === "-") return "/";
  const parts = stem.split("-");
  if (parts.includes("")) throw unusable(`invalid slice name: ${slice}`);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("-")}.slice`).join("");
}

function unusable(cause: string): RuntimeError {
  return new RuntimeError(cause, { code: "invalidConfig", operation: POINTER, path: POINTER });
}
