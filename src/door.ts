/**
 * The interface between the core and the system. The core is plain ECMAScript 2022 and does everything else through a `Door`, so that the same
 * code runs in Node.js and in the static binary.
 */

import type { CgroupWrite, DeviceRule, SeccompProfile, UnitProperty, Warning } from "./runtime/generated/plan.js";
import type { RarePlan } from "./runtime/plan/rare.js";
import type { Scope, ScopeRequest } from "./runtime/plan/scope.js";
import type { DeviceFacts } from "./runtime/plan/systemd-devices.js";
import type { LimitFacts, UnitLimits } from "./runtime/plan/systemd-limits.js";
import type { Rules } from "./runtime/spec/rule.js";
import type { Seccomp, Spec } from "./runtime/spec/generated/spec-types.js";
import type { PlanFindings } from "./runtime/plan/findings.js";
import type { CarefulLoader } from "./runtime/spec/load.js";

/** The core's only access to the system. */
export interface Door {
  /** Arguments without the program's name. Bytes that are not UTF-8 are U+FFFD. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Sends one synchronous request to the native layer, both as JSON. A failed request does not throw: its reply is `failed`. */
  call(request: string): string;
  /** Writes all of `text`; only src/cli calls it. */
  write(fd: 1 | 2, text: string): void;
  /** The version, set at build time. */
  readonly build: { version: string; commit: string; hostName: "static" | "node" };
  /** Loads a part of the core that few calls need. */
  part<Name extends keyof LazyParts>(name: Name): LazyParts[Name];
}

/** The parts of the core that a program may load late; the static one has a script of each (scripts/bundle.mjs). */
export interface LazyParts {
  /** src/runtime/careful.ts: for a configuration that is faulty or holds integers beyond 2^53. Large. */
  careful: { readCarefully: CarefulLoader };
  /** src/runtime/rare.ts: for a configuration with a field that few have. */
  rare: { planRare(spec: Spec): RarePlan; rareRules: readonly Rules[] };
  /** src/runtime/plan/seccomp.ts: for a seccomp profile whose filter is not kept. */
  seccomp: { planSeccomp(profile: Seccomp): SeccompProfile };
  /** src/runtime/warnings.ts: for a configuration that is worth a warning. */
  warnings: { warningsOf(spec: Spec, told: PlanFindings): Warning[] };
  /** src/runtime/plan/systemd.ts: for the cgroup driver systemd. */
  systemd: {
    factsWanted(spec: Spec): { bfq: boolean; oomPolicy: boolean };
    planScope(request: ScopeRequest): Scope;
    unitRules: readonly Rules[];
    planUnitLimits(writes: readonly CgroupWrite[], facts: LimitFacts): UnitLimits;
    deviceProperties(rules: readonly DeviceRule[], facts: DeviceFacts): UnitProperty[];
  };
}
