/** Lexical path arithmetic; nothing here looks at a file system. */

/** A path without `.`, `..`, empty or trailing components; `..` stops at the root, where a relative one starts (config.md#mounts). */
export function cleanAbsolute(path: string): string {
  if (isClean(path)) return path;
  const kept: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") kept.pop();
    else if (part !== "" && part !== ".") kept.push(part);
  }
  return `/${kept.join("/")}`;
}

/** A quick test that recognises most clean paths, because splitting a path is slow. */
function isClean(path: string): boolean {
  return path.startsWith("/") && !path.includes("//") && !path.includes("/.") && (path.length === 1 || !path.endsWith("/"));
}

/** `base` and `path` joined and cleaned; `path` cannot leave `base`, even when it is absolute or holds `..`. */
export function joinBelow(base: string, path: string): string {
  const inner = cleanAbsolute(path.startsWith("/") ? path : `/${path}`);
  const outer = cleanAbsolute(base);
  if (inner === "/") return outer;
  return outer === "/" ? inner : outer + inner;
}

/** `path` if it is absolute, else `path` relative to `base`; cleaned. */
export function resolveFrom(base: string, path: string): string {
  return cleanAbsolute(path.startsWith("/") ? path : `${base}/${path}`);
}

/** The directory that holds a clean absolute path. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}

/** The last component of a clean absolute path. */
export function lastComponent(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The directories strictly between `base` and `path` (both clean, `path` below `base`), deepest first. */
export function ancestorsBelow(base: string, path: string): string[] {
  const found: string[] = [];
  for (let at = parentOf(path); at.length > base.length && at !== "/"; at = parentOf(at)) found.push(at);
  return found;
}
