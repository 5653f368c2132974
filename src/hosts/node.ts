/** Node.js: the native layer through ffi-rs, and the process. Only the files node*.ts here import `node:` and ffi-rs. */

import type { DataType, load, open } from "ffi-rs";

/** The functions of ffi-rs in use. The npm library imports ffi-rs, the single executable has to unpack it first. */
export interface Ffi {
  DataType: typeof DataType;
  load: typeof load;
  open: typeof open;
}

/** ffi-rs's name for the library that `nativeDoor` opened. */
const LIBRARY = "tsrunc";

/** Nearly every reply fits; the content of a file may not. */
const REPLY_BYTES = 64 * 1024;

/**
 * Opens the native layer (native/ffi).
 * @param path of the shared library
 * @returns `Door.call`
 * @throws Error when the library cannot be loaded
 */
export function nativeDoor(ffi: Ffi, path: string): (request: string) => string {
  const { U8Array, I32 } = ffi.DataType;
  ffi.open({ library: LIBRARY, path });
  const reply = new Uint8Array(REPLY_BYTES);
  const decoder = new TextDecoder("utf-8", { fatal: true });

  return (request) => {
    const bytes = new TextEncoder().encode(request);
    const paramsType = [U8Array, I32, U8Array, I32];
    const length = ffi.load({
      library: LIBRARY,
      funcName: "tsrunc_call",
      retType: I32,
      paramsType,
      paramsValue: [bytes, bytes.length, reply, reply.length],
    });
    if (length < 0) throw new Error(`call the native layer: it refused a request of ${bytes.length} bytes`);
    if (length <= reply.length) return decoder.decode(reply.subarray(0, length));

    const whole = new Uint8Array(length);
    whole.set(reply);
    const rest = whole.subarray(reply.length);
    const taken = ffi.load({
      library: LIBRARY,
      funcName: "tsrunc_rest",
      retType: I32,
      paramsType: [U8Array, I32],
      paramsValue: [rest, rest.length],
    });
    if (taken !== rest.length) throw new Error(`call the native layer: ${taken} of ${rest.length} bytes left of a reply`);
    return decoder.decode(whole);
  };
}
