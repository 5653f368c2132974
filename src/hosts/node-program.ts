/** The Node host: the program as a single executable, with ffi-rs and the native layer inside. */

import { commandModule } from "../cli/command-modules.js";
import * as late from "../cli/late-commands.js";
import { main } from "../cli/main.js";
import type { Door } from "../door.js";
import { type Ffi, nativeDoor } from "./node.js";
import { loadAsset } from "./node-asset.js";
import { part } from "./node-parts.js";
import { write } from "./node-stdio.js";

// Set by scripts/build-sea.mjs.
declare const TSRUNC_VERSION: string;
declare const TSRUNC_COMMIT: string;

let call: ((request: string) => string) | undefined;

const door: Door = {
  argv: process.argv.slice(2),
  env: process.env,
  call: (request) => (call ??= openDoor())(request),
  write,
  build: { version: TSRUNC_VERSION, commit: TSRUNC_COMMIT, hostName: "node" },
  part,
};

function openDoor(): (request: string) => string {
  // Evaluated here, because it loads its native part at once.
  const ffi = require("ffi-rs") as Ffi;
  return loadAsset("libtsrunc.so", (path) => nativeDoor(ffi, path));
}

process.exit(
  main(
    door,
    (name) => commandModule(name, () => late),
    () => late,
  ),
);
