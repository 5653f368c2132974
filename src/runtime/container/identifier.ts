/** Ids of containers, which are used as names of directories and cgroups. */

import { RuntimeError } from "../errors.js";

/** A file name has at most 255 bytes (NAME_MAX, limits.h); while a container is created its directory has a longer name than its id. */
const MAX_LENGTH = 240;

const ALLOWED = `allowed are 1 to ${MAX_LENGTH} letters, digits and the characters _ + - . (but not "." and "..")`;

/** @throws RuntimeError unless the id consists of letters, digits and `_+-.`, and is neither `.` nor `..`. */
export function checkId(id: string): void {
  if (id.length === 0 || id.length > MAX_LENGTH || id === "." || id === ".." || !/^[A-Za-z0-9_+.-]+$/.test(id)) {
    throw new RuntimeError(`invalid container ID format: ${ALLOWED}`, {
      code: "invalidArgument",
      operation: `use the id ${JSON.stringify(shortened(id))}`,
    });
  }
}

function shortened(id: string): string {
  return id.length > 80 ? `${id.slice(0, 80)}...` : id;
}
