/** Checks invariants of the plans of seccomp profiles. */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import { planSeccomp } from "../../src/runtime/plan/seccomp.js";
import { defaultSpec } from "../../src/runtime/operations/default-spec.js";
import { rareRules } from "../../src/runtime/rare.js";
import report from "../../src/runtime/spec/generated/validate-config-report.js";
import { loadCarefully } from "../../src/runtime/spec/load-carefully.js";
import { SpecError } from "../../src/runtime/spec/spec-error.js";
import { SchemaArbitrary } from "./schema-arbitrary.js";
import type { Value } from "./schema-arbitrary.js";
import { toJson } from "./configurations.js";

const fromSchema: fc.Arbitrary<Value> = new SchemaArbitrary({
  "": ["a"],
  names: ["read", "getppid", "socketcall", "fly", "swim", "__proto__", ""],
  listenerPath: ["/run/agent", "agent", ""],
  listenerMetadata: ["m", ""],
}).at("linux/seccomp");

interface Profile {
  defaultAction: string;
  defaultErrnoRet?: Value;
  listenerPath?: string;
  syscalls?: { action: string; errnoRet?: Value; args?: { index: number }[] }[];
}

/** Repairs the faults of most random profiles: errno values for actions without one, argument indexes that are too high, a missing listener. */
function repaired(profile: Value): Value {
  const { defaultErrnoRet: _, ...copy } = structuredClone(profile) as unknown as Profile;
  if (copy.defaultAction === "SCMP_ACT_NOTIFY") copy.defaultAction = "SCMP_ACT_KILL";
  for (const syscall of copy.syscalls ?? []) {
    if (syscall.action !== "SCMP_ACT_ERRNO") delete syscall.errnoRet;
    else if (syscall.errnoRet !== undefined) syscall.errnoRet = 38;
    for (const argument of syscall.args ?? []) argument.index %= 6;
  }
  return { ...copy, listenerPath: "/run/agent" } as unknown as Value;
}

/** Profiles that fit the schema, with known and unknown system calls. Most are valid. */
export const profiles: fc.Arbitrary<Value> = fc.oneof(fromSchema, fromSchema.map(repaired));

/**
 * Checks the plan of a profile, if the profile is valid.
 * @returns whether it was valid
 */
export function checkProfile(profile: Value): boolean {
  const text = toJson({ ...(JSON.parse(JSON.stringify(defaultSpec({}))) as object), linux: { seccomp: profile } });
  let seccomp;
  try {
    seccomp = loadCarefully(text, rareRules, report, { rootless: false }).linux?.seccomp;
  } catch (error) {
    assert.ok(error instanceof SpecError, `validation threw ${String(error)}`);
    return false;
  }
  assert.ok(seccomp);
  const planned = planSeccomp(seccomp);
  const json = JSON.stringify(planned);
  assert.deepEqual(JSON.parse(json), planned, "stable under a round trip");
  assert.ok(!/NaN|Infinity|undefined/.test(json));
  const names = (lists: readonly { names: readonly string[] }[]): Set<string> => new Set(lists.flatMap((list) => list.names));
  // Also unknown names: only the native layer knows which names libseccomp has.
  assert.deepEqual(
    names([...planned.rules, { names: planned.defaultNames }]),
    names(seccomp.syscalls ?? []),
    "every name is in a rule, or gets the default",
  );
  for (const { action, comparisons, pointer } of planned.rules) {
    assert.notDeepEqual(action, planned.defaultAction, "a rule differs from the default");
    assert.match(pointer, /^\/linux\/seccomp\/syscalls\/\d+$/);
    for (const { argument, first, second } of comparisons) {
      assert.ok(argument <= 5);
      for (const number of [first, second]) assert.ok(/^\d+$/.test(number) && BigInt(number) < 2n ** 64n, number);
    }
  }
  assert.equal(planned.listener === null, !(seccomp.listenerPath && planned.rules.some(({ action }) => action.kind === "notify")));
  return true;
}
