/** Plans a process of `exec`: the defaults in the container's record, overridden by the caller's options. Pure. */

import { RuntimeError } from "../errors.js";
import type { Capabilities, CgroupJoin, ContainerRecord, ExecAffinity, Operation, Process, RecordedAffinity } from "../generated/plan.js";
import { capabilityNumbers, isCapability } from "../spec/capability-names.js";
import { numbersOf } from "../spec/number-list.js";
import { joinBelow } from "./paths.js";
import { dedupeEnvironment, withoutEmptyHome } from "./process.js";

/** The caller's options for a process of `exec`. The default of each is the container's first process. */
export interface ExecProcessOptions {
  args?: readonly string[] | undefined;
  cwd?: string | undefined;
  /** Added to the environment. The last of several entries for one variable counts. */
  env?: readonly string[] | undefined;
  uid?: number | undefined;
  gid?: number | undefined;
  /** Added to the supplementary groups. */
  additionalGids?: readonly number[] | undefined;
  /** Names, added to the bounding, effective and permitted sets, and to the ambient set if they are inheritable. */
  capabilities?: readonly string[] | undefined;
  apparmorProfile?: string | undefined;
  /** SELinux label. */
  processLabel?: string | undefined;
  noNewPrivileges?: boolean | undefined;
  terminal?: boolean | undefined;
  /** How many descriptors, from 3 on, the program keeps. Default 0. */
  preserveFds?: number | undefined;
}

/** The capabilities that the kernel has and the caller lacks. */
export interface CapabilityLimits {
  lastCapability: number;
  missingCapabilities: readonly number[];
}

/**
 * @param base the process before `options` are applied
 * @param limits needed with `options.capabilities`
 * @throws RuntimeError on a capability that cannot be granted
 */
export function planExecProcess(base: Process, options: ExecProcessOptions, limits: CapabilityLimits | undefined): Process {
  const { env, setHome } = withoutEmptyHome(options.env?.length ? dedupeEnvironment([...base.env, ...options.env]) : base.env);
  const gids = options.additionalGids ?? [];
  const operations = relabelled(base.operations ?? [], options);
  return {
    ...base,
    args: [...(options.args ?? base.args)],
    env,
    setHome,
    cwd: options.cwd ?? base.cwd,
    uid: options.uid ?? base.uid,
    gid: options.gid ?? base.gid,
    additionalGids: gids.length > 0 ? [...new Set([...(base.additionalGids ?? []), ...gids])] : base.additionalGids,
    capabilities:
      limits && options.capabilities?.length ? withCapabilities(base.capabilities, options.capabilities, limits) : base.capabilities,
    noNewPrivileges: options.noNewPrivileges ?? base.noNewPrivileges,
    terminal: options.terminal ?? base.terminal,
    preserveFds: options.preserveFds ?? 0,
    keyringLabel: options.processLabel || base.keyringLabel,
    operations,
  };
}

const CAP_SYS_PTRACE = 19;

/** The defaults for processes of a container. @throws RuntimeError for a record of an older version */
export function execDefaults({ defaults, env }: ContainerRecord): Process {
  if (!defaults) {
    throw new RuntimeError("the container was made by an older version, which did not record what exec needs", { code: "unsupported" });
  }
  return { ...defaults, env: env ?? defaults.env, terminal: false };
}

/** Replaces the labels. An empty label means that the container's is kept. */
function relabelled(operations: readonly Operation[], { apparmorProfile, processLabel }: ExecProcessOptions): Operation[] {
  const others = operations.filter(({ op }) => !(op === "apparmor" && apparmorProfile) && !(op === "selinux" && processLabel));
  const labels: Operation[] = [];
  if (apparmorProfile) labels.push({ op: "apparmor", profile: apparmorProfile });
  if (processLabel) labels.push({ op: "selinux", label: processLabel });
  return [...labels, ...others];
}

function withCapabilities(base: Capabilities | null, names: readonly string[], limits: CapabilityLimits): Capabilities {
  const none: Capabilities = { bounding: "0", effective: "0", inheritable: "0", permitted: "0", ambient: "0" };
  const sets = base ?? none;
  const bits = names.map((name) => capabilityBit(name, limits));
  const inheritable = bits.filter((bit) => hasBit(sets.inheritable, bit));
  return {
    bounding: withBits(sets.bounding, bits),
    effective: withBits(sets.effective, bits),
    permitted: withBits(sets.permitted, bits),
    // Unchanged: a program with inheritable file capabilities would gain them (CVE-2022-29162).
    inheritable: sets.inheritable,
    ambient: withBits(sets.ambient, inheritable),
  };
}

