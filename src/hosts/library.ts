/** The npm package `tsrunc`: the library of src/runtime in Node.js. Nothing here prints, exits, or changes cwd or umask. */

import { fileURLToPath } from "node:url";
import { DataType, load, open } from "ffi-rs";
import { type RuntimeContext, defaultStateRoot, namedStateRoot } from "../runtime/runtime.js";
import { nativeDoor } from "./node.js";
import { part } from "./node-parts.js";

export * from "../runtime/runtime.js";

/** Options of `nodeContext`. */
export interface NodeContextOptions {
  /** Directory of the containers' states; default: that of the program `tsrunc`. */
  root?: string;
  /** Receives warnings and debug messages. Default: they are dropped. */
  log?: RuntimeContext["log"];
}

let call: ((request: string) => string) | undefined;

/**
 * The context for the functions of this package in Node.js.
 * @throws RuntimeError if `root` cannot hold states
 * @throws Error if the native layer cannot be loaded
 */
export function nodeContext({ root, log = () => {} }: NodeContextOptions = {}): RuntimeContext {
  call ??= nativeDoor({ DataType, load, open }, fileURLToPath(new URL("../../native/libtsrunc.so", import.meta.url)));
  const door = { call, part };
  const stateRoot = root === undefined ? defaultStateRoot(door, process.env) : namedStateRoot(door, root);
  return { door, ...stateRoot, log };
}
