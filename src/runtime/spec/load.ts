/**
 * From the text of config.json to a configuration that can be carried out, or to every reason why not.
 *
 * Every create and run comes through here, and nearly every configuration is sound. So this file and all it imports only
 * say yes or no, in as little code as that takes; a no, and what JSON.parse cannot hold, goes to `load-carefully.ts`,
 * which the host loads then.
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

/** A configuration without faults: only `loadSpec` makes one, and a plan is made of nothing else. */
export type ValidatedSpec = Spec & { readonly [validated]: true };

/** What `loadSpec` is told beside the text. */
export interface LoadOptions extends CheckContext {
  /** The seccomp profile was loaded before, and another stands in for it. */
  readonly seccompIsReady?: boolean;
  /** How errors call the file. Default `config.json`. */
  readonly name?: string;
  /** What it holds, for the error where it is no JSON. Default an object. */
  readonly holds?: "object" | "array";
  /** Rules of this run beside those of every one: of the cgroup driver systemd. */
  readonly more?: readonly Rules[];
}

/** `loadCarefully`, bound to `generated/validate-config-report.js`. The rules are handed to it: it is a script of its own, and they are here. */
export type CarefulLoader = (text: string, rules: readonly Rules[], options: LoadOptions) => ValidatedSpec;

/** What the host carries for `loadSpec`. */
export interface Loaders {
  /** Whether a document fits the schema and a double holds each of its integers: `generated/validate-config-fast.js`. */
  readonly fits: (document: unknown) => boolean;
  /** Loads `rareRules`. Called only for a configuration that has such fields. */
  readonly rare: () => readonly Rules[];
  /** Called only where the quick way ends. */
  readonly careful: () => CarefulLoader;
}

/**
 * Reads a configuration and checks it against the schema and the rules of `check`.
 * A member that is `null` is absent (`withoutNullMembers`). Integers beyond 2^53 come as bigint, but perhaps in unknown members, which are
 * kept and ignored (config.md, "Extensibility"). Of members with the same name the last one counts, as in every other runtime. Names are
 * taken exactly, in upper and lower case too.
 *
 * @param text config.json, decoded from UTF-8
 * @throws RuntimeError `invalidConfig` where the text is no JSON: `parse "config.json": line 3, column 5: expected ..., found ...`
 * @throws SpecError with all faults at once, in the order of the document
 */
export function loadSpec(text: string, { careful, ...loaders }: Loaders, options: LoadOptions): ValidatedSpec {
  return loadQuickly(text, loaders, options) ?? careful()(text, [...commonRules, ...loaders.rare(), ...(options.more ?? [])], options);
}

/** The configuration where nothing at all speaks against it; whatever is uncertain is left to `loadCarefully`. */
function loadQuickly(text: string, { fits, rare }: Omit<Loaders, "careful">, context: LoadOptions): ValidatedSpec | undefined {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return undefined; // the engine's words differ: `findJsonFault` finds it again
  }
  if (isTooDeep(text, document) || mayHaveTextFaults(text)) return undefined;
  if (!fits(document)) {
    // Perhaps for members that are null: no field of the schema may be.
    document = withoutNullMembers(text, document);
    if (!fits(document)) return undefined;
  }
  const subject = subjectOf(document as Spec, context);
  // A profile is long, and read once for many containers: `fits` did not look at it.
  if (subject.spec.linux?.seccomp !== undefined && !context.seccompIsReady) return undefined;
  if (breaksRule(quickRules, subject)) return undefined;
  if (context.more && breaksRule(rulesOf(context.more), subject)) return undefined;
  if (hasRareFields(document as Spec) && breaksRule(rulesOf(rare()), subject)) return undefined;
  return document as ValidatedSpec;
}
