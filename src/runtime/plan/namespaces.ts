/** Which namespaces a container makes, which it joins, and the id maps of its user namespace. */

import type { HostFacts, IdMapping, Namespace, NamespaceJoin, OwnerMap, SpawnPlan } from "../generated/plan.js";
import type { IDMapping, Spec } from "../spec/generated/spec-types.js";

/** @returns true when the container gets a namespace of its own of that type. */
export function createsNamespace(spec: Spec, type: Namespace): boolean {
  return spec.linux?.namespaces?.some((entry) => entry.type === type && !entry.path) ?? false;
}

/** @returns true when the container shares the namespace of that type with the runtime. */
export function sharesNamespace(spec: Spec, type: Namespace): boolean {
  return !(spec.linux?.namespaces?.some((entry) => entry.type === type) ?? false);
}

/** How the container's process comes to be (config-linux.md#namespaces, #user-namespace-mappings). */
export function planSpawn(spec: Spec, facts: HostFacts): Omit<SpawnPlan, "clockOffsets"> {
  const create: Namespace[] = [];
  const join: NamespaceJoin[] = [];
  spec.linux?.namespaces?.forEach(({ type, path }, index) => {
    if (path) join.push({ namespace: type, path, pointer: `/linux/namespaces/${index}/path` });
    else create.push(type);
  });
  // Of a joined one they must be what it has (managers give both): the native layer compares.
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

/** Whose ids `idmap` without mappings means (config.md#mounts): those of the container's user namespace, if it has one. */
export function planOwnerMap(spec: Spec): OwnerMap | undefined {
  if (sharesNamespace(spec, "user")) return undefined;
  if (!createsNamespace(spec, "user")) return { uidMappings: [], gidMappings: [] };
  return { uidMappings: planMappings(spec.linux?.uidMappings), gidMappings: planMappings(spec.linux?.gidMappings) };
}

/** Mappings in the words of the plan. */
export function planMappings(mappings: readonly IDMapping[] | undefined): IdMapping[] {
  return (mappings ?? []).map(({ containerID, hostID, size }) => ({ containerId: containerID, hostId: hostID, size }));
}
