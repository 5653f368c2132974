/** Reading the configuration of a bundle. */

import type { LibraryDoor, RuntimeContext } from "./container/context.js";
import { RuntimeError, errorFromFailure } from "./errors.js";
import type { Failure, Reply, Request } from "./generated/plan.js";
import { attempt, perform } from "./native.js";
import fits from "./spec/generated/validate-config-fast.js";
import { loadSpec } from "./spec/load.js";
import type { LoadOptions, Loaders, ValidatedSpec } from "./spec/load.js";

/** Longer configurations are refused: they are a mistake or an attempt to exhaust memory. */
export const MAX_CONFIG_BYTES = 16 * 1024 * 1024;

/** A configuration without faults. */
export interface ReadConfig {
  /** If `seccomp` is ready, a placeholder replaces its profile. */
  spec: ValidatedSpec;
  /** The seccomp profile as the native layer found it in the text. */
  seccomp: { handle: number; isCached: boolean } | undefined;
}

/**
 * Reads and validates a configuration.
 * @param path of config.json
 * @param input whether it may be a pipe, which is read to its end: true for a file that a flag names, false for one of the bundle
 * @throws RuntimeError with every fault at once
 */
export function readConfig({ door, root }: RuntimeContext, path: string, check: LoadOptions, input: boolean): ReadConfig {
  const { text, seccomp } = read(door, "config", { op: "readConfig", path, maxBytes: MAX_CONFIG_BYTES, root, input });
  const load = (text: string, seccompIsCached: boolean): ValidatedSpec => loadSpec(text, loadersOf(door), { ...check, seccompIsCached });
  try {
    return { spec: load(text, seccomp?.isCached ?? false), seccomp: seccomp ?? undefined };
  } catch (error) {
    if (!seccomp) throw error;
    perform(door, { op: "close", handle: seccomp.handle });
    if (!seccomp.isCached) throw error;
    // The text has a placeholder for the profile: report the faults of the text that its author wrote.
    return { spec: load(read(door, "text", { op: "readFile", path, maxBytes: MAX_CONFIG_BYTES }).text, false), seccomp: undefined };
  }
}

/** The parts that `loadSpec` loads on demand. */
export function loadersOf(door: LibraryDoor): Loaders {
  return { fits, rare: () => door.part("rare").rareRules, careful: () => door.part("careful").readCarefully };
}

type ReadRequest = Extract<Request, { op: "readConfig" | "readFile" }>;

function read<K extends "config" | "text">(door: LibraryDoor, kind: K, request: ReadRequest): Extract<Reply, { kind: K }> {
  const attempted = attempt(door, kind, request);
  if (attempted.reply) return attempted.reply;
  const { failure } = attempted as { failure: Failure };
  if (failure.code !== "tooLarge") throw errorFromFailure(failure);
  throw new RuntimeError(`it is larger than ${MAX_CONFIG_BYTES} bytes`, {
    code: "tooLarge",
    operation: `read ${JSON.stringify(request.path)}`,
    path: request.path,
  });
}
