import { readFileSync } from "node:fs";
import t from "tap";
import { pathsToProbe, plan } from "../plan/plan.js";
import { planRare } from "../plan/rare.js";
import { planSeccomp } from "../plan/seccomp.js";
import { FACTS } from "../testing/fake-door.js";
import { PLAN_OPTIONS } from "../testing/plan-options.js";
import { configuration, runcSpecText } from "./fixtures/configurations.js";
import { fullConfiguration } from "./fixtures/full-configuration.js";
import fits from "./generated/validate-config-fast.js";
import report from "./generated/validate-config-report.js";
import { loadCarefully } from "./load-carefully.js";
import { loadSpec } from "./load.js";
import { withoutNullMembers } from "./null-members.js";
import { rareRules } from "./rare-rules.js";
import { SpecError } from "./spec-error.js";

interface Schema {
  $ref?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: Schema | boolean;
  patternProperties?: Record<string, Schema>;
  allOf?: Schema[];
  anyOf?: Schema[];
}

const otherPlatforms = ["solaris", "windows", "vm", "zos", "freebsd"];

type Json = Record<string, unknown>;

/** A field of the schema in a document. */
interface Field {
  /** The names on the way to it, from the top of the document. */
  path: string[];
  isRequired: boolean;
  isPresent: boolean;
}

/** With `*` for each index. */
function nameOf({ path }: Field): string {
  return path.join("/").replaceAll(/\/\d+/g, "/*");
}

/** Every field of the schema in a document, whether that has it or not; one that it lacks ends the way there. */
function fields(given: Schema, givenFile: string, value: unknown, path: string[]): Field[] {
  const [schema, file] = follow(given, givenFile);
  const at = value as Json;
  const parts = [...(schema.allOf ?? []), ...(schema.anyOf ?? [])].flatMap((part) => fields(part, file, value, path));
  const members = Object.entries(schema.properties ?? {})
    .filter(([name]) => path.length > 0 || !otherPlatforms.includes(name))
    .flatMap(([name, member]): Field[] => {
      const here = { path: [...path, name], isRequired: schema.required?.includes(name) ?? false, isPresent: Object.hasOwn(at, name) };
      return here.isPresent ? [here, ...fields(member, file, at[name], here.path)] : [here];
    });
  const extra = schema.additionalProperties ?? Object.values(schema.patternProperties ?? {})[0];
  const inner = typeof extra === "object" ? extra : schema.items;
  return [...parts, ...members, ...(inner ? Object.keys(at).flatMap((name) => fields(inner, file, at[name], [...path, name])) : [])];
}

function follow(schema: Schema, file: string): [Schema, string] {
  if (schema.$ref === undefined) return [schema, file];
  const [name, pointer = ""] = schema.$ref.split("#");
  const target = name || file;
  let found = JSON.parse(readFileSync(`schema/${target}`, "utf8")) as Json;
  for (const step of pointer.split("/").filter((step) => step !== "")) found = found[step] as Json;
  return follow(found as Schema, target);
}

/** A text of the full configuration in which one field is changed. */
function changed(path: readonly string[], change: (parent: Json, name: string) => void): string {
  const document = JSON.parse(JSON.stringify(fullConfiguration())) as Json;
  let parent = document;
  for (const name of path.slice(0, -1)) parent = parent[name] as Json;
  change(parent, path.at(-1) as string);
  return JSON.stringify(document);
}

