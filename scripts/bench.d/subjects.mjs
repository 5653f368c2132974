/** The subjects of the measurement: the runtimes, the floor, and bare Node. */

import { spawnSync } from "node:child_process";
import { existsSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";

import { repository } from "./compile.mjs";
import { commandEnvironment } from "./workspace.mjs";

/**
 * @typedef {object} Subject
 * @property {string} name
 * @property {"runtime" | "floor" | "node"} kind a runtime has all commands, the floor only `run`, node only its start
 * @property {string} command absolute path of the executable
 * @property {boolean} slow whether it gets at most 40 rounds
 * @property {string} [absent] why it cannot be measured at all
 * @property {string} version first line of --version
 * @property {number} bytes size of the executable
 * @property {Record<string, import("./measure.mjs").Summary>} measures by name: run, idleRun, create, start, delete, lifecycle, version, state, ps, exec, execDetached, execTerminal, kill, list
 * @property {number} [listed] how many containers its `list` shows
 * @property {Record<string, string>} failures reasons of the measures that failed
 */

/**
 * Returns the subjects in the order of the table. A missing one stays in the list, with the reason in `absent`.
 * @returns {Subject[]}
 */
export function findSubjects(workspace, also) {
  return [
    subject("tsrunc", "runtime", join(repository, "build/tsrunc")),
    subject("tsrunc-node", "runtime", join(repository, "build/tsrunc-node"), true),
    ...also.map(({ name, path }) => subject(name, "runtime", path)),
    subject("crun", "runtime", fromPath("crun")),
    subject("runc", "runtime", fromPath("runc")),
    { ...subject("floor", "floor", workspace.floor), version: "kernel work only" },
    subject("node -e 0", "node", bareNode(), true),
  ];
}

function subject(name, kind, command, slow = false) {
  const empty = { name, kind, command, slow, version: "", bytes: 0, measures: {}, failures: {} };
  if (!command || !existsSync(command)) return { ...empty, absent: command ? `no ${command}` : "not on this machine" };
  const bytes = statSync(realpathSync(command)).size;
  if (kind === "floor") return { ...empty, bytes };
  const outcome = spawnSync(command, ["--version"], { encoding: "utf8", env: commandEnvironment });
  if (outcome.status !== 0) return { ...empty, absent: `--version fails: ${outcome.stderr || outcome.error?.message}` };
  return { ...empty, bytes, version: outcome.stdout.split("\n")[0] };
}

function fromPath(name) {
  return commandEnvironment.PATH.split(":")
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path));
}

/** The Node that tsrunc-node is made from, or else the Node of this process. */
function bareNode() {
  const base = join(repository, `node_modules/node-linux-${process.arch}/bin/node`);
  return existsSync(base) ? base : process.execPath;
}
