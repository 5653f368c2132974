/**
 * The rules for a configuration that the JSON schema cannot express: relations between fields, and limits of the kernel.
 * They do not depend on the host: whether a path exists, say, or which controllers are available.
 */

import { inDocumentOrder, type Fault } from "./fault.js";
import type { Spec } from "./generated/spec-types.js";
import { versionSupported } from "./oci-version.js";
import { runRules, subjectOf, type CheckContext, type Rules } from "./rule.js";
import { deviceCgroupRules } from "./rules/device-cgroup.js";
import { deviceRules } from "./rules/devices.js";
import { hookRules } from "./rules/hooks.js";
import { idMappingRules } from "./rules/id-mappings.js";
import { intelRdtRules } from "./rules/intel-rdt.js";
import { mountOwnerRules } from "./rules/mount-owners.js";
import { mountRules } from "./rules/mounts.js";
import { namespaceRules } from "./rules/namespaces.js";
import { netDeviceRules } from "./rules/net-devices.js";
import { pathRules } from "./rules/paths.js";
import { platformRules } from "./rules/platform.js";
import { processRules } from "./rules/process.js";
import { resourceRules } from "./rules/resources.js";
import { rlimitRules } from "./rules/rlimits.js";
import { sysctlRules } from "./rules/sysctl.js";
import { soundSubject } from "./sound-part.js";

/** The rules for common fields, by subject. Every `create` loads them. */
export const commonRules: readonly Rules[] = [
  { "version-supported": versionSupported },
  processRules,
  rlimitRules,
  pathRules,
  mountRules,
  mountOwnerRules,
  namespaceRules,
  idMappingRules,
  netDeviceRules,
  deviceRules,
  deviceCgroupRules,
  resourceRules,
  intelRdtRules,
  sysctlRules,
  hookRules,
  platformRules,
];

/**
 * All faults that rules find in a configuration, in the order of the document.
 * @param unsound pointers to values that do not fit the schema or are invalid by themselves; the rules check the rest
 */
export function check(spec: unknown, rules: readonly Rules[], context: CheckContext, unsound: readonly string[] = []): Fault[] {
  const subject = unsound.length === 0 ? subjectOf(spec as Spec, context) : soundSubject(spec, unsound, context);
  return subject === undefined ? [] : inDocumentOrder(spec, runRules(rules, subject));
}
