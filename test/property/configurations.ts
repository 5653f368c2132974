/** Generates texts of config.json: valid ones with random members from the schema, wrong values in any place, and broken JSON. */
import * as fc from "fast-check";
import { defaultSpec } from "../../src/runtime/operations/default-spec.js";
import { knownMountOptions } from "../../src/runtime/spec/mount-option-names.js";
import { SchemaArbitrary } from "./schema-arbitrary.js";
import type { Value, Vocabulary } from "./schema-arbitrary.js";

type Document = { [name: string]: Value };

const absolute = ["/proc/kcore", "/a/../b", "/sys//firmware", "/", "/x"];
const paths = [
  "/a",
  "/a/b",
  "/proc",
  "/proc/cpuinfo",
  "/sys/fs/cgroup",
  "/dev",
  "/dev/x",
  "/a/../../b",
  "//c/./d",
  "/etc",
  "rel/ative",
  "/x/..",
];
const vocabulary: Vocabulary = {
  "": ["a", "x.y"],
  ociVersion: ["1.0.0", "1.3.0", "1.2.1-dev", "2.0.0"],
  destination: paths,
  path: [...paths, "/proc/1/ns/net"],
  source: ["/src", "data", "/a/../b", "proc", "tmpfs"],
  type: ["tmpfs", "proc", "sysfs", "mqueue", "cgroup", "devpts", "bind", "none", "RLIMIT_NOFILE", "RLIMIT_CORE", "c", "b", "p", "a"],
  options: [...knownMountOptions(), "size=64k", "mode=755", "bind", "rbind", "ro", "bind", "rbind"],
  hostname: ["h", "host.example"],
  domainname: ["d"],
  args: ["sh", "-c", "true"],
  env: ["PATH=/bin", "A=b", "A=c", "HOME=/root"],
  cwd: ["/", "/a", "/a/../b"],
  username: ["root"],
  bounding: ["CAP_KILL", "CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_NEW"],
  effective: ["CAP_KILL", "CAP_CHOWN"],
  permitted: ["CAP_KILL", "CAP_CHOWN"],
  inheritable: ["CAP_KILL"],
  ambient: ["CAP_KILL"],
  cpus: ["0", "0-3", "0-31:2/8", "1,3", "3-1"],
  mems: ["0", "0-1"],
  nodes: ["0", "0-3"],
  access: ["r", "rwm", "wm", ""],
  pageSize: ["2MB", "1GB", "64KB", "3MB"],
  name: ["eth0", "eth%d", "lo", "memory"],
  cgroupsPath: ["/a/b", "a", "/a/../b", "../x", "/", "a:b:c", "system.slice:a:b"],
  closID: ["gold", "/", "..", "mon_groups"],
  schemata: ["L3:0=f", "MB:0=50", "a\nb"],
  l3CacheSchema: ["L3:0=f"],
  memBwSchema: ["MB:0=50"],
  maskedPaths: absolute,
  readonlyPaths: absolute,
  mountLabel: [""],
  apparmorProfile: [""],
  selinuxLabel: [""],
  initial: ["0", "0-1"],
  final: ["0"],
  "sysctl:names": [
    "net.ipv4.ip_forward",
    "net/ipv4/conf/eth0.1/forwarding",
    "kernel.msgmax",
    "kernel.domainname",
    "vm.swappiness",
    "net..x",
    "net/../x",
  ],
  "sysctl:values": ["1", ""],
  "unified:names": ["memory.high", "io.max", "cgroup.max.depth", "../x", "a/b"],
  "unified:values": ["1", "8:0 rbps=1\n8:16 wbps=2", ""],
  "netDevices:names": ["eth0", "lo", "a b", "sixteen-letters-"],
  "rdma:names": ["mlx5_1"],
};

const schema = new SchemaArbitrary(vocabulary);

/** The members to replace, with a generator of values for each. */
const members: readonly (readonly [path: string, values: fc.Arbitrary<Value>])[] = [
  "ociVersion hostname domainname annotations hooks mounts root process process/user process/capabilities process/rlimits process/env process/args",
  "process/cwd process/terminal process/consoleSize process/oomScoreAdj process/scheduler process/ioPriority process/execCPUAffinity",
  "linux linux/namespaces linux/uidMappings linux/gidMappings linux/devices linux/cgroupsPath linux/resources linux/resources/devices",
  "linux/resources/memory linux/resources/cpu linux/resources/pids linux/resources/blockIO linux/resources/hugepageLimits",
  "linux/resources/network linux/resources/rdma linux/resources/unified linux/rootfsPropagation linux/sysctl linux/maskedPaths",
  "linux/readonlyPaths linux/netDevices linux/intelRdt linux/memoryPolicy linux/personality linux/timeOffsets linux/seccomp",
]
  .join(" ")
  .split(" ")
  .map((path) => [path, schema.at(path)]);

