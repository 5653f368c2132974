/** Names of systemd units: the scope and slice that `cgroupsPath` specifies (systemd.slice(5), systemd.unit(5)). */

import { RuntimeError } from "../errors.js";

/** A unit and its slice. */
export interface UnitPlace {
  /** `system.slice` */
  slice: string;
  /** `tsrunc-c1.scope` */
  unit: string;
  /** The last part of cgroupsPath, or the container's id. */
  name: string;
}

const LONGEST_UNIT_NAME = 255;
const UNIT_NAME = /^[A-Za-z0-9:_.\\@-]+$/;

/**
 * Splits `cgroupsPath`, which is `slice:prefix:name`, with defaults for an empty slice and an absent path.
 * @param cgroupsPath one for which `allowedInstead` returns undefined
 * @throws RuntimeError on an id that is too long for the name of a unit
 */
export function unitPlace(cgroupsPath: string | undefined, id: string, defaultSlice: string): UnitPlace {
  if (cgroupsPath) {
    const { slice, unit, name } = partsOf(cgroupsPath);
    return { slice: slice || defaultSlice, unit, name };
  }
  const unit = `tsrunc-${escapeName(id)}.scope`;
  if (unit.length > LONGEST_UNIT_NAME) {
    throw new RuntimeError(`${LONGEST_UNIT_NAME} characters are the most for a unit`, {
      code: "invalidArgument",
      operation: `name the unit "${unit}"`,
    });
  }
  return { slice: defaultSlice, unit, name: id };
}

function partsOf(cgroupsPath: string): UnitPlace {
  const [slice = "", prefix = "", name = ""] = cgroupsPath.split(":");
  // Without a prefix it is `-name.scope`, as in other runtimes, because managers look the unit up by its name.
  return { slice, unit: `${prefix}-${name}.scope`, name };
}

/** What is allowed instead of an invalid `cgroupsPath`; undefined for a valid one. */
export function allowedInstead(cgroupsPath: string): string | undefined {
  const { slice, unit, name } = partsOf(cgroupsPath);
  if (cgroupsPath.split(":").length !== 3 || name === "") return "slice:prefix:name with --systemd-cgroup";
  // Only scopes and services contain processes.
  if (name.endsWith(".slice")) return `the name of a scope in place of "${name}"`;
  if (!UNIT_NAME.test(unit) || unit.length > LONGEST_UNIT_NAME) {
    return `the name of a unit in place of "${unit}": up to ${LONGEST_UNIT_NAME} letters, digits and : - _ . \\ @`;
  }
  return slice === "" || isSlice(slice) ? undefined : `a slice such as "machine-pods.slice" in place of "${slice}"`;
}

/** Escapes the characters of an id that unit names cannot contain, as systemd-escape(1). */
function escapeName(id: string): string {
  return id.replaceAll("+", "\\x2b");
}

function isSlice(slice: string): boolean {
  const stem = slice.replace(/\.slice$/, "");
  if (stem === slice || !UNIT_NAME.test(stem) || slice.length > LONGEST_UNIT_NAME) return false;
  return stem === "-" || !stem.split("-").includes("");
}

/** The path of a slice in a hierarchy: `a-b.slice` is /a.slice/a-b.slice, `-.slice` is the root. */
export function expandSlice(slice: string): string {
  const stem = slice.replace(/\.slice$/, "");
  if (stem === "-") return "/";
  return stem
    .split("-")
    .map((_, index, parts) => `/${parts.slice(0, index + 1).join("-")}.slice`)
    .join("");
}
