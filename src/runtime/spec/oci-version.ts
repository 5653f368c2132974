/** `ociVersion`: the version of the specification that a configuration is written for. */

import type { Rule } from "./rule.js";

/** Semantic Versioning 2.0.0, items 2, 9 and 10: numbers without leading zeros, pre-release, build. */
const semanticVersion =
  /^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-((0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*))?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?$/;

/**
 * Any 1.x: the specification stays compatible within a major version, and managers write versions before (1.0.2-dev)
 * and after the one that this runtime implements (config.md, "Specification version").
 */
export const versionSupported: Rule = ({ spec }, report) => {
  const match = semanticVersion.exec(spec.ociVersion);
  if (match === null || match[1] !== "1") report("/ociVersion", spec.ociVersion, 'a version "1.x.y" (Semantic Versioning 2.0.0)');
};
