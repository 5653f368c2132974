/** Rules for `linux.sysctl`: parameters that belong to a namespace of the container, and no others (config-linux.md, "Sysctl"). */

import { segment, Description } from "../fault.js";
import type { NamespaceType } from "../generated/spec-types.js";
import { each, type Rules } from "../rule.js";
import { sysctlPath } from "../sysctl-name.js";

/** The parameters of an IPC namespace below `kernel` (ipc_namespaces(7)). */
const ipcParameters: readonly string[] = ["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"];

export const sysctlRules: Rules = {
  "sysctl-names": ({ spec }, report) => {
    const written = new Map<string, string>();
    each(Object.keys(spec.linux?.sysctl ?? {}), (name) => {
      const pointer = `/linux/sysctl/${segment(name)}`;
      const path = sysctlPath(name);
      if (path === "kernel/hostname") report(pointer, new Description(`"${name}"`), "/hostname in its place");
      else if (path === undefined || namespaceOf(path) === undefined) report(pointer, name, allowedNames());
      else if (written.has(path)) report(pointer, name, `each parameter once: "${written.get(path)}" is the same`);
      else written.set(path, name);
    });
  },

  // Without the namespace the parameter would be the host's.
  "sysctl-namespaces": ({ spec, namespaces }, report) => {
    each(Object.keys(spec.linux?.sysctl ?? {}), (name) => {
      const namespace = namespaceOf(sysctlPath(name) ?? "");
      if (namespace !== undefined && !namespaces.has(namespace)) {
        report(`/linux/sysctl/${segment(name)}`, name, `nothing, or an entry of type "${namespace}" in /linux/namespaces`);
      }
    });
  },
};

/** The type of namespace that a parameter belongs to; `undefined` if it applies to the whole machine. */
function namespaceOf(path: string): NamespaceType | undefined {
  if (path.startsWith("fs/mqueue/") || (path.startsWith("kernel/") && ipcParameters.includes(path.slice(7)))) return "ipc";
  if (path.startsWith("net/")) return "network";
  if (path === "kernel/domainname") return "uts";
  if (path.startsWith("user/")) return "user";
  return undefined;
}

function allowedNames(): string {
  return `kernel.domainname, ${ipcParameters.map((name) => `kernel.${name}`).join(", ")}, or one below fs.mqueue, net or user`;
}
