/** What is worth telling about a configuration that is carried out nevertheless, in words: a script of its own. */

import type { Warning } from "./generated/plan.js";
import type { LeftOut, LeftOutReason } from "./plan/capabilities.js";
import { sharesNamespace } from "./plan/namespaces.js";
import { cleanAbsolute } from "./plan/paths.js";
import { capabilityNumbers } from "./spec/capability-names.js";
import { crunAnnotation, crunAnnotations, crunAnnotationsOf } from "./spec/crun-annotations.js";
import { quote, segment } from "./spec/fault.js";
import type { Mount, NamespaceType, Spec } from "./spec/generated/spec-types.js";
import { isFileSystemOption, isKnownMountOption, knownMountOptions } from "./spec/mount-option-names.js";
import { nearest } from "./spec/nearest.js";
import { CRUN_PREFIX, SYSTEMD_PREFIX } from "./spec/rare-fields.js";
import { isBindMount } from "./spec/rules/mounts.js";
import { sysctlPath } from "./spec/sysctl-name.js";
import type { PlanFindings } from "./plan/findings.js";

/** The warnings about a configuration (runtime.md#warnings), those of mounts first. */
export function warningsOf(spec: Spec, { leftOut, hasUnit, cgroupDisabled, rootless }: PlanFindings): Warning[] {
  return [
    ...mountWarnings(spec),
    ...namespaceWarnings(spec, rootless),
    ...domainnameWarnings(spec),
    ...terminalWarnings(spec),
    ...kernelMemoryWarnings(spec),
    ...annotationWarnings(spec),
    ...(hasUnit ? [] : unitWarnings(spec)),
    ...(cgroupDisabled ? cgroupWarnings(spec, rootless) : []),
    ...capabilityWarnings(leftOut),
  ];
}

function mountWarnings(spec: Spec): Warning[] {
  return (spec.mounts ?? []).flatMap((mount, index) => [
    ...destinationWarnings(mount, `/mounts/${index}`),
    ...(isBindMount(mount) ? bindWarnings(mount, `/mounts/${index}`) : []),
  ]);
}

/** config.md#mounts: relative destinations are deprecated. */
function destinationWarnings({ destination }: Mount, pointer: string): Warning[] {
  if (destination.startsWith("/")) return [];
  const message = `${quote(destination)} is taken as relative to "/": a destination should be an absolute path`;
  return [{ pointer: `${pointer}/destination`, message, rule: "mount-destination-relative" }];
}

/** mount(2), "Creating a bind mount": only flags of the mount itself can differ. */
function bindWarnings({ options }: Mount, pointer: string): Warning[] {
  return (options ?? []).flatMap((option, index) => {
    const at = `${pointer}/options/${index}`;
    if (isFileSystemOption(option)) {
      const message = `${quote(option)} has no effect: a bind mount shares the file system of its source`;
      return [{ pointer: at, message, rule: "bind-file-system-option" }];
    }
    if (isKnownMountOption(option)) return [];
    // config.md#linux-mount-options: an unknown option is data of the file system.
    const meant = nearest(option, knownMountOptions());
    const message = `${quote(option)} is left out: a bind mount has no data${meant === undefined ? "" : `; did you mean "${meant}"?`}`;
    return [{ pointer: at, message, rule: "bind-data" }];
  });
}

/** config-linux.md#namespaces: a type that is not given is the runtime's own. */
function namespaceWarnings(spec: Spec, rootless: boolean): Warning[] {
  const warnings: Warning[] = [];
  const shared = (type: NamespaceType, consequence: string): void => {
    const message = `no entry of type "${type}": ${consequence}`;
    if (sharesNamespace(spec, type)) warnings.push({ pointer: "/linux/namespaces", message, rule: `${type}-namespace-shared` });
  };
  shared("mount", "the mounts are made in the mount namespace of the runtime, for everybody there");
  // Without root the container's processes have the same ids as the user's others. Managers that run as root share it on purpose.
  if (rootless)
    shared(
      "pid",
      "the container's processes can signal all others of the user, and those that it leaves behind outlive its first one. Such configuration is strongly discouraged",
    );
  return warnings;
}

/** /dev/ptmx is always the link to the container's own devpts (config-linux.md#default-devices). */
function terminalWarnings({ linux }: Spec): Warning[] {
  return (linux?.devices ?? []).flatMap(({ path, type, major, minor }, index) =>
    cleanAbsolute(path) !== "/dev/ptmx" || (type === "c" && Number(major) === 5 && Number(minor) === 2)
      ? []
      : [
          {
            pointer: `/linux/devices/${index}`,
            message: "it has no effect: /dev/ptmx is the link to the container's devpts",
            rule: "device-ptmx",
          },
        ],
  );
}

/** sysctl(8) has the name that setdomainname(2) sets, and is written later. */
function domainnameWarnings({ domainname, linux }: Spec): Warning[] {
  return Object.entries(linux?.sysctl ?? {}).flatMap(([name, value]) => {
    if (!domainname || sysctlPath(name) !== "kernel/domainname" || value === domainname) return [];
    const message = `${quote(domainname)} has no effect: /linux/sysctl/${segment(name)} sets ${quote(value)}`;
    return [{ pointer: "/domainname", message, rule: "domainname-overridden" }];
  });
}

