/**
 * From a seccomp profile to a filter with every default filled in (config-linux.md#seccomp). A script of its own: a profile whose filter is
 * kept already is not planned again.
 */

import type {
  SeccompAction as Action,
  SeccompComparison,
  SeccompOperator,
  SeccompProfile,
  SeccompRule,
  Warning,
} from "../generated/plan.js";
import { quote } from "../spec/fault.js";
import type { Seccomp, SeccompAction, SeccompOperators, Syscall, SyscallArg } from "../spec/generated/spec-types.js";
import { seccompFlagNames } from "../spec/seccomp-names.js";

/** What a filter returns where config.json gives no number (config-linux.md: "The default is EPERM"). */
const EPERM = 1;
const ENOSYS = 38;

const OPERATORS: Record<SeccompOperators, SeccompOperator> = {
  SCMP_CMP_NE: "notEqual",
  SCMP_CMP_LT: "less",
  SCMP_CMP_LE: "lessOrEqual",
  SCMP_CMP_EQ: "equal",
  SCMP_CMP_GE: "greaterOrEqual",
  SCMP_CMP_GT: "greater",
  SCMP_CMP_MASKED_EQ: "maskedEqual",
};

/** The filter of a profile without faults. Without `flags`, not even an empty list, it asks for SPEC_ALLOW where the kernel has it, as runc does. */
export function planSeccomp(profile: Seccomp): SeccompProfile {
  const { architectures = [], flags, syscalls = [] } = profile;
  const defaultAction = actionOf(profile.defaultAction, profile.defaultErrnoRet);
  const entries = syscalls.map((syscall, index) => ({
    syscall,
    pointer: `/linux/seccomp/syscalls/${index}`,
    action: actionOf(syscall.action, syscall.errnoRet),
  }));
  const [same, others] = [
    entries.filter(({ action }) => isSame(action, defaultAction)),
    entries.filter(({ action }) => !isSame(action, defaultAction)),
  ];
  const listens = others.some(({ action }) => action.kind === "notify") && profile.listenerPath;
  return {
    defaultAction,
    architectures: architectures.map((name) => name.slice("SCMP_ARCH_".length).toLowerCase()),
    flags: (flags ?? []).map((flag) => seccompFlagNames[flag]),
    preferredFlags: flags === undefined ? ["specAllow"] : [],
    rules: others.flatMap(({ syscall, pointer, action }) => rulesOf(syscall, pointer, action)),
    denyNewer: deniesNewer(defaultAction),
    defaultNames: same.flatMap(({ syscall }) => syscall.names),
    listener: listens ? { path: listens, metadata: profile.listenerMetadata ?? null } : null,
    ...(profile.listenerPath && !listens && { warnings: [unusedListener(profile.listenerPath)] }),
  };
}

/** config-linux.md#seccomp, listenerPath: ignored then. PlanFindings from here because the filter, and with it this, is kept without the profile. */
function unusedListener(path: string): Warning {
  const message = `${quote(path)} has no effect: no entry of /linux/seccomp/syscalls has the action SCMP_ACT_NOTIFY`;
  return { pointer: "/linux/seccomp/listenerPath", message, rule: "seccomp-listener-unused" };
}

function actionOf(action: SeccompAction, errno: number | undefined): Action {
  switch (action) {
    case "SCMP_ACT_KILL": // libseccomp's name of old
    case "SCMP_ACT_KILL_THREAD":
      return { kind: "killThread" };
    case "SCMP_ACT_KILL_PROCESS":
      return { kind: "killProcess" };
    case "SCMP_ACT_TRAP":
      return { kind: "trap" };
    case "SCMP_ACT_ERRNO":
      return { kind: "errno", data: errno ?? EPERM };
    case "SCMP_ACT_TRACE":
      return { kind: "trace", data: errno ?? EPERM };
    case "SCMP_ACT_LOG":
      return { kind: "log" };
    case "SCMP_ACT_NOTIFY":
      return { kind: "notify" };
    case "SCMP_ACT_ALLOW":
      return { kind: "allow" };
  }
}

const isSame = (a: Action, b: Action): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Whether a call that the profile could not know must not get the profile's answer; a tracer knows what it does. */
function deniesNewer(defaultAction: Action): boolean {
  const { kind } = defaultAction;
  return kind !== "allow" && kind !== "log" && !(kind === "errno" && defaultAction.data === ENOSYS);
}

/** Conditions on different arguments must all hold. Of two on one argument either does: each is a rule, as with runc. */
function rulesOf({ names, args = [] }: Syscall, pointer: string, action: Action): SeccompRule[] {
  const comparisons = args.map(comparisonOf);
  const repeats = new Set(args.map(({ index }) => index)).size < args.length;
  const groups = repeats ? comparisons.map((comparison) => [comparison]) : [comparisons];
  return groups.map((group) => ({ names, action, comparisons: group, pointer }));
}

function comparisonOf({ index, op, value, valueTwo = 0 }: SyscallArg): SeccompComparison {
  return { argument: index, operator: OPERATORS[op], first: String(value), second: String(valueTwo) };
}
