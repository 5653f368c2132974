/** The files a benchmark needs: the compiled C helpers, the bundles, a state directory per runtime. */

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, rmdirSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";

import { makeBundles } from "./bundles.mjs";
import { compileHelpers, repository } from "./compile.mjs";

/** The environment of every measured command: nothing of the caller's, least of all NODE_*. */
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
 * @property {(name: string) => string} containerId a subject's own id, unique on the host
 * @property {(name: string) => string} stateRoot a runtime's own --root
 * @property {(name: string) => string} listRoot the same for the containers of `list`
 * @property {(command: string, root: string) => void} removeContainers deletes what is in a state root
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

/** A stopped or failed measurement may leave containers; their runtime knows best how to remove them. */
function removeContainers(command, root) {
  if (!existsSync(root)) return;
  // tsrunc keeps filters of seccomp profiles in `#seccomp`.
  for (const entry of readdirSync(root).filter((name) => !name.startsWith("#"))) {
    const outcome = spawnSync(command, ["--root", root, "delete", "--force", entry], {
      encoding: "utf8",
      env: commandEnvironment,
    });
    if (outcome.status !== 0) process.stderr.write(`bench: ${command} delete --force ${entry}: ${outcome.stderr}`);
  }
}

/** Removes what a killed runtime or floor left: cgroups named after the container, below the own cgroup or the root of each hierarchy. */
function removeCgroups(id) {
  for (const line of readFileSync("/proc/self/cgroup", "utf8").trim().split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const mounted = join("/sys/fs/cgroup", controllers === "" ? "unified" : controllers.replace(/^name=/, ""));
    for (const cgroup of new Set([join(mounted, path, id), join(mounted, id)])) {
      if (existsSync(cgroup)) rmdirSync(cgroup);
    }
  }
}
