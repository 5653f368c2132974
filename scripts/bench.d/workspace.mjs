/** Prepares the files of a benchmark: the compiled C helpers, the bundles, a state directory per runtime. */

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, rmdirSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";

import { makeBundles } from "./bundles.mjs";
import { compileHelpers, repository } from "./compile.mjs";

/** The environment of every measured command. It inherits nothing from the caller, since NODE_* would change the times. */
export const commandEnvironment = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  LANG: "C",
};

/**
 * @typedef {object} Workspace
 * @property {string} directory a new temporary directory
 * @property {ReturnType<typeof makeBundles>} bundles
 * @property {string} timer path of the compiled timer.c
 * @property {string} terminal path of the compiled terminal.c
 * @property {string} memlock path of the compiled memlock.c
 * @property {string | undefined} floor path of the compiled floor.c, on x86-64
 * @property {(name: string) => string} containerId a subject's container ID, unique on the host
 * @property {(name: string) => string} stateRoot a runtime's --root
 * @property {(name: string) => string} listRoot a runtime's --root for the containers of `list`
 * @property {(command: string, root: string) => void} removeContainers deletes the containers in a state root
 * @property {(subjects: import("./subjects.mjs").Subject[]) => void} remove deletes containers, cgroups and files
 */

/** @returns {Workspace} */
export function prepareWorkspace() {
  const helpers = compileHelpers();
  const directory = mkdtempSync(join(os.tmpdir(), "tsrunc-bench-"));
  const containerId = (name) => `bench-${process.pid}-${name}`;
  const stateRoot = (name) => join(directory, "state", name);
  const listRoot = (name) => join(directory, "list", name);
  const remove = (subjects) => {
    for (const { name, command } of subjects) {
      removeContainers(command, stateRoot(name));
      removeContainers(command, listRoot(name));
      removeCgroups(containerId(name));
    }
    rmSync(directory, { recursive: true });
  };
  try {
    const bundles = makeBundles(join(directory, "bundles"), repository);
    return { directory, bundles, ...helpers, containerId, stateRoot, listRoot, removeContainers, remove };
  } catch (error) {
    rmSync(directory, { recursive: true });
    throw error;
  }
}

/** Removes the containers that a stopped or failed measurement left, with the runtime that created them. */
function removeContainers(command, root) {
  if (!existsSync(root)) return;
  // `#seccomp` is not a container: tsrunc caches seccomp filters there.
  for (const entry of readdirSync(root).filter((name) => !name.startsWith("#"))) {
    const outcome = spawnSync(command, ["--root", root, "delete", "--force", entry], {
      encoding: "utf8",
      env: commandEnvironment,
    });
    if (outcome.status !== 0) process.stderr.write(`bench: ${command} delete --force ${entry}: ${outcome.stderr}`);
  }
}

/** Removes the cgroups that a killed runtime or floor left: below our own cgroup or at the root of each hierarchy, named after the container. */
function removeCgroups(id) {
  for (const line of readFileSync("/proc/self/cgroup", "utf8").trim().split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const mounted = join("/sys/fs/cgroup", controllers === "" ? "unified" : controllers.replace(/^name=/, ""));
    for (const cgroup of new Set([join(mounted, path, id), join(mounted, id)])) {
      if (existsSync(cgroup)) rmdirSync(cgroup);
    }
  }
}
