/** Paths inside a container, as text: nothing is looked up. */

/** A path of the configuration as an absolute one without `.`, `..` and double slashes; relative ones start at `/` (config.md, "Mounts"). */
export function containerPath(path: string): string {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return `/${names.join("/")}`;
}
