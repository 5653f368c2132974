/** Numbers of CRIU's RPC (criu/images/rpc.proto) and of clone(2). */

/** `criu_req_type` */
export const MESSAGE = { dump: 1, restore: 2, preDump: 4, notify: 6, featureCheck: 9, version: 10 } as const;

/** `criu_cg_mode`: how CRIU treats the cgroups of dumped and restored processes. */
export const CGROUPS_MODE = { ignore: 0, soft: 3, full: 4, strict: 5 } as const;

export type CgroupsMode = keyof typeof CGROUPS_MODE;

export const CLONE_NEWNET = 0x4000_0000;

/** CRIU 3.17 in the form of `version`: major * 10000 + minor * 100. */
export const OLDEST_VERSION = 31700;

/** The name of a message, for errors. */
export function messageName(type: number): string {
  const found = Object.entries(MESSAGE).find(([, number]) => number === type);
  return found ? found[0].replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase() : String(type);
}
