/** Reads a configuration that the quick way of `load.ts` did not take: exact integers, and every fault in words. */

import { RuntimeError } from "../errors.js";
import { check } from "./check.js";
import { exactDocument, nulFaults } from "./exact-document.js";
import { inDocumentOrder, segmentsOf, type Fault } from "./fault.js";
import type { Spec } from "./generated/spec-types.js";
import { isTooDeep } from "./json-document.js";
import { findJsonFault } from "./json-fault.js";
import type { LoadOptions, ValidatedSpec } from "./load.js";
import type { Rules } from "./rule.js";
import { schemaFaults, type ReportValidator } from "./schema-faults.js";
import { SpecError } from "./spec-error.js";

/**
 * Does what `loadSpec` says, for any text: what it takes is what `loadSpec` takes.
 * @param report the validator that tells every fault: `generated/validate-config-report.js`
 */
export function loadCarefully(text: string, rules: readonly Rules[], report: ReportValidator, options: LoadOptions): ValidatedSpec {
  const name = options.name ?? "config.json";
  const document = parse(text, name);
  if (isTooDeep(text, document)) throw jsonError(text, name);
  const nuls = nulFaults(text, document);
  const exact = exactDocument(text);

  // The schema compares with doubles; everything after it with the exact integers.
  const misfits = schemaFaults(report, document, exact);
  const broken =
    misfits.length === 0 ? check(exact as Spec, rules, options) : faultsOfSoundPart(exact, misfits, (part) => check(part, rules, options));
  const faults = [...nuls, ...misfits, ...broken];
  if (faults.length > 0) throw new SpecError(name, inDocumentOrder(exact, faults));
  return exact as ValidatedSpec;
}

function parse(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw jsonError(text, name);
  }
}

function jsonError(text: string, name: string): RuntimeError {
  const fault = findJsonFault(text);
  const cause =
    fault === undefined ? "not JSON" : `line ${fault.line}, column ${fault.column}: expected ${fault.expected}, found ${fault.found}`;
  return new RuntimeError(cause, { code: "invalidConfig", operation: `parse "${name}"`, path: name });
}

/**
 * What the rules find in the part of a document that fits the schema, so that one run tells everything. A member of
 * the first two levels that does not fit is left out, and with it every fault there.
 */
function faultsOfSoundPart(document: unknown, misfits: readonly Fault[], check: (part: Spec) => Fault[]): Fault[] {
  const unsound = new Set(misfits.map(({ pointer }) => segmentsOf(pointer).slice(0, 2).join("/")));
  // Half of the rules ask which namespaces there are: without an answer they would accuse the wrong field.
  if (unsound.has("") || unsound.has("linux") || unsound.has("linux/namespaces")) return [];
  const spec = soundPart(document as object, unsound) as Spec;
  return check(spec).filter(({ pointer }) => {
    const [first = "", second = ""] = segmentsOf(pointer);
    return !unsound.has(first) && !unsound.has(`${first}/${second}`);
  });
}

/** A copy without the members named `a` or `a/b`. Array elements leave a hole, so that the others keep their index. */
function soundPart(document: object, unsound: ReadonlySet<string>): object {
  return Object.fromEntries(
    Object.entries(document)
      .filter(([name]) => !unsound.has(name))
      .map(([name, value]: [string, unknown]) => {
        if (typeof value !== "object" || value === null) return [name, value];
        const copy: object = Array.isArray(value) ? [...(value as unknown[])] : { ...value };
        for (const member of Object.keys(value)) {
          if (unsound.has(`${name}/${member}`)) Reflect.deleteProperty(copy, member);
        }
        return [name, copy];
      }),
  );
}
