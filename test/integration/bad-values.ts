/**
 * For every field of the schema a value of the wrong kind, and for every number one beyond its range. Each configuration has all of one
 * section, so that a process tells many. test/lint/bad-input.test.ts holds that no field is forgotten.
 */

/** A text of config.json and what is said about it. */
export interface BadValues {
  name: string;
  message: string;
  content: string;
}

const hooks = "/hooks/{prestart,createRuntime,createContainer,startContainer,poststart,poststop}/0";

/** Pointers; `{a,b}` stands for either. */
const texts = [
  "/ociVersion",
  "/root/path",
  "/{hostname,domainname}",
  "/annotations/x",
  `${hooks}/{path,args/0,env/0}`,
  "/mounts/0/{destination,source,type,options/0}",
  "/process/{args/0,commandLine,cwd,env/0,user/username,apparmorProfile,selinuxLabel,rlimits/0/type}",
  "/process/capabilities/{bounding,permitted,effective,inheritable,ambient}/0",
  "/process/execCPUAffinity/{initial,final}",
  "/linux/{devices/0/type,devices/0/path,netDevices/eth0/name,namespaces/0/path,cgroupsPath,sysctl/net.ipv4.ip_forward}",
  "/linux/{maskedPaths/0,readonlyPaths/0,mountLabel,memoryPolicy/nodes,personality/flags/0}",
  "/linux/intelRdt/{closID,schemata/0,l3CacheSchema,memBwSchema}",
  "/linux/resources/{unified/memory.high,devices/0/type,devices/0/access,cpu/cpus,cpu/mems,hugepageLimits/0/pageSize}",
  "/linux/resources/network/priorities/0/name",
  "/linux/seccomp/{listenerPath,listenerMetadata,syscalls/0/names/0}",
];

const truths = [
  "/root/readonly",
  "/process/{terminal,noNewPrivileges}",
  "/linux/intelRdt/enableMonitoring",
  "/linux/resources/{devices/0/allow,memory/disableOOMKiller,memory/useHierarchy,memory/checkBeforeUpdate}",
];

const int64 = "at most 9223372036854775807";
const uint64 = "at most 18446744073709551615";
const uint32 = "at most 4294967295";
const int32 = "at most 2147483647";
const uint16 = "at most 65535";

/** By what is allowed. */
const numbers: readonly (readonly [allowed: string, pointers: readonly string[]])[] = [
  ["1 to 31536000 seconds", [`${hooks}/timeout`]],
  ["-1000 to 1000", ["/process/oomScoreAdj"]],
  [
    uint32,
    [
      "/{mounts/0,linux}/{uidMappings,gidMappings}/0/{containerID,hostID,size}",
      "/process/user/{uid,gid,umask,additionalGids/0}",
      "/linux/devices/0/{uid,gid}",
      "/linux/timeOffsets/{boottime,monotonic}/nanosecs",
      "/linux/resources/{network/classID,network/priorities/0/priority,rdma/mlx5_1/hcaHandles,rdma/mlx5_1/hcaObjects}",
      "/linux/seccomp/{defaultErrnoRet,syscalls/0/errnoRet,syscalls/0/args/0/index}",
    ],
  ],
  [int32, ["/process/{ioPriority/priority,scheduler/nice,scheduler/priority}"]],
  [
    uint64,
    [
      "/process/{consoleSize/height,consoleSize/width,scheduler/runtime,scheduler/deadline,scheduler/period}",
      "/process/rlimits/0/{soft,hard}",
      "/linux/resources/blockIO/{throttleReadBpsDevice,throttleWriteBpsDevice,throttleReadIOPSDevice,throttleWriteIOPSDevice}/0/rate",
      "/linux/resources/{cpu/shares,cpu/period,cpu/burst,cpu/realtimePeriod,hugepageLimits/0/limit,memory/swappiness}",
      "/linux/seccomp/syscalls/0/args/0/{value,valueTwo}",
    ],
  ],
  [
    int64,
    [
      "/linux/{devices,resources/devices}/0/{major,minor}",
      "/linux/timeOffsets/{boottime,monotonic}/secs",
      "/linux/resources/blockIO/{throttleReadBpsDevice,throttleWriteBpsDevice,throttleReadIOPSDevice,throttleWriteIOPSDevice,weightDevice}/0/{major,minor}",
      "/linux/resources/{pids/limit,cpu/quota,cpu/realtimeRuntime,cpu/idle}",
      "/linux/resources/memory/{limit,reservation,swap,kernel,kernelTCP}",
    ],
  ],
  [uint16, ["/linux/devices/0/fileMode", "/linux/resources/blockIO/{weight,leafWeight,weightDevice/0/weight,weightDevice/0/leafWeight}"]],
];

