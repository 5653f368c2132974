/** The systemd cgroup driver: the container's cgroup is a unit (https://systemd.io/CGROUP_DELEGATION). Loaded on demand. */

import type { UnitProperty } from "../generated/plan.js";
import type { Spec } from "../spec/generated/spec-types.js";
import { segment } from "../spec/fault.js";
import { SYSTEMD_PREFIX } from "../spec/rare-fields.js";
import { each, type Rules } from "../spec/rule.js";
import { joinBelow } from "./paths.js";
import type { BusValue } from "./gvariant.js";
import { refused } from "./limit-error.js";
import type { PlannedCgroup, PlannedUnit, Scope, ScopeRequest } from "./scope.js";
import { annotationProperties, propertyAnnotationNames, propertyOf } from "./systemd-annotations.js";
import { deviceProperties } from "./systemd-devices.js";
import { planUnitLimits } from "./systemd-limits.js";
import { allowedInstead, expandSlice, unitPlace } from "./systemd-names.js";

export { deviceProperties, planUnitLimits };

/** The additional rules for configurations. */
export const unitRules: readonly Rules[] = [
  {
    "unit-path": ({ spec: { linux } }, report) => {
      const allowed = linux?.cgroupsPath ? allowedInstead(linux.cgroupsPath) : undefined;
      if (allowed !== undefined) report("/linux/cgroupsPath", linux?.cgroupsPath, allowed);
    },

    "unit-properties": ({ spec: { annotations } }, report) => {
      each(propertyAnnotationNames(annotations), (name) => {
        const text = annotations?.[SYSTEMD_PREFIX + name] as string;
        const property = propertyOf(name, text);
        if (typeof property === "string") report(`/annotations/${SYSTEMD_PREFIX}${segment(name)}`, text, property);
      });
    },
  },
];

/** The facts about the host that only some configurations need, because of their limits. */
export function factsWanted({ linux }: Spec): { bfq: boolean; oomPolicy: boolean } {
  const { blockIO, unified } = linux?.resources ?? {};
  return {
    bfq: Boolean(blockIO?.weight) || Boolean(blockIO?.weightDevice?.length),
    oomPolicy: unified?.["memory.oom.group"] !== undefined,
  };
}

/** @throws RuntimeError on an id that is too long for the name of a unit */
export function planScope({ spec, id, stateDirectory, facts }: ScopeRequest): Scope {
  const place = unitPlace(spec.linux?.cgroupsPath, id, facts.user ? "user.slice" : "system.slice");
  const asked = annotationProperties(spec.annotations);
  const property = (name: string, signature: string, value: BusValue): UnitProperty => ({
    name,
    signature,
    value,
    pointer: "",
  });
  const description = descriptionOf(asked) ?? `container ${place.name} of tsrunc (${stateDirectory})`;
  const unit = (cgroup: PlannedCgroup): PlannedUnit => {
    const limits = planUnitLimits(cgroup.writes, { ...facts, v2: cgroup.v2 });
    refuseContradiction(asked, limits.properties);
    const own = [
      property("Description", "s", description),
      property("Slice", "s", place.slice),
      // The container may create cgroups below its own, and the runtime sets limits that systemd does not know.
      property("Delegate", "b", true),
      property("DefaultDependencies", "b", false),
      property("MemoryAccounting", "b", true),
      property("CPUAccounting", "b", true),
      property(cgroup.v2 ? "IOAccounting" : "BlockIOAccounting", "b", true),
      property("TasksAccounting", "b", true),
      ...limits.properties,
      ...(cgroup.deviceRules ? deviceProperties(cgroup.deviceRules, { ...facts, v2: cgroup.v2 }) : []),
    ];
    const names = new Set(asked.map(({ name }) => name));
    const properties = [...own.filter(({ name }) => !names.has(name)), ...asked];
    return { unit: { name: place.unit, description, bus: facts.bus, properties }, writes: limits.writes };
  };
  const undo = { op: "stopUnit" as const, unit: place.unit, description, bus: facts.bus };
  return { cgroup: joinBelow(facts.controlGroup, joinBelow(expandSlice(place.slice), place.unit)), unit, undo };
}

/** The caller's description replaces ours, also for recognising the unit. */
function descriptionOf(properties: readonly UnitProperty[]): string | undefined {
  const value = properties.find(({ name }) => name === "Description")?.value;
  return typeof value === "string" ? value : undefined;
}

/** Refuses a contradiction, because at its next reload systemd would replace the limit by the annotation's value. */
function refuseContradiction(asked: readonly UnitProperty[], limits: readonly UnitProperty[]): void {
  for (const { name, value, pointer } of asked) {
    const limit = limits.find((one) => one.name === name && JSON.stringify(one.value) !== JSON.stringify(value));
    if (limit) throw refused(pointer, `it contradicts ${limit.pointer}, which is the same property`);
  }
}
