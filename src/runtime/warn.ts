/** Handing warnings to the caller of the library. A sound configuration costs no more here than a look. */

import type { RuntimeContext } from "./context.js";
import type { Warning } from "./generated/plan.js";
import type { LeftOut } from "./plan/capabilities.js";
import { sharesNamespace } from "./plan/namespaces.js";
import type { Mount, Spec } from "./spec/generated/spec-types.js";
import { CRUN_PREFIX, SYSTEMD_PREFIX, hasAnnotation } from "./spec/rare-fields.js";
import { isFileSystemOption, knownMountOptions } from "./spec/mount-option-names.js";
import { isBindMount } from "./spec/rules/mounts.js";

/** What the plan knows of a configuration that is worth a warning. */
export interface Told {
  /** Capabilities that are not given. */
  leftOut: readonly LeftOut[];
  /** The container's cgroup is a unit of systemd. */
  hasUnit: boolean;
  /** The caller does without privilege. */
  rootless: boolean;
}

/** Tells what is worth a warning about a configuration (runtime.md#warnings). */
export function warnOf(context: RuntimeContext, spec: Spec, told: Told): void {
  if (told.leftOut.length > 0 || isDubious(spec, told)) warn(context, context.host.part("warnings").warningsOf(spec, told));
}

/** Whether there may be something to tell, beside capabilities. */
function isDubious(spec: Spec, { hasUnit, rootless }: Told): boolean {
  return (
    Number(spec.linux?.resources?.memory?.kernel ?? 0) > 0 ||
    hasAnnotation(spec.annotations, CRUN_PREFIX) ||
    (!hasUnit && hasAnnotation(spec.annotations, SYSTEMD_PREFIX)) ||
    sharesNamespace(spec, "mount") ||
    (rootless && sharesNamespace(spec, "pid")) ||
    (spec.domainname !== undefined && spec.linux?.sysctl !== undefined) ||
    spec.mounts?.some(isDubiousMount) === true
  );
}

function isDubiousMount(mount: Mount): boolean {
  return !mount.destination.startsWith("/") || (isBindMount(mount) && mount.options?.some(isNoBindOption) === true);
}

function isNoBindOption(option: string): boolean {
  return isFileSystemOption(option) || !knownMountOptions().has(option);
}

/** Tells warnings, each as one message. */
export function warn(context: RuntimeContext, warnings: readonly Warning[]): void {
  for (const warning of warnings) context.log("warning", `config.json: ${warning.pointer}: ${warning.message}`, warning);
}
