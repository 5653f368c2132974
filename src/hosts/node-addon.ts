/** Replaces the npm package with ffi-rs's native part in the single executable. */

import { loadAsset } from "./node-asset.js";

const addon: { exports: Record<string, unknown> } = { exports: {} };
loadAsset("ffi-rs.node", (path) => process.dlopen(addon, path));

/** Everything that ffi-rs imports from that package. */
export const {
  DataType,
  FFITypeTag,
  PointerType,
  close,
  createExternalBuffer,
  createPointer,
  freePointer,
  isNullPointer,
  load,
  open,
  restorePointer,
  unwrapPointer,
  wrapPointer,
} = addon.exports;
