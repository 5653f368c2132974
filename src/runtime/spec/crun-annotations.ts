/**
 * crun's annotations (crun(1), "Extensions to OCI"): settings for which the specification has no field. They are trusted as much as the rest of
 * config.json, because they are part of the same file.
 */

import { CRUN_PREFIX } from "./rare-fields.js";

/** The mount options that set a SELinux context (mount(8), "context="). */
const contextTypes = ["context", "fscontext", "defcontext", "rootcontext"];

/** How an annotation is treated. */
export type CrunAnnotation =
  /** Supported, with a valid value. */
  | { is: "supported"; fits: (value: string) => boolean; allowed: string }
  /** An error: ignoring it would leave the container less confined than requested. */
  | { is: "refused"; allowed: string }
  /** No effect and a warning, except for the value `unless`, which requests nothing. */
  | { is: "ignored"; because: string; unless?: string };

const yesOrNo: CrunAnnotation = { is: "supported", fits: (value) => value === "0" || value === "1", allowed: '"1" or "0"' };

const aPath: CrunAnnotation = { is: "supported", fits: (value) => value.startsWith("/"), allowed: "an absolute path" };

/** By the name without the prefix. */
export const crunAnnotations: Readonly<Record<string, CrunAnnotation>> = {
  mount_context_type: {
    is: "supported",
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
  "seccomp.receiver": { is: "ignored", because: "the specification has /linux/seccomp/listenerPath for it" },
  "seccomp.plugins": { is: "ignored", because: "an agent listens at /linux/seccomp/listenerPath" },
  timens_offset: { is: "ignored", because: "the specification has /linux/timeOffsets for it" },
  "systemd.force_cgroup_v1": { is: "ignored", because: "a cgroup mount shows the hierarchies that the host has" },
  "systemd.subgroup": { is: "ignored", because: "the container is in the unit's own cgroup", unless: "" },
  "delegate-cgroup": { is: "ignored", because: "a cgroup namespace with a writable cgroup mount delegates the container's own cgroup" },
};

/** The names of a configuration's crun annotations, without the prefix. */
export function crunAnnotationNames(annotations: Readonly<Record<string, string>> | undefined): string[] {
  return Object.keys(annotations ?? {})
    .filter((name) => name.startsWith(CRUN_PREFIX))
    .map((name) => name.slice(CRUN_PREFIX.length));
}

/** A configuration's crun annotations, with names without the prefix. */
export function crunAnnotationsOf(annotations: Readonly<Record<string, string>> | undefined): [name: string, value: string][] {
  return crunAnnotationNames(annotations).map((name) => [name, annotations?.[CRUN_PREFIX + name] as string]);
}

/** How an annotation is treated; undefined if crun has none of that name. */
export function crunAnnotation(name: string): CrunAnnotation | undefined {
  return Object.hasOwn(crunAnnotations, name) ? crunAnnotations[name] : undefined;
}
