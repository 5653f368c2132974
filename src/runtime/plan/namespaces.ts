/** Which namespaces a container creates and joins, and the id maps of its user namespace. */

import type { HostFacts, IdMapping, Namespace, NamespaceJoin, OwnerMap, SpawnPlan } from "../generated/plan.js";
import type { IDMapping, Spec } from "../spec/generated/spec-types.js";

/** Whether the container gets a new namespace of that type. */
export function createsNamespace(spec: Spec, type: Namespace): boolean {
  return spec.linux?.namespaces?.some((entry) => entry.type === type && !entry.path) ?? false;
}

/** Whether the container shares the namespace of that type with the runtime. */
export function sharesNamespace(spec: Spec, type: Namespace): boolean {
  return !(spec.linux?.namespaces?.some((entry) => entry.type === type) ?? false);
}

/** How the container's process is cloned (config-linux.md#namespaces, #user-namespace-mappings). */
export function planSpawn(spec: Spec, facts: HostFacts): Omit<SpawnPlan, "clockOffsets"> {
  const create: Namespace[] = [];
  const join: NamespaceJoin[] = [];
  spec.linux?.namespaces?.forEach(({ type, path }, index) => {
    if (path) join.push({ namespace: type, path, pointer: `/linux/namespaces/${index}/path` });
    else create.push(type);
  });
  // For a joined user namespace (managers give both path and mappings) the native layer compares them with the existing ones.
  const maps = !sharesNamespace(spec, "user");
  return {
    create,
    join,
    uidMappings: maps ? planMappings(spec.linux?.uidMappings) : [],
    gidMappings: maps ? planMappings(spec.linux?.gidMappings) : [],
    rootless: facts.euid !== 0,
    oomScoreAdj: spec.process?.oomScoreAdj ?? null,
  };
}

/** The mappings for `idmap` without its own (config.md#mounts): those of the container's user namespace, if it has one. */
export function planOwnerMap(spec: Spec): OwnerMap | undefined {
  if (sharesNamespace(spec, "user")) return undefined;
  if (!createsNamespace(spec, "user")) return { uidMappings: [], gidMappings: [] };
  return { uidMappings: planMappings(spec.linux?.uidMappings), gidMappings: planMappings(spec.linux?.gidMappings) };
}

/** Mappings in the form of the plan. */
export function planMappings(mappings: readonly IDMapping[] | undefined): IdMapping[] {
  return (mappings ?? []).map(({ containerID, hostID, size }) => ({ containerId: containerID, hostId: hostID, size }));
}
