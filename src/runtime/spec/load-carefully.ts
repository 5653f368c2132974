/** Reads a configuration that the fast path of `load.ts` did not accept: with exact integers, and with a description of every fault. */

import { RuntimeError } from "../errors.js";
import { check } from "./check.js";
import { exactDocument } from "./exact-document.js";
import { inDocumentOrder } from "./fault.js";
import { isTooDeep } from "./json-document.js";
import { findJsonFault } from "./json-fault.js";
import type { LoadOptions, ValidatedSpec } from "./load.js";
import { withoutNullMembers } from "./null-members.js";
import type { Rules } from "./rule.js";
import { schemaFaults, type ReportValidator } from "./schema-faults.js";
import { SpecError } from "./spec-error.js";
import { textFaults } from "./text-faults.js";

/**
 * Does what `loadSpec` documents, for any text; both accept the same texts.
 * @param report the validator that reports every fault: `generated/validate-config-report.js`
 */
export function loadCarefully(text: string, rules: readonly Rules[], report: ReportValidator, options: LoadOptions): ValidatedSpec {
  const name = options.name ?? "config.json";
  const document = parse(text, options);
  if (isTooDeep(text, document)) throw jsonError(text, options);
  const exact = exactDocument(text);
  const spec = withoutNullMembers(text, exact);

  // The schema compares with doubles; everything after it with the exact integers.
  const unsound = [...textFaults(text, document), ...schemaFaults(report, withoutNullMembers(text, document), exact)];
  const pointers = unsound.map(({ pointer }) => pointer);
  const faults = [...unsound, ...check(spec, rules, options, pointers)];
  if (faults.length > 0) throw new SpecError(name, inDocumentOrder(exact, faults));
  return spec as ValidatedSpec;
}

function parse(text: string, options: LoadOptions): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw jsonError(text, options);
  }
}

function jsonError(text: string, { name = "config.json", holds }: LoadOptions): RuntimeError {
  const fault = findJsonFault(text, holds);
  const cause =
    fault === undefined ? "not JSON" : `line ${fault.line}, column ${fault.column}: expected ${fault.expected}, found ${fault.found}`;
  return new RuntimeError(cause, { code: "invalidConfig", operation: `parse "${name}"`, path: name });
}
