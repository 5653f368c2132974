/** Checks invariants of validation and planning. Each check throws if an invariant is violated. */
import assert from "node:assert/strict";
import { isRuntimeError } from "../../src/runtime/errors.js";
import type { HostFacts, Operation } from "../../src/runtime/generated/plan.js";
import { pathsToProbe, plan } from "../../src/runtime/plan/plan.js";
import type { PlannedContainer, PlanOptions } from "../../src/runtime/plan/plan.js";
import { planRare } from "../../src/runtime/plan/rare.js";
import fits from "../../src/runtime/spec/generated/validate-config-fast.js";
import report from "../../src/runtime/spec/generated/validate-config-report.js";
import { PLAN_OPTIONS } from "../../src/runtime/testing/plan-options.js";
import { FACTS } from "../../src/runtime/testing/fake-door.js";
import { rareRules } from "../../src/runtime/rare.js";
import { commonRules } from "../../src/runtime/spec/check.js";
import { loadCarefully } from "../../src/runtime/spec/load-carefully.js";
import { loadSpec } from "../../src/runtime/spec/load.js";
import type { CarefulLoader, ValidatedSpec } from "../../src/runtime/spec/load.js";
import { SpecError } from "../../src/runtime/spec/spec-error.js";
import type { Fault } from "../../src/runtime/spec/fault.js";
import type { Configuration, DamagedConfiguration } from "./configurations.js";

const v1 = ["cpu", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb", "net_cls", "net_prio", "rdma"];
const HYBRID: HostFacts = {
  ...FACTS,
  cgroupMode: "hybrid",
  hierarchies: [
    ...v1.map((controller) => ({ controllers: [controller], mountpoint: `/sys/fs/cgroup/${controller}`, own: "/own" })),
    { controllers: [], mountpoint: "/sys/fs/cgroup/unified", own: "/" },
  ],
};

/**
 * Validates a configuration, and plans it if it is valid.
 * @returns whether it could be planned
 */
export function checkConfiguration({ text, rootless, v2, twice }: Configuration): boolean {
  const spec = load(text, rootless, twice);
  return spec !== undefined && checkPlan(spec, { ...(v2 ? FACTS : HYBRID), euid: rootless ? 1000 : 0 });
}

/** Checks that validation throws only its own errors, and that both validators agree. Returns the spec if it is valid. */
function load(text: string, rootless: boolean, twice: boolean): ValidatedSpec | undefined {
  let usedCarefulLoader = false;
  const careful = (): CarefulLoader => {
    usedCarefulLoader = true;
    return (configText, rules, options) => loadCarefully(configText, rules, report, options);
  };
  try {
    const spec = loadSpec(text, { fits, careful, rare: () => rareRules }, { rootless });
    // The careful validator must accept what the fast one accepts.
    if (twice && !usedCarefulLoader) loadCarefully(text, [...commonRules, ...rareRules], report, { rootless });
    return spec;
  } catch (error) {
    assert.ok(isRuntimeError(error), `validation threw ${String(error)}`);
    if (error instanceof SpecError) {
      assert.ok(error.faults.length > 0);
      for (const { pointer, found, allowed, rule } of error.faults) {
        assert.match(pointer, /^(\/|$)/);
        assert.ok(found !== "" && allowed !== "" && rule !== "", `an empty word in ${pointer}`);
      }
    } else {
      assert.equal(error.code, "invalidConfig");
      assert.match(error.message, /^parse "config.json": /);
    }
    return undefined;
  }
}

/**
 * Checks that a member that violates the schema neither hides nor causes faults of unrelated members.
 * @returns whether there were faults of unrelated members
 */
export function checkDamage({ text, damaged, pointer, rootless }: DamagedConfiguration): boolean {
  const elsewhere = (document: string): string[] =>
    faultsOf(document, rootless)
      .filter((fault) => fault.pointer !== pointer && !fault.pointer.startsWith(`${pointer}/`))
      .map((fault) => `${fault.pointer} ${fault.rule} ${fault.found} ${fault.allowed}`);
  const expected = elsewhere(text);
  assert.deepEqual(elsewhere(damaged), expected);
  return expected.length > 0;
}

function faultsOf(text: string, rootless: boolean): readonly Fault[] {
  try {
    loadCarefully(text, [...commonRules, ...rareRules], report, { rootless });
    return [];
  } catch (error) {
    assert.ok(error instanceof SpecError, `validation threw ${String(error)}`);
    return error.faults;
  }
}

/** Checks that a plan is plain JSON, and that its paths stay where they belong. Returns false if planning fails with a RuntimeError. */
function checkPlan(spec: ValidatedSpec, facts: HostFacts): boolean {
  const options: PlanOptions = { ...PLAN_OPTIONS, rare: planRare(spec) };
  const known = { ...facts, resctrl: "/sys/fs/resctrl" };
  let planned: PlannedContainer;
  try {
    const missing = pathsToProbe(spec, known, options);
    planned = plan(spec, { ...known, missing }, options);
  } catch (error) {
    assert.ok(isRuntimeError(error), `planning threw ${String((error as Error).stack)}`);
    return false;
  }
  const text = JSON.stringify(planned);
  assert.equal(JSON.stringify(JSON.parse(text)), text, "stable under a round trip");
  assert.ok(!/null,"(uid|gid|mode|size)|NaN|Infinity/.test(text));
  checkPaths(planned, facts);
  return true;
}

function checkPaths({ plan: { operations, cgroup, resctrl }, rootfs, undo }: PlannedContainer, { hierarchies }: HostFacts): void {
  assert.ok(isClean(rootfs), rootfs);
  for (const operation of operations) checkOperation(operation, rootfs);
  const below = (path: string): boolean => isClean(path) && hierarchies.some(({ mountpoint }) => path.startsWith(`${mountpoint}/`));
  const own = cgroup.directories.map(({ path }) => path);
  for (const path of own) assert.ok(below(path), path);
  for (const { path } of cgroup.writes) assert.ok(own.includes(path.slice(0, path.lastIndexOf("/"))) && isClean(path), path);
  if (resctrl) assert.ok(isClean(resctrl.group) && resctrl.group.startsWith("/sys/fs/resctrl"), resctrl.group);
  for (const step of undo)
    if ("path" in step && step.op !== "unmount") assert.ok(below(step.path) || step.path.startsWith("/sys/fs/resctrl/"), step.path);
}

/** Checks the paths of an operation. Host paths must be clean. The native layer resolves the container's paths below the rootfs. */
function checkOperation(operation: Operation, rootfs: string): void {
  switch (operation.op) {
    case "rootfs":
      assert.equal(operation.path, rootfs);
      break;
    case "mount":
      assert.ok(isClean(operation.destination) && operation.destination !== "/", operation.destination);
      if (operation.source.kind === "bind" || operation.source.kind === "mappedBind")
        assert.ok(isClean(operation.source.source), operation.source.source);
      break;
    case "sysctl":
      assert.ok(isClean(`/${operation.name}`), operation.name);
      break;
    case "device":
      assert.ok(operation.path.startsWith("/"), operation.path);
      break;
    case "readonlyPaths":
    case "maskPaths":
      for (const path of operation.paths) assert.ok(path.startsWith("/"), path);
      break;
    default:
  }
}

/** Whether a path is absolute and has no `.`, `..` or empty components. */
function isClean(path: string): boolean {
  return path === "/" || (path.startsWith("/") && !/\/(\.{0,2})(\/|$)/.test(path));
}