/** The kernel took its limit away in 5.16, from cgroup v1 too (Documentation/admin-guide/cgroup-v1/memory.rst). */
function kernelMemoryWarnings(spec: Spec): Warning[] {
  const limit = spec.linux?.resources?.memory?.kernel ?? 0;
  if (limit <= 0) return [];
  const message = `${limit} has no effect: the kernel's memory counts as the container's own, and has no limit beside that since Linux 5.16`;
  return [{ pointer: "/linux/resources/memory/kernel", message, rule: "kernel-memory" }];
}

/** Annotations of crun that are not carried out, or take something else away. */
function annotationWarnings({ annotations, process }: Spec): Warning[] {
  const groups = process?.user?.additionalGids ?? [];
  return crunAnnotationsOf(annotations).flatMap(([name, value]) => {
    const rule = "crun-annotation";
    const pointer = `/annotations/${CRUN_PREFIX}${segment(name)}`;
    const known = crunAnnotation(name);
    if (!known) {
      const meant = nearest(name, Object.keys(crunAnnotations));
      return [
        {
          pointer,
          message: `it has no effect: crun has no such annotation${meant === undefined ? "" : `, did you mean "${CRUN_PREFIX}${meant}"?`}`,
          rule,
        },
      ];
    }
    if (known.is === "ignored")
      return value === known.unless ? [] : [{ pointer, message: `${quote(value)} has no effect: ${known.because}`, rule }];
    if (name !== "keep_original_groups" || value !== "1" || groups.length === 0) return [];
    return [
      { pointer: "/process/user/additionalGids", message: `they are not set: ${CRUN_PREFIX}${name} keeps the groups of the caller`, rule },
    ];
  });
}

/** Properties of a unit where there is none. */
function unitWarnings({ annotations }: Spec): Warning[] {
  const names = Object.keys(annotations ?? {}).filter((name) => name.startsWith(SYSTEMD_PREFIX));
  return names.map((name) => ({
    pointer: `/annotations/${segment(name)}`,
    message: "it has no effect: without --systemd-cgroup the container's cgroup is no unit of systemd",
    rule: "systemd-annotation",
  }));
}

/** What asks for a cgroup where none is made. Limits are refused. In a user namespace there are no devices to be made anyway. */
function cgroupWarnings({ linux }: Spec, rootless: boolean): Warning[] {
  const rule = "cgroup-disabled";
  const why = "the cgroup manager is disabled";
  const warnings: Warning[] = [];
  if (linux?.cgroupsPath)
    warnings.push({ pointer: "/linux/cgroupsPath", message: `${quote(linux.cgroupsPath)} has no effect: ${why}`, rule });
  if (!rootless && linux?.resources?.devices?.some(({ allow }) => !allow))
    warnings.push({ pointer: "/linux/resources/devices", message: `they have no effect, and every device may be used: ${why}`, rule });
  return warnings;
}

/** config.md#linux-process, capabilities: what cannot be granted is logged as a warning. */
function capabilityWarnings(leftOut: readonly LeftOut[]): Warning[] {
  const sets = new Map<string, LeftOut[]>();
  for (const one of leftOut) addTo(sets, `${one.name} ${one.reason}`, one);
  // Capabilities with one fate share a line.
  const fates = new Map<string, LeftOut[][]>();
  for (const ones of sets.values()) {
    const names = new Set(ones.map(({ set }) => set));
    addTo(fates, `${[...names].join(", ")}: ${wordsFor(ones[0] as LeftOut)}`, ones);
  }
  return [...fates].map(([fate, group]) => {
    const first = (group[0] as LeftOut[])[0] as LeftOut;
    return {
      pointer: `/process/capabilities/${first.set}/${first.index}`,
      message: leftOutMessage(
        group.map(([one]) => (one as LeftOut).name),
        fate,
      ),
      rule: `capability-${RULES[first.reason]}`,
    };
  });
}

/** Tools look for runc's text about the ambient set. */
function leftOutMessage(names: readonly string[], fate: string): string {
  const [, sets = "", reason = ""] = /^([^:]*): (.*)$/.exec(fate) ?? [];
  if (sets === "ambient") return `can't raise ambient capability ${names.join(", ")}: ${reason}`;
  const leftOut = `left out of ${fate}`;
  if (sets.includes("ambient")) return `can't raise ambient capability ${names.join(", ")}: ${leftOut}`;
  return `${names.map(quote).join(", ")} ${names.length === 1 ? "is" : "are"} ${leftOut}`;
}

const RULES: Record<LeftOutReason, string> = {
  unknown: "unknown",
  newer: "unknown-to-kernel",
  lacked: "lacked",
  notPermitted: "not-permitted",
  notInheritable: "not-inheritable",
  notBounding: "not-bounding",
};

function wordsFor({ name, reason }: LeftOut): string {
  switch (reason) {
    case "unknown":
      return `no such capability${meant(name)}`;
    case "newer":
      return "unknown to the host's kernel";
    case "lacked":
      return "the runtime itself is without it";
    case "notPermitted":
      return "not in the permitted set";
    case "notInheritable":
      return "not in the inheritable set";
    case "notBounding":
      return "not in the bounding set";
  }
}

/**
 * `, did you mean "CAP_X"?` for a mistyped name, in any case, with or without CAP_. That prefix does not count: it would make any two names
 * alike.
 */
function meant(mistyped: string): string {
  const names = Object.keys(capabilityNumbers).map((name) => name.slice(4));
  const name = nearest(mistyped.toUpperCase().replace(/^CAP_/, ""), names);
  return name === undefined ? "" : `, did you mean "CAP_${name}"?`;
}

function addTo<T>(groups: Map<string, T[]>, key: string, value: T): void {
  const group = groups.get(key);
  if (group) group.push(value);
  else groups.set(key, [value]);
}
