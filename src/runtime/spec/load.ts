/**
 * Parses and validates config.json.
 *
 * Every create and run does this, and nearly every configuration is valid. So this file and its imports only decide whether a configuration is
 * valid, in as little code as possible. An invalid one, or one with integers that JSON.parse rounds, goes to `load-carefully.ts`, which the host
 * loads on demand.
 */

import { commonRules } from "./check.js";
import type { Spec } from "./generated/spec-types.js";
import { isTooDeep } from "./json-document.js";
import { withoutNullMembers } from "./null-members.js";
import { hasRareFields } from "./rare-fields.js";
import { breaksRule, rulesOf, subjectOf, type CheckContext, type Rules } from "./rule.js";
import { mayHaveTextFaults } from "./text-faults.js";

const quickRules = rulesOf(commonRules);

declare const validated: unique symbol;

/** A valid configuration. Only `loadSpec` makes one, and only such a one can be planned. */
export type ValidatedSpec = Spec & { readonly [validated]: true };

/** The options of `loadSpec`. */
export interface LoadOptions extends CheckContext {
  /** The seccomp filter is cached, and a placeholder replaces the profile. */
  readonly seccompIsCached?: boolean;
  /** Name of the file in errors. Default `config.json`. */
  readonly name?: string;
  /** The expected content, for the error if the text is not JSON. Default: an object. */
  readonly holds?: "object" | "array";
  /** Additional rules, such as those of the systemd cgroup driver. */
  readonly more?: readonly Rules[];
}

/** `loadCarefully`, bound to `generated/validate-config-report.js`. It gets the rules as an argument, because its script does not contain them. */
export type CarefulLoader = (text: string, rules: readonly Rules[], options: LoadOptions) => ValidatedSpec;

/** Parts of `loadSpec` that the host loads. */
export interface Loaders {
  /** Whether a document fits the schema and a double holds each of its integers: `generated/validate-config-fast.js`. */
  readonly fits: (document: unknown) => boolean;
  /** Loads `rareRules`. Called only for a configuration that has such fields. */
  readonly rare: () => readonly Rules[];
  /** Called only if the fast path does not accept the text. */
  readonly careful: () => CarefulLoader;
}

/**
 * Reads a configuration and checks it against the schema and the rules of `check`.
 * A `null` member counts as absent (`withoutNullMembers`). Integers beyond 2^53 become bigint, except possibly in unknown members, which are
 * ignored (config.md, "Extensibility"). Of members with the same name the last one counts, as in every other runtime. Names are
 * case-sensitive.
 *
 * @param text config.json, decoded from UTF-8
 * @throws RuntimeError `invalidConfig` if the text is not JSON: `parse "config.json": line 3, column 5: expected ..., found ...`
 * @throws SpecError with all faults at once, in the order of the document
 */
export function loadSpec(text: string, { careful, ...loaders }: Loaders, options: LoadOptions): ValidatedSpec {
  return loadQuickly(text, loaders, options) ?? careful()(text, [...commonRules, ...loaders.rare(), ...(options.more ?? [])], options);
}

/** The configuration if it is certainly valid; `loadCarefully` decides about all others. */
function loadQuickly(text: string, { fits, rare }: Omit<Loaders, "careful">, context: LoadOptions): ValidatedSpec | undefined {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return undefined; // the engines' messages differ: `findJsonFault` finds the fault again
  }
  if (isTooDeep(text, document) || mayHaveTextFaults(text)) return undefined;
  if (!fits(document)) {
    // Possibly only because of null members, which the schema does not allow.
    document = withoutNullMembers(text, document);
    if (!fits(document)) return undefined;
  }
  const subject = subjectOf(document as Spec, context);
  // A profile is long and checked once for many containers, so `fits` does not check it.
  if (subject.spec.linux?.seccomp !== undefined && !context.seccompIsCached) return undefined;
  if (breaksRule(quickRules, subject)) return undefined;
  if (context.more && breaksRule(rulesOf(context.more), subject)) return undefined;
  if (hasRareFields(document as Spec) && breaksRule(rulesOf(rare()), subject)) return undefined;
  return document as ValidatedSpec;
}