const seccompActions = "KILL KILL_PROCESS KILL_THREAD TRAP ERRNO TRACE ALLOW LOG NOTIFY";
const seccompArchitectures =
  "X86 X86_64 X32 ARM AARCH64 LOONGARCH64 M68K MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X SH SHEB PARISC PARISC64 RISCV64";

/** Names that a field may have, without what they all begin with. */
const choices: readonly (readonly [pointer: string, prefix: string, names: string])[] = [
  ["/process/ioPriority/class", "IOPRIO_CLASS_", "RT BE IDLE"],
  ["/process/scheduler/policy", "SCHED_", "OTHER FIFO RR BATCH ISO IDLE DEADLINE"],
  ["/process/scheduler/flags/0", "SCHED_FLAG_", "RESET_ON_FORK RECLAIM DL_OVERRUN KEEP_POLICY KEEP_PARAMS UTIL_CLAMP_MIN UTIL_CLAMP_MAX"],
  ["/linux/namespaces/0/type", "", "mount pid network uts ipc user cgroup time"],
  ["/linux/rootfsPropagation", "", "private shared slave unbindable rprivate rshared rslave runbindable"],
  ["/linux/memoryPolicy/mode", "MPOL_", "DEFAULT BIND INTERLEAVE WEIGHTED_INTERLEAVE PREFERRED PREFERRED_MANY LOCAL"],
  ["/linux/memoryPolicy/flags/0", "MPOL_F_", "NUMA_BALANCING RELATIVE_NODES STATIC_NODES"],
  ["/linux/personality/domain", "", "LINUX LINUX32"],
  ["/linux/seccomp/defaultAction", "SCMP_ACT_", seccompActions],
  ["/linux/seccomp/flags/0", "SECCOMP_FILTER_FLAG_", "TSYNC LOG SPEC_ALLOW WAIT_KILLABLE_RECV"],
  ["/linux/seccomp/architectures/0", "SCMP_ARCH_", seccompArchitectures],
  ["/linux/seccomp/syscalls/0/action", "SCMP_ACT_", seccompActions],
  ["/linux/seccomp/syscalls/0/args/0/op", "SCMP_CMP_", "NE LT LE EQ GE GT MASKED_EQ"],
];

/** What numbers need beside them. */
const required: Readonly<Record<string, unknown>> = {
  ...Object.fromEntries(expand(`${hooks}/path`).map((pointer) => [pointer, "/h"])),
  "/process/ioPriority/class": "IOPRIO_CLASS_BE",
  "/process/scheduler/policy": "SCHED_OTHER",
  "/process/rlimits/0/type": "RLIMIT_NOFILE",
  "/mounts/0/destination": "/x",
  "/mounts/0/source": "/x",
  "/mounts/0/options": ["bind"],
  "/linux/devices/0": { type: "c", path: "/dev/x" },
  "/linux/resources/devices/0/allow": true,
  "/linux/resources/hugepageLimits/0/pageSize": "2MB",
  "/linux/resources/network/priorities/0/name": "eth0",
  "/linux/seccomp/defaultAction": "SCMP_ACT_ALLOW",
  "/linux/seccomp/syscalls/0": { names: ["read"], action: "SCMP_ACT_ERRNO", args: [{ op: "SCMP_CMP_EQ" }] },
};

