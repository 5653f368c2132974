/** Reading the configuration of a bundle. */

import type { LibraryHost } from "./context.js";
import { RuntimeError, errorFromFailure } from "./errors.js";
import { attempt } from "./native.js";
import fits from "./spec/generated/validate-config-fast.js";
import { loadSpec } from "./spec/load.js";
import type { ValidatedSpec } from "./spec/load.js";

/** Longer configurations are refused: a mistake, or an attack on memory. */
export const MAX_CONFIG_BYTES = 16 * 1024 * 1024;

/**
 * The configuration of a bundle, checked.
 * @param rootless the caller is not root of its user namespace
 * @throws RuntimeError with every fault at once
 */
export function readConfig(host: LibraryHost, bundle: string, rootless: boolean): ValidatedSpec {
  const text = readText(host, `${bundle}/config.json`);
  return loadSpec(text, { fits, rare: () => host.part("rare").rareRules, careful: () => host.part("careful").readCarefully }, { rootless });
}

function readText(host: LibraryHost, path: string): string {
  const { reply, failure } = attempt(host, "text", { op: "readFile", path, maxBytes: MAX_CONFIG_BYTES });
  if (reply) return reply.text;
  if (failure.code !== "tooLarge") throw errorFromFailure(failure);
  throw new RuntimeError(`it is larger than ${MAX_CONFIG_BYTES} bytes`, {
    code: "tooLarge",
    operation: `read ${JSON.stringify(path)}`,
    path,
  });
}
