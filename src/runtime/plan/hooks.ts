/** Hooks of config.json as plan data (config.md#posix-platform-hooks). */

import type { Hook as PlannedHook } from "../generated/plan.js";
import type { Hooks, Spec } from "../spec/generated/spec-types.js";

/** The hooks of one kind, in order. */
export function planHooks(spec: Spec, kind: keyof Hooks): PlannedHook[] {
  const hooks = spec.hooks?.[kind];
  if (!hooks) return [];
  return hooks.map((hook, index) => ({
    path: hook.path,
    args: hook.args ?? [],
    env: hook.env ?? null,
    timeoutSeconds: hook.timeout ?? null,
    pointer: `/hooks/${kind}/${index}`,
  }));
}

/** The hooks that run in the runtime namespace before the pivot: prestart first, as it is the oldest in the specification. */
export function planRuntimeHooks(spec: Spec): PlannedHook[] {
  return [...planHooks(spec, "prestart"), ...planHooks(spec, "createRuntime")];
}