/** Greater than any number of a configuration; written without quotes. */
const TOO_GREAT = String(2n ** 70n);

interface Row {
  pointer: string;
  value: unknown;
  /** How the value is told. */
  found: string;
  allowed: string;
}

const rows = (patterns: readonly string[], value: unknown, allowed: string, found = JSON.stringify(value)): Row[] =>
  patterns.flatMap(expand).map((pointer) => ({ pointer, value, found, allowed }));

function expand(pattern: string): string[] {
  const [, before = "", choice = "", after = ""] = /^(.*?)\{(.*?)\}(.*)$/.exec(pattern) ?? [];
  if (choice === "") return [pattern];
  return choice.split(",").flatMap((one) => expand(before + one + after));
}

const wrongKinds: Row[] = [
  ...rows(texts, 5, "a string"),
  ...rows(truths, "yes", "true or false"),
  ...rows(
    numbers.flatMap(([, pointers]) => pointers),
    "x",
    "an integer",
  ),
  ...choices.flatMap(([pointer, prefix, names]) =>
    rows(
      [pointer],
      "NOPE",
      `one of ${names
        .split(" ")
        .map((name) => `"${prefix}${name}"`)
        .join(", ")}`,
    ),
  ),
];

const outOfRange: Row[] = numbers.flatMap(([allowed, pointers]) => rows(pointers, `@${TOO_GREAT}@`, allowed, TOO_GREAT));

type Document = { [name: string]: unknown };

function set(document: Document, pointer: string, value: unknown): void {
  const steps = pointer.split("/").slice(1);
  let at = document;
  for (const [index, step] of steps.slice(0, -1).entries()) {
    at = (at[step] ??= steps[index + 1] === "0" ? [] : {}) as Document;
  }
  at[steps.at(-1) as string] = value;
}

/** All pointers into a document, in its order. */
function pointersOf(value: unknown, pointer = ""): string[] {
  if (typeof value !== "object" || value === null) return [pointer];
  return [pointer, ...Object.entries(value).flatMap(([name, member]) => pointersOf(member, `${pointer}/${name}`))];
}

function section({ pointer }: Row): string {
  return /^\/linux\/(resources|seccomp)/.exec(pointer)?.[1] ?? /^\/(\w+)\//.exec(pointer)?.[1] ?? "the top";
}

function badValues(what: string, all: readonly Row[], beside: typeof required): BadValues[] {
  return [...new Set(all.map(section))].map((name) => {
    const wrong = all.filter((row) => section(row) === name);
    const document: Document = {
      ociVersion: "1.0.2",
      process: { cwd: "/", args: ["sh"], user: { uid: 0, gid: 0 } },
      root: { path: "rootfs" },
    };
    for (const [pointer, value] of Object.entries(beside)) {
      if (wrong.some((row) => row.pointer.startsWith(`${pointer.slice(0, pointer.lastIndexOf("/"))}/`)))
        set(document, pointer, structuredClone(value));
    }
    if (name === "linux" && beside === required) set(document, "/linux/namespaces", [{ type: "user" }, { type: "time" }]);
    for (const { pointer, value } of wrong) set(document, pointer, value);
    const order = pointersOf(document);
    const lines = wrong
      .toSorted((a, b) => order.indexOf(a.pointer) - order.indexOf(b.pointer))
      .map(({ pointer, found, allowed }) => `${pointer}: found ${found}, allowed: ${allowed}`);
    const message = lines.length === 1 ? `config.json: ${lines.join()}` : `config.json: ${lines.length} faults:\n  ${lines.join("\n  ")}`;
    const content = JSON.stringify(document).replaceAll(/"@(\d+)@"/g, "$1");
    return { name: `${what} everywhere in ${name}`, message, content };
  });
}

export const badValueCases: readonly BadValues[] = [
  ...badValues("values of the wrong kind", wrongKinds, {}),
  ...badValues("numbers beyond their range", outOfRange, required),
];