/** Sets a member of a document, and creates missing parent objects. */
function set(document: Document, path: string, value: Value): void {
  const steps = path.split("/");
  let at = document;
  for (const step of steps.slice(0, -1)) {
    const next = at[step];
    if (typeof next !== "object" || next === null || Array.isArray(next)) at[step] = {};
    at = at[step] as Document;
  }
  at[steps.at(-1) as string] = value;
}

type Change = readonly [path: string, value: Value];

const change: fc.Arbitrary<Change> = fc.integer({ min: 0, max: members.length - 1 }).chain((index) => {
  const [path, values] = members[index] as (typeof members)[number];
  return values.map((value) => [path, value] as const);
});

/** Sets any of these members to any JSON value. */
const damage: fc.Arbitrary<Change> = fc.tuple(
  fc.constantFrom(
    ...members.map(([path]) => path),
    "process/user/uid",
    "root/path",
    "linux/namespaces/0",
    "mounts/0/options",
    "linux/seccomp/syscalls",
  ),
  fc.oneof(
    fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Value>,
    fc.constantFrom<Value>(null, -1, 0.5, 1e300, 2n ** 70n, "", [], {}, [[]], [null]),
  ),
);

/** Breaks a text: cuts it at a position, or inserts a string there. */
const breakage = fc.tuple(
  fc.nat(),
  fc.constantFrom("", "\u0000", "{", "]", ",", '"', "\\ud800", '"a":1,', "1e999", "\ufeff", "[[".repeat(300)),
);

/** Like JSON.stringify, but a bigint becomes a number with all its digits. */
export function toJson(value: Value): string {
  const text = JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? `@@${item}@@` : item));
  return text.includes("@@") ? text.replaceAll(/"@@(-?\d+)@@"/g, "$1") : text;
}

const base = JSON.stringify(defaultSpec({ cgroupNamespace: true }));
const baseRootless = JSON.stringify(defaultSpec({ rootless: { uid: 1000, gid: 1000 } }));

/** The text of a configuration, and the conditions under which it is checked. */
export interface Configuration {
  text: string;
  rootless: boolean;
  /** Whether the host has pure cgroup v2; else it is hybrid. */
  v2: boolean;
  /** Whether to validate a valid text with the careful validator too. */
  twice: boolean;
}

/** Most configurations are valid except for up to three random members; some have damaged members, and some are not JSON. */
export const configurations: fc.Arbitrary<Configuration> = fc
  .record({
    rootless: fc.boolean(),
    v2: fc.boolean(),
    twice: fc.boolean(),
    changes: fc.array(change, { maxLength: 3 }),
    damages: fc.oneof(
      { weight: 4, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(damage, { minLength: 1, maxLength: 2 }) },
    ),
    broken: fc.oneof({ weight: 15, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: breakage }),
  })
  .map(({ rootless, v2, twice, changes, damages, broken }) => {
    const document = JSON.parse(rootless ? baseRootless : base) as Document;
    // Copy the values: setting a member of a shared constant could make it contain itself.
    for (const [path, value] of [...changes, ...damages]) set(document, path, structuredClone(value));
    const text = toJson(document);
    if (!broken) return { text, rootless, v2, twice };
    const at = broken[0] % text.length;
    const cut = broken[1] === "" ? text.slice(0, at) : text.slice(0, at) + broken[1] + text.slice(at);
    return { text: cut, rootless, v2, twice };
  });

/** A document, and a copy of it with one member that violates the schema. */
export interface DamagedConfiguration {
  text: string;
  damaged: string;
  /** The JSON pointer of that member. */
  pointer: string;
  rootless: boolean;
}

/** Members that no rule for another member reads. */
const independentMembers = (
  "ociVersion annotations root process/capabilities process/rlimits process/env process/args process/cwd process/oomScoreAdj " +
  "process/ioPriority process/execCPUAffinity linux/devices linux/cgroupsPath linux/resources/devices linux/resources/memory " +
  "linux/resources/cpu linux/resources/pids linux/resources/blockIO linux/resources/hugepageLimits linux/resources/network " +
  "linux/resources/rdma linux/resources/unified linux/rootfsPropagation linux/sysctl linux/maskedPaths linux/readonlyPaths " +
  "linux/netDevices linux/intelRdt linux/memoryPolicy linux/personality linux/timeOffsets mounts hostname domainname"
).split(" ");

/** Documents that fit the schema, most with faults that only rules find. In the copy, one member is damaged. */
export const damagedConfigurations: fc.Arbitrary<DamagedConfiguration> = fc
  .record({
    rootless: fc.boolean(),
    changes: fc.array(change, { maxLength: 6 }),
    member: fc.constantFrom(...independentMembers),
    value: fc.constantFrom<Value>([[]], [[[]]], { x: 1 }, 0.5),
  })
  .map(({ rootless, changes, member, value }) => {
    const document = JSON.parse(rootless ? baseRootless : base) as Document;
    for (const [path, changed] of changes) set(document, path, structuredClone(changed));
    const text = toJson(document);
    set(document, member, value);
    return { text, damaged: toJson(document), pointer: `/${member}`, rootless };
  });
