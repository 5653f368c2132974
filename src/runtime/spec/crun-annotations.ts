/**
 * crun's annotations (crun(1), "Extensions to OCI"): what a manager or a user may ask of a runtime where the specification has no field.
 * They count as much as the rest of config.json: whoever may write one may write the other.
 */

import { CRUN_PREFIX } from "./rare-fields.js";

/** Kinds of SELinux context that a mount may get (mount(8), "context="). */
const contextTypes = ["context", "fscontext", "defcontext", "rootcontext"];

/** What becomes of an annotation. */
export type CrunAnnotation =
  /** It is carried out, with a value that fits. */
  | { is: "done"; fits: (value: string) => boolean; allowed: string }
  /** Without it the container would be less confined than it was asked to be. */
  | { is: "refused"; allowed: string }
  /** It has no effect, which is told; but for the values that say so themselves. */
  | { is: "passedOver"; because: string; unless?: string };

const yesOrNo: CrunAnnotation = { is: "done", fits: (value) => value === "0" || value === "1", allowed: '"1" or "0"' };

const aPath: CrunAnnotation = { is: "done", fits: (value) => value.startsWith("/"), allowed: "an absolute path" };

/** By what follows the prefix. */
export const crunAnnotations: Readonly<Record<string, CrunAnnotation>> = {
  mount_context_type: {
    is: "done",
    fits: (value) => contextTypes.includes(value),
    allowed: contextTypes.map((type) => `"${type}"`).join(", "),
  },
  keep_original_groups: yesOrNo,
  seccomp_fail_unknown_syscall: yesOrNo,
  pidfd_receiver: aPath,
  "hooks.stdout": aPath,
  "hooks.stderr": aPath,
  seccomp_bpf_data: { is: "refused", allowed: "nothing: a filter comes of /linux/seccomp alone" },
  handler: { is: "refused", allowed: "nothing: a program is executed by the kernel, not by a handler" },
  "seccomp.receiver": { is: "passedOver", because: "the specification has /linux/seccomp/listenerPath for it" },
  "seccomp.plugins": { is: "passedOver", because: "an agent listens at /linux/seccomp/listenerPath" },
  timens_offset: { is: "passedOver", because: "the specification has /linux/timeOffsets for it" },
  "systemd.force_cgroup_v1": { is: "passedOver", because: "a cgroup mount shows the hierarchies that the host has" },
  "systemd.subgroup": { is: "passedOver", because: "the container is in the unit's own cgroup", unless: "" },
  "delegate-cgroup": { is: "passedOver", because: "a cgroup namespace with a writable cgroup mount delegates the container's own cgroup" },
};

/** The names of a configuration's annotations of crun, without the prefix. */
export function crunAnnotationNames(annotations: Readonly<Record<string, string>> | undefined): string[] {
  return Object.keys(annotations ?? {})
    .filter((name) => name.startsWith(CRUN_PREFIX))
    .map((name) => name.slice(CRUN_PREFIX.length));
}

/** A configuration's annotations of crun, by what follows the prefix. */
export function crunAnnotationsOf(annotations: Readonly<Record<string, string>> | undefined): [name: string, value: string][] {
  return crunAnnotationNames(annotations).map((name) => [name, annotations?.[CRUN_PREFIX + name] as string]);
}

/** What becomes of one; undefined where crun has none of that name. */
export function crunAnnotation(name: string): CrunAnnotation | undefined {
  return Object.hasOwn(crunAnnotations, name) ? crunAnnotations[name] : undefined;
}
