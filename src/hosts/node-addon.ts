/** Stands in for the npm package that holds ffi-rs's native part, in the single executable. */

import { loadAsset } from "./node-asset.js";

const addon: { exports: Record<string, unknown> } = { exports: {} };
loadAsset("ffi-rs.node", (path) => process.dlopen(addon, path));

/** All that ffi-rs takes from that package. */
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
