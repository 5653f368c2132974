/** Passes warnings to the caller of the library. For most configurations a quick test shows that there is nothing to warn about. */

import type { RuntimeContext } from "./container/context.js";
import type { Warning } from "./generated/plan.js";
import type { PlanFindings } from "./plan/findings.js";
import { sharesNamespace } from "./plan/namespaces.js";
import type { Mount, Spec } from "./spec/generated/spec-types.js";
import { CRUN_PREFIX, SYSTEMD_PREFIX, hasAnnotation } from "./spec/rare-fields.js";
import { isFileSystemOption, isKnownMountOption } from "./spec/mount-option-names.js";
import { isBindMount } from "./spec/rules/mounts.js";

/** Logs the warnings about a configuration (runtime.md#warnings). */
export function warnOf(context: RuntimeContext, spec: Spec, findings: PlanFindings): void {
  if (findings.leftOut.length > 0 || isDubious(spec, findings)) warn(context, context.door.part("warnings").warningsOf(spec, findings));
}

/** Whether there may be something to warn about, besides capabilities. */
function isDubious(spec: Spec, { hasUnit, cgroupDisabled, rootless }: PlanFindings): boolean {
  return (
    Number(spec.linux?.resources?.memory?.kernel ?? 0) > 0 ||
    hasAnnotation(spec.annotations, CRUN_PREFIX) ||
    (!hasUnit && hasAnnotation(spec.annotations, SYSTEMD_PREFIX)) ||
    (cgroupDisabled === true && (Boolean(spec.linux?.cgroupsPath) || spec.linux?.resources?.devices !== undefined)) ||
    sharesNamespace(spec, "mount") ||
    (rootless && sharesNamespace(spec, "pid")) ||
    (spec.domainname !== undefined && spec.linux?.sysctl !== undefined) ||
    spec.mounts?.some(isDubiousMount) === true ||
    spec.linux?.devices?.some(({ path }) => path.includes("ptmx")) === true
  );
}

function isDubiousMount(mount: Mount): boolean {
  return !mount.destination.startsWith("/") || (isBindMount(mount) && mount.options?.some(isNoBindOption) === true);
}

function isNoBindOption(option: string): boolean {
  return isFileSystemOption(option) || !isKnownMountOption(option);
}

/** Logs each warning as one message. */
export function warn(context: RuntimeContext, warnings: readonly Warning[]): void {
  for (const warning of warnings) context.log("warning", `config.json: ${warning.pointer}: ${warning.message}`, warning);
}
