/** The Node host: the program as a single executable, with ffi-rs and the native layer inside. */

import { main } from "../cli/main.js";
import type { CommandModule } from "../cli/command.js";
import * as create from "../cli/commands/create.js";
import * as deletion from "../cli/commands/delete.js";
import * as features from "../cli/commands/features.js";
import * as help from "../cli/commands/help.js";
import * as kill from "../cli/commands/kill.js";
import * as list from "../cli/commands/list.js";
import * as run from "../cli/commands/run.js";
import * as spec from "../cli/commands/spec.js";
import * as start from "../cli/commands/start.js";
import * as state from "../cli/commands/state.js";
import type { Host } from "./host.js";
import { type Ffi, nativeDoor } from "./node.js";
import { loadAsset } from "./node-asset.js";
import { part } from "./node-parts.js";
import { write } from "./node-stdio.js";

// Set by scripts/build-sea.mjs.
declare const TSRUNC_VERSION: string;
declare const TSRUNC_COMMIT: string;

const commands: Record<string, CommandModule> = { create, delete: deletion, features, help, kill, list, run, spec, start, state };

let door: ((request: string) => string) | undefined;

const host: Host = {
  argv: process.argv.slice(2),
  env: process.env,
  call: (request) => (door ??= openDoor())(request),
  write,
  exit: (status) => process.exit(status),
  build: { version: TSRUNC_VERSION, commit: TSRUNC_COMMIT, hostName: "node" },
  part,
};

function openDoor(): (request: string) => string {
  // Evaluated here, because it loads its native part at once.
  const ffi = require("ffi-rs") as Ffi;
  return loadAsset("libtsrunc.so", (path) => nativeDoor(ffi, path));
}

process.exit(main(host, (name) => commands[name] as CommandModule));
