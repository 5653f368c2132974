/** The cgroup driver systemd: the container's cgroup is a unit that systemd makes (https://systemd.io/CGROUP_DELEGATION). Loaded when asked for. */

import type { SystemdUnit, UnitProperty } from "../generated/plan.js";
import { segment } from "../spec/fault.js";
import { SYSTEMD_PREFIX } from "../spec/rare-fields.js";
import { each, type Rules } from "../spec/rule.js";
import { joinBelow } from "./paths.js";
import type { BusValue } from "./gvariant.js";
import type { PlannedCgroup, Scope, ScopeRequest } from "./scope.js";
import { allowedInstead, expandSlice, unitPlace } from "./systemd-names.js";
import { annotationProperties, deviceProperties, limitProperties, propertyAnnotationNames, propertyOf } from "./systemd-properties.js";

/** What a configuration must keep to beside what every one must. */
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
  const unit = (cgroup: PlannedCgroup): SystemdUnit => {
    const own = [
      property("Description", "s", description),
      property("Slice", "s", place.slice),
      // The container, and the limits that systemd does not know, may have cgroups below.
      property("Delegate", "b", true),
      property("DefaultDependencies", "b", false),
      property("MemoryAccounting", "b", true),
      property("CPUAccounting", "b", true),
      property(cgroup.v2 ? "IOAccounting" : "BlockIOAccounting", "b", true),
      property("TasksAccounting", "b", true),
      ...limitProperties(cgroup.writes, cgroup.v2),
      ...(cgroup.deviceRules ? deviceProperties(cgroup.deviceRules, facts.deviceNames) : []),
    ];
    const names = new Set(asked.map(({ name }) => name));
    return { name: place.unit, description, bus: facts.bus, properties: [...own.filter(({ name }) => !names.has(name)), ...asked] };
  };
  const undo = { op: "stopUnit" as const, unit: place.unit, description, bus: facts.bus };
  return { cgroup: joinBelow(facts.controlGroup, joinBelow(expandSlice(place.slice), place.unit)), unit, undo };
}

/** A description of the caller's own takes the place of ours, also for telling units apart. */
function descriptionOf(properties: readonly UnitProperty[]): string | undefined {
  const value = properties.find(({ name }) => name === "Description")?.value;
  return typeof value === "string" ? value : undefined;
}
