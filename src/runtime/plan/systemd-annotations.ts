/** Annotations `org.systemd.property.NAME` as properties of a unit (org.freedesktop.systemd1(5)). */

import type { UnitProperty } from "../generated/plan.js";
import { parseVariantText } from "./gvariant.js";
import type { BusValue } from "./gvariant.js";
import { SYSTEMD_PREFIX } from "../spec/rare-fields.js";

const MICROSECONDS = 1_000_000n;

/** Properties that the runtime sets itself. */
const RESERVED = ["PIDs", "Slice"];

/** The names in annotations `org.systemd.property.NAME`, whose value is GVariant text. */
export function propertyAnnotationNames(annotations: Readonly<Record<string, string>> | undefined): string[] {
  return Object.keys(annotations ?? {})
    .filter((key) => key.startsWith(SYSTEMD_PREFIX))
    .map((key) => key.slice(SYSTEMD_PREFIX.length));
}

/** The annotations of a valid configuration as properties. */
export function annotationProperties(annotations: Readonly<Record<string, string>> | undefined): UnitProperty[] {
  return propertyAnnotationNames(annotations).flatMap((name) => {
    const property = propertyOf(name, annotations?.[SYSTEMD_PREFIX + name] as string);
    return typeof property === "string" ? [] : [{ ...property, pointer: `/annotations/${SYSTEMD_PREFIX}${name}` }];
  });
}

/**
 * One property. `NAME` in seconds (`...Sec`) becomes the property in microseconds (`...USec`).
 * @returns what is allowed instead, if the name or value is invalid
 */
export function propertyOf(name: string, text: string): Omit<UnitProperty, "pointer"> | string {
  if (!/^[A-Za-z]{3,}$/.test(name) || RESERVED.includes(name)) {
    return `nothing: after ${SYSTEMD_PREFIX} comes the name of a scope's property, but ${RESERVED.join(" and ")}`;
  }
  const parsed = parseVariantText(text);
  if (!parsed) return "a value in GVariant text such as 'text', true or uint64 5";
  if (!/[a-z]Sec$/.test(name)) return { name, ...parsed };
  const microseconds = inMicroseconds(parsed.value);
  if (microseconds === undefined) return "a number of seconds that is not negative";
  return { name: name.replace(/Sec$/, "USec"), signature: "t", value: microseconds };
}

function inMicroseconds(value: BusValue): string | undefined {
  if (typeof value === "string" && /^[0-9]+$/.test(value)) return String(BigInt(value) * MICROSECONDS);
  if (typeof value !== "number" || !(value >= 0) || value > Number.MAX_SAFE_INTEGER / 1e6) return undefined;
  return String(Math.round(value * 1e6));
}