const controllers = ["cpu", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb", "net_cls", "net_prio", "rdma"];
const facts = {
  ...FACTS,
  cgroupMode: "hybrid" as const,
  hierarchies: controllers.map((name) => ({ controllers: [name], mountpoint: `/sys/fs/cgroup/${name}`, own: "/" })),
  resctrl: "/sys/fs/resctrl",
};

const load = (text: string): ReturnType<typeof loadSpec> =>
  loadSpec(
    text,
    { fits, rare: () => rareRules, careful: () => (text, rules, options) => loadCarefully(text, rules, report, options) },
    { rootless: false },
  );

/** What becomes of a text: its plan, or why it is refused. */
function outcome(text: string): { plan: unknown } | { faults: string } {
  try {
    const spec = load(text);
    const options = { ...PLAN_OPTIONS, rare: planRare(spec) };
    const unified = spec.linux?.resources?.unified;
    delete spec.linux?.resources?.unified; // cgroup v2 alone has it, and cgroup v1 all else
    const missing = pathsToProbe(spec, facts, options);
    return { plan: [unified, plan(spec, { ...facts, missing }, options), spec.linux?.seccomp && planSeccomp(spec.linux.seccomp)] };
  } catch (error) {
    if (error instanceof SpecError) return { faults: error.message };
    throw error;
  }
}

const all = fields({ $ref: "config-schema.json#" }, "", fullConfiguration(), []);
const optional = all.filter(({ isRequired }) => !isRequired);

t.test("null for each optional field of the schema is the same as its absence", async (t) => {
  const namesOf = (present: boolean): Set<string> => new Set(all.filter(({ isPresent }) => isPresent === present).map(nameOf));
  t.strictSame(
    [...namesOf(false)].filter((name) => !namesOf(true).has(name)),
    [],
    "the configuration has every field of the schema",
  );
  t.ok(optional.length > 130, String(optional.length));
  t.ok("plan" in outcome(JSON.stringify(fullConfiguration())), "the configuration is sound");
  const refused: string[] = [];
  for (const field of optional) {
    const { path } = field;
    const withNull = outcome(changed(path, (parent, name) => (parent[name] = null)));
    const without = outcome(changed(path, (parent, name) => delete parent[name]));
    t.strictSame(withNull, without, path.join("/"));
    if ("faults" in withNull) refused.push(nameOf(field));
  }
  // The rules want these, or something else in the configuration needs them.
  t.strictSame([...new Set(refused)].sort(), [
    "linux",
    "linux/devices/*/major",
    "linux/devices/*/minor",
    "linux/gidMappings",
    "linux/memoryPolicy/mode",
    "linux/memoryPolicy/nodes",
    "linux/namespaces",
    "linux/personality/domain",
    "linux/resources/blockIO/throttleReadBpsDevice/*/rate",
    "linux/resources/blockIO/throttleReadIOPSDevice/*/rate",
    "linux/resources/blockIO/throttleWriteBpsDevice/*/rate",
    "linux/resources/blockIO/throttleWriteIOPSDevice/*/rate",
    "linux/resources/devices/*/access",
    "linux/resources/memory/limit",
    "linux/seccomp/listenerPath",
    "linux/uidMappings",
    "mounts/*/gidMappings",
    "mounts/*/options",
    "mounts/*/source",
    "mounts/*/type",
    "mounts/*/uidMappings",
    "process",
    "process/args",
    "process/ioPriority/priority",
    "process/user/gid",
    "process/user/uid",
    "root",
  ]);
});

t.test("null for a required field is a fault that says so", async (t) => {
  const required = all.filter(({ isRequired }) => isRequired);
  t.ok(required.length > 20, String(required.length));
  for (const { path } of required) {
    const pointer = `/${path.join("/")}`;
    const text = changed(path, (parent, name) => (parent[name] = null));
    t.match(outcome(text), { faults: `${pointer}: found null, allowed: a value: it is required` }, pointer);
  }
});

t.test("null for a section of another platform is its absence", async (t) => {
  for (const platform of otherPlatforms) t.ok(load(runcSpecText.replace("{", `{"${platform}":null,`)), platform);
});

t.test("null in a map counts as the empty value, as in runc", async (t) => {
  const document = {
    annotations: { a: null, b: "c" },
    linux: { sysctl: { x: null }, resources: { unified: { y: null }, rdma: { z: null } }, netDevices: { eth0: null } },
  };
  t.strictSame(withoutNullMembers("null", document), {
    annotations: { a: null, b: "c" }, // a fault: the specification wants strings
    linux: { sysctl: { x: "" }, resources: { unified: { y: "" }, rdma: { z: {} } }, netDevices: { eth0: {} } },
  });
});

t.test("null as an element of an array is a fault", async (t) => {
  const message = (change: (spec: ReturnType<typeof configuration>) => unknown): string => {
    const spec = configuration();
    change(spec);
    const result = outcome(JSON.stringify(spec));
    return "faults" in result ? result.faults : "taken";
  };
  t.equal(
    message((spec) => (spec.process!.args = [null as never])),
    "config.json: /process/args/0: found null, allowed: a string",
  );
  t.equal(
    message((spec) => spec.mounts!.push(null as never)),
    "config.json: /mounts/7: found null, allowed: an object",
  );
  t.equal(
    message((spec) => (spec.hooks = { prestart: [null as never] })),
    "config.json: /hooks/prestart/0: found null, allowed: an object",
  );
});

t.test("a configuration with null that the quick way can hold needs no other", async (t) => {
  const unused = (): never => {
    throw new Error("not needed");
  };
  const text = runcSpecText.replace('"hostname"', '"domainname": null, "hooks": {"prestart": null}, "hostname"');
  const spec = loadSpec(text, { fits, rare: unused, careful: unused }, { rootless: false });
  t.strictSame(spec, { ...(JSON.parse(runcSpecText) as object), hooks: {} });
});

t.test("a document without null is not copied, and a member named __proto__ is a member", async (t) => {
  const document = {};
  t.equal(withoutNullMembers("{}", document), document);
  const text = '{"__proto__":{"a":null,"b":1}}';
  t.strictSame(Object.entries(withoutNullMembers(text, JSON.parse(text)) as object), [["__proto__", { b: 1 }]]);
});
