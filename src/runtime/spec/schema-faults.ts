/** ajv's errors as faults. */

import { describe, segment, valueAt, type Fault } from "./fault.js";

/** ajv's report of one fault (`messages: false`). */
export interface SchemaError {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: { readonly [name: string]: unknown };
}

/** A validator that collects every fault (`allErrors`). */
export interface ReportValidator {
  (document: unknown): boolean;
  errors?: readonly SchemaError[] | null;
}

const typeNames: { readonly [type: string]: string } = {
  object: "an object",
  array: "an array",
  string: "a string",
  boolean: "true or false",
  integer: "an integer",
  number: "a number",
};

/** Descriptions of the schema's patterns. */
const patternNames: { readonly [pattern: string]: string } = {
  "^[cbup]$": 'one of "c", "b", "u", "p"',
  "^RLIMIT_[A-Z]+$": 'the name of a limit, such as "RLIMIT_NOFILE"',
  "^[0-9, -]*$": 'a list of numbers, such as "0-3,7"',
  "^[1-9][0-9]*[KMG]B$": 'the size of a huge page, such as "2MB"',
};

/** Bounds of the schema that a double cannot represent. */
const exactBounds: { readonly [double: string]: string } = {
  "18446744073709552000": "18446744073709551615",
  "9223372036854776000": "9223372036854775807",
  "-9223372036854776000": "-9223372036854775808",
};

/**
 * The faults that a validator finds.
 * @param validate gets `document`, in which integers beyond 2^53 are doubles
 * @param shown the same document with exact integers, for the values in errors
 */
export function schemaFaults(validate: ReportValidator, document: unknown, shown: unknown): Fault[] {
  if (validate(document)) return [];
  return (validate.errors ?? []).map((error) => {
    const missing = error.keyword === "required" ? `/${segment(String(error.params["missingProperty"]))}` : "";
    const pointer = error.instancePath + missing;
    return { pointer, found: describe(valueAt(shown, pointer)), allowed: allowedBy(error), rule: "schema" };
  });
}

function allowedBy({ keyword, params }: SchemaError): string {
  switch (keyword) {
    case "required":
      return "a value: it is required";
    case "type":
      return typeNames[String(params["type"])] ?? String(params["type"]);
    case "enum":
      return `one of ${(params["allowedValues"] as unknown[]).map((value) => JSON.stringify(value)).join(", ")}`;
    case "pattern":
      return patternNames[String(params["pattern"])] ?? `text that matches ${String(params["pattern"])}`;
    case "minimum":
      return `at least ${bound(params["limit"])}`;
    case "maximum":
      return `at most ${bound(params["limit"])}`;
    case "minItems":
      return `at least ${String(params["limit"])} of them`;
    default:
      return `what the schema's keyword "${keyword}" says`;
  }
}

function bound(limit: unknown): string {
  return exactBounds[String(limit)] ?? String(limit);
}