function capabilityBit(name: string, { lastCapability, missingCapabilities }: CapabilityLimits): number {
  const refused = (cause: string): RuntimeError =>
    new RuntimeError(cause, { code: "invalidArgument", operation: `give the capability ${JSON.stringify(name)}` });
  if (!isCapability(name)) throw refused("unknown");
  const bit = capabilityNumbers[name] as number;
  if (bit > lastCapability) throw refused("unknown to the host's kernel");
  if (missingCapabilities.includes(bit)) throw refused("the runtime is without it");
  return bit;
}

/** Exact in a double, as capabilities have fewer than 53 numbers. */
function hasBit(mask: string, bit: number): boolean {
  return Math.floor(Number(mask) / 2 ** bit) % 2 === 1;
}

function withBits(mask: string, bits: readonly number[]): string {
  return String([...new Set(bits)].filter((bit) => !hasBit(mask, bit)).reduce((sum, bit) => sum + 2 ** bit, Number(mask)));
}

/** The CPU affinity from its lists; null if neither is given. */
export function planExecAffinity(affinity: RecordedAffinity | undefined): ExecAffinity | null {
  if (!affinity || (!affinity.initial && !affinity.final)) return null;
  return { initial: affinity.initial ? numbersOf(affinity.initial) : null, final: affinity.final ? numbersOf(affinity.final) : null };
}

/**
 * The cgroups that the process joins.
 * @param wanted as in `--cgroup`: paths below the container's cgroups, `[controller[,controller]:]path`
 * @throws RuntimeError on a path outside of them, or on a controller without a cgroup of the container
 */
export function planCgroupJoin({ cgroups, namespaces, defaults }: ContainerRecord, wanted: readonly string[]): CgroupJoin {
  const below = subCgroups(cgroups, wanted);
  // The container's processes may have CAP_SYS_PTRACE. In a user namespace it gives no power over a process from outside of it.
  const mayTrace = !namespaces.includes("user") && hasBit(defaults?.capabilities?.bounding ?? "0", CAP_SYS_PTRACE);
  const join: CgroupJoin = { joinTasks: [], cloneInto: null, fallBackToInitCgroup: false, mayStartOutside: !mayTrace };
  for (const { controllers, path } of cgroups) {
    const sub = controllers.length === 0 ? below.get("") : (controllers.map((name) => below.get(name)).find(Boolean) ?? below.get(""));
    const directory = sub === undefined ? path : joinBelow(path, sub);
    if (controllers.length > 0) {
      join.joinTasks.push(directory);
    } else {
      join.cloneInto = directory;
      join.fallBackToInitCgroup = sub === undefined;
    }
  }
  return join;
}

/** The paths by controller; the empty name stands for v2 and for all controllers of v1. */
function subCgroups(cgroups: ContainerRecord["cgroups"], wanted: readonly string[]): Map<string, string> {
  const paths = new Map<string, string>();
  const known = new Set(cgroups.flatMap(({ controllers }) => controllers));
  for (const argument of wanted) {
    const refused = (cause: string): RuntimeError =>
      new RuntimeError(cause, { code: "invalidArgument", operation: `use the cgroup ${JSON.stringify(argument)}` });
    if (cgroups.length === 0) throw refused("the container has no cgroup of its own");
    const colon = argument.indexOf(":");
    const path = argument.slice(colon + 1);
    if (path.split("/").includes("..")) throw refused('bad sub cgroup path: ".." is not allowed');
    if (colon < 0 && wanted.length > 1) throw refused("with several cgroups each needs its controller before a colon");
    for (const name of colon < 0 ? [""] : argument.slice(0, colon).split(",")) {
      if (colon >= 0 && name === "") throw refused("an empty name of a controller");
      const controller = known.has(`name=${name}`) ? `name=${name}` : name;
      if (controller !== "" && !known.has(controller))
        throw refused(`unknown controller: the container has no cgroup with ${JSON.stringify(name)}`);
      if (paths.has(controller)) throw refused(`the controller ${JSON.stringify(name)} has two cgroups`);
      paths.set(controller, path);
    }
  }
  return paths;
}
