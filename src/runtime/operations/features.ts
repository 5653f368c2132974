/** What this runtime supports, in the form of the specification (features.md, features-linux.md). */

import type { Door } from "../../door.js";
import { send } from "../native.js";
import { CONFIG_ANNOTATION } from "../criu/options.js";
import { OCI_VERSION, OCI_VERSION_MIN } from "../oci.js";
import { MEMORY_FLAGS, MEMORY_MODES } from "../plan/rare.js";
import { capabilityNumbers } from "../spec/capability-names.js";
import { knownMountOptions } from "../spec/mount-option-names.js";
import { CRUN_PREFIX, SYSTEMD_PREFIX } from "../spec/rare-fields.js";
import { hookNames } from "../spec/rules/hooks.js";
import { seccompActions, seccompArchitectures, seccompFlagNames, seccompOperators } from "../spec/seccomp-names.js";

const NAMESPACES = ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"];

/** The features document. A feature is enabled only if it is implemented. */
export function features(door: Pick<Door, "build" | "call">): object {
  const { build } = door;
  const { facts: seccomp } = send(door, "seccompFacts", { op: "seccompFacts" });
  return {
    ociVersionMin: OCI_VERSION_MIN,
    ociVersionMax: OCI_VERSION,
    hooks: [...hookNames],
    mountOptions: [...knownMountOptions()].sort(),
    linux: {
      namespaces: NAMESPACES,
      capabilities: Object.keys(capabilityNumbers),
      cgroup: { v1: true, v2: true, systemd: true, systemdUser: true, rdma: true },
      seccomp: {
        enabled: true,
        actions: seccompActions,
        operators: seccompOperators,
        archs: seccompArchitectures,
        knownFlags: Object.keys(seccompFlagNames),
        supportedFlags: Object.entries(seccompFlagNames).flatMap(([name, flag]) => (seccomp.flags.includes(flag) ? name : [])),
      },
      apparmor: { enabled: true },
      selinux: { enabled: true },
      intelRdt: { enabled: true, schemata: true, monitoring: true },
      memoryPolicy: { modes: Object.keys(MEMORY_MODES), flags: Object.keys(MEMORY_FLAGS) },
      mountExtensions: { idmap: { enabled: true } },
      netDevices: { enabled: true },
    },
    annotations: {
      // Managers check this before they offer checkpoints. CRIU itself is looked up when it is used.
      "org.opencontainers.runc.checkpoint.enabled": "true",
      "io.github.tsrunc.version": build.version,
      "io.github.tsrunc.commit": build.commit,
      "io.github.tsrunc.host": build.hostName,
      "io.github.tsrunc.libseccomp": seccomp.libseccomp,
    },
    potentiallyUnsafeConfigAnnotations: [SYSTEMD_PREFIX, CRUN_PREFIX, CONFIG_ANNOTATION],
  };
}
