/**
 * The rules for a configuration that the JSON schema cannot say: relations between fields, and the kernel's own limits.
 * What depends on the host (whether a path exists, which controllers there are) is none of them.
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

/** The rules for what many configurations have, by subject. Every `create` carries them. */
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
 * @param unsound pointers to what does not fit the schema or is faulty in itself: each rule runs on what else there is
 */
export function check(spec: unknown, rules: readonly Rules[], context: CheckContext, unsound: readonly string[] = []): Fault[] {
  const subject = unsound.length === 0 ? subjectOf(spec as Spec, context) : soundSubject(spec, unsound, context);
  return subject === undefined ? [] : inDocumentOrder(spec, runRules(rules, subject));
}
