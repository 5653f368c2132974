/** Namespaces that a container joined: CRIU does not dump them, and joins them again at restore. Pure. */

import { RuntimeError } from "../errors.js";
import type { CriuJoinNamespace, Namespace } from "../generated/plan.js";
import type { Spec } from "../spec/generated/spec-types.js";

/** Namespaces that CRIU can treat as external: the name, and the key that connects dump and restore. The keys are runc's. */
const EXTERNAL = { network: { name: "net", key: "extRootNetNS" }, pid: { name: "pid", key: "extRootPidNS" } } as const;

/** The other namespaces that CRIU can join. */
const JOINED = { ipc: "ipc", uts: "uts", user: "user", mount: "mnt", time: "time" } as const;

/** A namespace by its name in /proc/PID/ns, and the key for CRIU. */
export interface ExternalNamespace {
  name: string;
  key: string;
}

/** The external namespaces among those that a container joined. */
export function externalOf(joined: readonly Namespace[]): ExternalNamespace[] {
  return joined.flatMap((type) => (type === "network" || type === "pid" ? [EXTERNAL[type]] : []));
}

/** The external namespaces of a configuration, in its order, with the paths of their files. */
export function externalNamespaces(spec: Spec): (ExternalNamespace & { path: string })[] {
  return (spec.linux?.namespaces ?? []).flatMap(({ type, path }) =>
    path && (type === "network" || type === "pid") ? [{ ...EXTERNAL[type], path }] : [],
  );
}

/** CRIU's name for a namespace at dump. @param link target of its link: `net:[4026531840]` */
export function externalName({ name, key }: ExternalNamespace, link: string): string {
  const inode = /\[([0-9]+)\]/.exec(link)?.[1];
  if (inode === undefined) throw new RuntimeError(`${JSON.stringify(link)} is no namespace`, { code: "other" });
  return `${name}[${inode}]:${key}`;
}

/** The namespaces that CRIU joins for a restored container. @throws RuntimeError on one that it cannot join. */
export function joinedNamespaces(spec: Spec): CriuJoinNamespace[] {
  return (spec.linux?.namespaces ?? []).flatMap(({ type, path }, index) => {
    if (!path || type === "network" || type === "pid") return [];
    const ns = (JOINED as Readonly<Record<string, string>>)[type];
    if (ns === undefined) {
      const pointer = `/linux/namespaces/${index}/path`;
      throw new RuntimeError(`CRIU cannot restore into a ${type} namespace that is there already`, {
        code: "unsupported",
        operation: pointer,
        path: pointer,
      });
    }
    return [{ ns, nsFile: path }];
  });
}
