/**
 * The table of bad-input.test.ts: each wrong input with the exact message of tsrunc. In a message {id}, {dir}, {root} and {bundle}
 * stand for the container's id, the test's directory, the state root and the bundle.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { badCommands } from "./bad-commands.js";
import { badExecs } from "./bad-execs.js";
import { badMounts } from "./bad-mounts.js";
import { badUpdates } from "./bad-updates.js";
import { badCheckpoints } from "./bad-checkpoints.js";
import { badValueCases } from "./bad-values.js";
import { setNamespace, withoutNamespaces } from "./harness/config.js";
import { isTsrunc } from "./harness/environment.js";
import type { Config, Seccomp } from "./harness/config.js";
import type { Bundle, BundleOptions, Context } from "./harness/context.js";
import type { Options } from "./harness/execute.js";

export interface Prepared {
  args: string[];
  bundle?: Bundle;
  options?: Options;
}

export interface BadInput {
  name: string;
  message: string;
  prepare(c: Context): Prepared | Promise<Prepared>;
  /** The exit status. Default 1. */
  status?: number;
}

function create(c: Context, bundle: Bundle, ...flags: string[]): Prepared {
  return { args: ["create", ...flags, "-b", bundle.directory, c.id], bundle };
}

/** A bundle with a default config that is changed, or whose parts are. */
function bundled(name: string, message: string, options: BundleOptions, change?: (bundle: Bundle, c: Context) => void): BadInput {
  const prepare = (c: Context): Prepared => {
    const bundle = c.bundle(options);
    change?.(bundle, c);
    return { ...create(c, bundle), options: { timeoutSeconds: 5 } };
  };
  return { name, message: `create "{id}": ${message}`, prepare };
}

/** One fault of config.json. */
function fault(name: string, message: string, config: (config: Config) => void): BadInput {
  return bundled(name, `config.json: ${message}`, { config });
}

/** config.json with this text, whatever it is. */
function text(name: string, message: string, content: string | Uint8Array): BadInput {
  return bundled(name, message, {}, ({ directory }) => writeFileSync(`${directory}/config.json`, content));
}

/** A mistake on the command line. */
function call(name: string, message: string, ...args: string[]): BadInput {
  return { name, message, prepare: (c) => ({ args: args.map((arg) => arg.replace("{id}", c.id).replace("{dir}", c.directory)) }) };
}

/** A call on a container in the given status. */
function onContainer(
  name: string,
  message: string,
  status: "created" | "running" | "paused" | "stopped",
  args: (c: Context) => string[],
): BadInput {
  const prepare = async (c: Context): Promise<Prepared> => {
    const bundle = c.bundle({ args: status === "stopped" ? ["true"] : ["probe", "wait"] });
    if (status === "created") await c.create(bundle);
    else await c.createAndStart(bundle);
    if (status === "paused") await c.ok(["pause", c.id]);
    await c.status(status);
    return { args: args(c) };
  };
  return { name, message, prepare };
}

/** A call on a stopped container whose state.json was damaged. */
function damaged(name: string, message: string, content: string, command: string): BadInput {
  const prepare = async (c: Context): Promise<Prepared> => {
    await c.createAndStart(c.bundle({ args: ["true"] }));
    await c.status("stopped");
    const file = `${c.root}/${c.id}/state.json`;
    const sound = await c.fileText(file);
    writeFileSync(file, content);
    c.defer(() => writeFileSync(file, sound));
    return { args: command === "kill" ? [command, c.id, "TERM"] : [command, c.id] };
  };
  return { name, message, prepare };
}

/** Members that the types of the tests rightly forbid. */
function set(target: object, values: object): void {
  Object.assign(target, values);
}

const files: BadInput[] = [
  bundled("no config.json", 'read "{bundle}/config.json": ENOENT (no such file or directory)', {}, ({ directory }) =>
    rmSync(`${directory}/config.json`),
  ),
  bundled("config.json is a directory", 'read "{bundle}/config.json": EISDIR (is a directory)', {}, ({ directory }) => {
    rmSync(`${directory}/config.json`);
    mkdirSync(`${directory}/config.json`);
  }),
  bundled("config.json is a FIFO that nobody writes to", 'read "{bundle}/config.json": not a regular file', {}, ({ directory }) => {
    rmSync(`${directory}/config.json`);
    spawnSync("mkfifo", [`${directory}/config.json`]);
  }),
  text("config.json is empty", 'parse "config.json": line 1, column 1: expected a JSON object, found the end of the file', ""),
  text(
    "config.json is not UTF-8",
    'read "{bundle}/config.json": not UTF-8 at byte 16',
    new Uint8Array([...Buffer.from('{"ociVersion": "'), 0xff, 0x22, 0x7d]),
  ),
  text("a trailing comma", 'parse "config.json": line 3, column 1: expected a quoted name, found "}"', '{\n  "ociVersion": "1.0.2",\n}\n'),
  text(
    "an unterminated string",
    'parse "config.json": line 1, column 20: expected a closing quote, found the end of the line',
    '{"ociVersion": "1.0\n',
  ),
  text("a missing colon", 'parse "config.json": line 2, column 16: expected a colon, found "\\""', '{\n  "ociVersion" "1.0.2"\n}'),
  text(
    "single quotes",
    `parse "config.json": line 1, column 2: expected a quoted name or "}", found "'ociVersion'"`,
    "{'ociVersion': '1.0.2'}",
  ),
  text("text after the document", 'parse "config.json": line 2, column 1: expected the end of the file, found "{"', "{}\n{}"),
  text("a byte order mark", 'parse "config.json": line 1, column 1: expected a JSON object, found a byte order mark', "\ufeff{}"),
  text(
    "a comment",
    'parse "config.json": line 1, column 3: expected a quoted name or "}", found "//"',
    '{ // no\n "ociVersion": "1.0.2" }',
  ),
  text(
    "a control character in a string",
    'parse "config.json": line 1, column 17: expected an escape sequence for a control character, found "\\u0001"',
    '{"ociVersion": "\u0001"}',
  ),
  text(
    "a config of 50 MB",
    'read "{bundle}/config.json": it is larger than 16777216 bytes',
    `{"annotations": {"a": "${"x".repeat(50_000_000)}"}}`,
  ),
  text(
    "a hundred thousand arrays in each other",
    'parse "config.json": line 1, column 1: expected a JSON object, found "["',
    "[".repeat(100_000),
  ),
  text(
    "an unfinished document that is nested too deep",
    'parse "config.json": line 1, column 144: expected at most 128 objects and arrays within each other, found another one',
    `{"annotations": ${"[".repeat(100_000)}`,
  ),
  text(
    "a sound document that is nested too deep",
    'parse "config.json": line 1, column 144: expected at most 128 objects and arrays within each other, found another one',
    `{"annotations": ${"[".repeat(20_000)}${"]".repeat(20_000)}}`,
  ),
  text("an array in the place of the object", "config.json: the whole document: found an empty array, allowed: an object", "[]"),
  text("null in the place of the object", "config.json: the whole document: found null, allowed: an object", "null"),
  text(
    "an empty object",
    'config.json: 3 faults:\n  /ociVersion: found nothing, allowed: a value: it is required\n  /process: found nothing, allowed: an object with "args" and "cwd"\n  /root: found nothing, allowed: an object with "path"',
    "{}",
  ),
  bundled("a NUL in a string", 'config.json: /process/args/1: found "a\\u0000b", allowed: text without a NUL character', {
    args: ["echo", "a\0b"],
  }),
  bundled("half of a surrogate pair", 'config.json: /process/args/1: found "\\ud800", allowed: text without half of a surrogate pair', {
    args: ["echo", "\ud800"],
  }),
  bundled(
    "half of a surrogate pair in the name of an annotation",
    'config.json: "/annotations/a\\udfffb": found "a\\udfffb", allowed: text without half of a surrogate pair',
    { config: (config) => (config.annotations = { "a\udfffb": "c" }) },
  ),
  bundled("a NUL before digits", 'config.json: /hostname: found "\\u00005", allowed: text without a NUL character', {
    config: (config) => (config.hostname = "\0" + "5"),
  }),
];

const whole: BadInput[] = [
  fault("ociVersion 2.0.0", '/ociVersion: found "2.0.0", allowed: a version "1.x.y" (Semantic Versioning 2.0.0)', (config) =>
    set(config, { ociVersion: "2.0.0" }),
  ),
  fault("ociVersion abc", '/ociVersion: found "abc", allowed: a version "1.x.y" (Semantic Versioning 2.0.0)', (config) =>
    set(config, { ociVersion: "abc" }),
  ),
  fault("ociVersion is a number", "/ociVersion: found 1.5, allowed: a string", (config) => set(config, { ociVersion: 1.5 })),
  fault(
    "several faults",
    '4 faults:\n  /ociVersion: found "2.0.0", allowed: a version "1.x.y" (Semantic Versioning 2.0.0)\n  /process/args: found an empty array, allowed: at least the name of a program\n  /process/env/0: found "novalue", allowed: NAME=VALUE with a name\n  /process/cwd: found "tmp", allowed: an absolute path',
    (config) => {
      config.ociVersion = "2.0.0";
      set(config.process, { args: [], env: ["novalue"], cwd: "tmp" });
    },
  ),
  fault(
    "faults of the schema and of the rules",
    '3 faults:\n  /process/cwd: found "tmp", allowed: an absolute path\n  /process/rlimits/0/soft: found "x", allowed: an integer\n  /linux/namespaces/1/type: found "pid", allowed: each type once: it stands in /linux/namespaces/0 too',
    (config) => {
      config.process.cwd = "tmp";
      set(config.process, { rlimits: [{ type: "RLIMIT_NOFILE", soft: "x", hard: 1 }] });
      config.linux.namespaces.splice(1, 0, { type: "pid" });
    },
  ),
  fault(
    "a member of a mount that does not fit, and its others",
    '3 faults:\n  /mounts/1/destination: found "/", allowed: a path below /\n  /mounts/1/type: found 5, allowed: a string\n  /mounts/2/source: found nothing, allowed: the path to bind',
    (config) => {
      set(config.mounts[1] as object, { type: 5, destination: "/" });
      set(config.mounts[2] as object, { source: undefined, options: ["bind"] });
    },
  ),
  fault("null for a required field", "/mounts/0/destination: found null, allowed: a value: it is required", (config) =>
    set(config.mounts[0] as object, { destination: null }),
  ),
  fault("null in an array", "/process/args/1: found null, allowed: a string", (config) => set(config.process, { args: ["true", null] })),
  fault("annotations are no strings", "/annotations/a: found 5, allowed: a string", (config) => set(config, { annotations: { a: 5 } })),
];

/** One fault of linux.seccomp, in a profile that is sound otherwise. */
function seccomp(name: string, message: string, profile: Partial<Seccomp>, call: object = {}): BadInput {
  const syscalls = [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO", ...call }];
  return fault(name, `/linux/seccomp${message}`, (config) => {
    config.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls, ...profile };
  });
}

const takesNone = "takes no number, only SCMP_ACT_ERRNO and SCMP_ACT_TRACE do";
const notify = { action: "SCMP_ACT_NOTIFY" };
const equals = (arg: object): object => ({ args: [{ index: 0, value: 0, op: "SCMP_CMP_EQ", ...arg }] });

const profiles: BadInput[] = [
  seccomp(
    "an unknown seccomp action",
    '/syscalls/0/action: found "SCMP_ACT_DENY", allowed: one of "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP", "SCMP_ACT_ERRNO", "SCMP_ACT_TRACE", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY"',
    {},
    { action: "SCMP_ACT_DENY" },
  ),
  seccomp(
    "an unknown seccomp flag",
    '/flags/0: found "TSYNC", allowed: one of "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"',
    { flags: ["TSYNC"] },
  ),
  seccomp(
    "an unknown seccomp operator",
    '/syscalls/0/args/0/op: found "==", allowed: one of "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"',
    {},
    equals({ op: "==" }),
  ),
  seccomp("a seccomp rule without names", "/syscalls/0/names: found an empty array, allowed: at least 1 of them", {}, { names: [] }),
  seccomp("a seccomp argument that no call has", "/syscalls/0/args/0/index: found 6, allowed: 0 to 5", {}, equals({ index: 6 })),
  seccomp(
    "a seccomp value that is too large",
    "/syscalls/0/args/0/value: found 18446744073709551616, allowed: 0 to 18446744073709551615",
    {},
    equals({ value: 2n ** 64n }),
  ),
  seccomp(
    "errnoRet for an action that returns none",
    `/syscalls/0/errnoRet: found 1, allowed: nothing: SCMP_ACT_KILL ${takesNone}`,
    {},
    {
      action: "SCMP_ACT_KILL",
      errnoRet: 1,
    },
  ),
  seccomp("defaultErrnoRet for an action that returns none", `/defaultErrnoRet: found 1, allowed: nothing: SCMP_ACT_ALLOW ${takesNone}`, {
    defaultErrnoRet: 1,
  }),
  seccomp("an errnoRet that is no errno", "/syscalls/0/errnoRet: found 4096, allowed: 0 to 4095", {}, { errnoRet: 4096 }),
  seccomp(
    "SCMP_ACT_NOTIFY as default",
    '/defaultAction: found "SCMP_ACT_NOTIFY", allowed: another action: nobody could answer for the calls that hand the listener over',
    { defaultAction: "SCMP_ACT_NOTIFY", listenerPath: "/run/agent" },
  ),
  seccomp(
    "SCMP_ACT_NOTIFY on write",
    '/syscalls/0/names/0: found "write", allowed: another name: the listener is handed over by write(2)',
    { listenerPath: "/run/agent" },
    { ...notify, names: ["write"] },
  ),
  seccomp(
    "SCMP_ACT_NOTIFY without a listener",
    "/listenerPath: found nothing, allowed: the path of a socket, for the SCMP_ACT_NOTIFY in /linux/seccomp/syscalls/0",
    {},
    notify,
  ),
  seccomp("a relative listenerPath", '/listenerPath: found "agent", allowed: an absolute path', { listenerPath: "agent" }, notify),
  seccomp("listenerMetadata without listenerPath", '/listenerMetadata: found "m", allowed: nothing without /linux/seccomp/listenerPath', {
    listenerMetadata: "m",
  }),
  bundled(
    "an architecture of another byte order",
    "compile the seccomp profile (/linux/seccomp/architectures/1): s390x has another byte order than this machine",
    {
      config: (config) => {
        config.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_S390X"] };
      },
    },
  ),
  bundled(
    "a seccomp listener that is not there",
    'failed to connect with seccomp agent "/nonexistent/agent": ENOENT (no such file or directory)',
    {
      config: (config) => {
        const syscalls = [{ names: ["mkdir"], ...notify }];
        config.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", listenerPath: "/nonexistent/agent", syscalls };
      },
    },
  ),
];

const root: BadInput[] = [
  fault("no root", '/root: found nothing, allowed: an object with "path"', (config) => Reflect.deleteProperty(config, "root")),
  fault("an empty root path", '/root/path: found "", allowed: the path of a directory', (config) => (config.root.path = "")),
  bundled("the rootfs is missing", 'use the rootfs "{bundle}/rootfs": it does not exist', {}, ({ rootfs }) =>
    rmSync(rootfs, { recursive: true }),
  ),
  bundled("the rootfs is a file", 'use the rootfs "{bundle}/rootfs": it is a file', {}, ({ rootfs }) => {
    rmSync(rootfs, { recursive: true });
    writeFileSync(rootfs, "");
  }),
  bundled("the rootfs is a symlink", 'use the rootfs "{bundle}/rootfs": it is a symlink', {}, ({ rootfs, directory }) => {
    spawnSync("mv", [rootfs, `${directory}/real`]);
    symlinkSync("real", rootfs);
  }),
];

const process: BadInput[] = [
  fault("no process", '/process: found nothing, allowed: an object with "args" and "cwd"', (config) =>
    Reflect.deleteProperty(config, "process"),
  ),
  fault(
    "args are empty",
    "/process/args: found an empty array, allowed: at least the name of a program",
    (config) => (config.process.args = []),
  ),
  fault(
    "the program's name is empty",
    '/process/args/0: found "", allowed: the name of a program',
    (config) => (config.process.args = [""]),
  ),
  fault("args are a string", '/process/args: found "sh", allowed: an array', (config) => set(config.process, { args: "sh" })),
  fault("no cwd", "/process/cwd: found nothing, allowed: a value: it is required", (config) =>
    Reflect.deleteProperty(config.process, "cwd"),
  ),
  fault("a relative cwd", '/process/cwd: found "tmp", allowed: an absolute path', (config) => (config.process.cwd = "tmp")),
  fault(
    "an environment entry without =",
    '/process/env/1: found "NOVALUE", allowed: NAME=VALUE with a name',
    (config) => (config.process.env = ["A=1", "NOVALUE"]),
  ),
  fault("a negative uid", "/process/user/uid: found -1, allowed: at least 0", (config) => (config.process.user.uid = -1)),
  fault(
    "the uid that means none",
    "/process/user/uid: found 4294967295, allowed: 0 to 4294967294",
    (config) => (config.process.user.uid = 4294967295),
  ),
  fault("a uid that is no integer", "/process/user/uid: found 1.5, allowed: an integer", (config) => (config.process.user.uid = 1.5)),
  fault("a user without a gid", "/process/user/gid: found nothing, allowed: 0 to 4294967294", (config) =>
    set(config.process, { user: { uid: 0 } }),
  ),
  fault(
    "a umask that is too large",
    "/process/user/umask: found 512, allowed: 0 to 511 (octal 777)",
    (config) => (config.process.user.umask = 0o1000),
  ),
  fault(
    "a scheduling policy that Linux reserves",
    '/process/scheduler/policy: found "SCHED_ISO", allowed: a policy that Linux has: this one is reserved and not built',
    (config) => (config.process.scheduler = { policy: "SCHED_ISO" }),
  ),
  fault(
    "a real-time policy without a priority",
    "/process/scheduler/priority: found 0, allowed: 1 to 99 with SCHED_FIFO",
    (config) => (config.process.scheduler = { policy: "SCHED_FIFO" }),
  ),
  fault(
    "a deadline that is shorter than its runtime",
    "/process/scheduler/deadline: found 4999, allowed: at least /process/scheduler/runtime, 5000",
    (config) => (config.process.scheduler = { policy: "SCHED_DEADLINE", runtime: 5000, deadline: 4999 }),
  ),
  fault(
    "an I/O priority out of range",
    "/process/ioPriority/priority: found 8, allowed: 0 (highest) to 7 (lowest)",
    (config) => (config.process.ioPriority = { class: "IOPRIO_CLASS_BE", priority: 8 }),
  ),
  fault(
    "a list of CPUs that is none",
    '/process/execCPUAffinity/initial: found "3-0", allowed: numbers and ranges of CPUs, such as "0-3,7"',
    (config) => (config.process.execCPUAffinity = { initial: "3-0" }),
  ),
  fault(
    "a memory policy without nodes",
    '/linux/memoryPolicy/nodes: found "", allowed: at least one node with MPOL_BIND, such as "0-3,7"',
    (config) => (config.linux.memoryPolicy = { mode: "MPOL_BIND" }),
  ),
  fault(
    "a memory policy with nodes it cannot have",
    '/linux/memoryPolicy/nodes: found "0", allowed: no nodes with MPOL_LOCAL',
    (config) => (config.linux.memoryPolicy = { mode: "MPOL_LOCAL", nodes: "0" }),
  ),
  fault(
    "a personality with a flag",
    '/linux/personality/flags/0: found "ADDR_NO_RANDOMIZE", allowed: no flags: the specification has none yet',
    (config) => (config.linux.personality = { domain: "LINUX", flags: ["ADDR_NO_RANDOMIZE"] }),
  ),
  fault(
    "clock offsets without a time namespace",
    '/linux/timeOffsets/boottime: found an object, allowed: nothing, or an entry of type "time" without "path" in /linux/namespaces',
    (config) => (config.linux.timeOffsets = { boottime: { secs: 1 } }),
  ),
  fault(
    "clock offsets for a joined time namespace",
    '/linux/timeOffsets/monotonic: found an object, allowed: nothing, or an entry of type "time" without "path" in /linux/namespaces',
    (config) => {
      setNamespace(config, "time", "/proc/self/ns/time");
      config.linux.timeOffsets = { monotonic: { secs: 1 } };
    },
  ),
  fault(
    "a clock offset of a whole second in nanoseconds",
    "/linux/timeOffsets/boottime/nanosecs: found 1000000000, allowed: 0 to 999999999",
    (config) => {
      setNamespace(config, "time");
      config.linux.timeOffsets = { boottime: { nanosecs: 1_000_000_000 } };
    },
  ),
  fault(
    "an unknown rlimit",
    '/process/rlimits/0/type: found "RLIMIT_NOFILES", allowed: a limit of Linux such as "RLIMIT_NOFILE"',
    (config) => (config.process.rlimits = [{ type: "RLIMIT_NOFILES", soft: 1, hard: 1 }]),
  ),
  fault(
    "a section of another platform",
    "/solaris: found a section, allowed: nothing: it configures a container of another platform, this runtime is for Linux",
    (config) => Object.assign(config, { solaris: {} }),
  ),
  fault(
    "an rlimit twice",
    '/process/rlimits/1/type: found "RLIMIT_CORE", allowed: each limit once: it stands in /process/rlimits/0 too',
    (config) =>
      (config.process.rlimits = [
        { type: "RLIMIT_CORE", soft: 1, hard: 1 },
        { type: "RLIMIT_CORE", soft: 0, hard: 0 },
      ]),
  ),
  fault(
    "a soft limit above the hard one",
    "/process/rlimits/0/soft: found 10, allowed: at most the hard limit, 5",
    (config) => (config.process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 10, hard: 5 }]),
  ),
  fault(
    "an rlimit above 64 bits",
    "/process/rlimits/0/hard: found 18446744073709551616, allowed: 0 to 18446744073709551615",
    (config) => (config.process.rlimits = [{ type: "RLIMIT_CORE", soft: 1, hard: 18446744073709551616n }]),
  ),
  fault(
    "an oomScoreAdj that is too large",
    "/process/oomScoreAdj: found 1001, allowed: -1000 to 1000",
    (config) => (config.process.oomScoreAdj = 1001),
  ),
  bundled("the program is missing", 'exec: "nosuch": executable file not found in $PATH', { args: ["nosuch"] }),
  bundled("the program's path is missing", 'exec: "/no/such": stat /no/such: no such file or directory', { args: ["/no/such"] }),
  bundled("the program is not executable", 'exec: "/etc/passwd": permission denied', { args: ["/etc/passwd"] }),
  bundled("the program is a directory", 'exec: "/etc": is a directory: permission denied', { args: ["/etc"] }),
  bundled("the program lies below a file", 'exec: "/etc/passwd/sh": stat /etc/passwd/sh: not a directory', { args: ["/etc/passwd/sh"] }),
  bundled(
    "the program is not executable for the user",
    'exec: "/secret": permission denied',
    { args: ["/secret"], config: (config) => set(config.process, { user: { uid: 1000, gid: 1000 }, capabilities: {} }) },
    ({ rootfs }) => writeFileSync(`${rootfs}/secret`, "#!/bin/sh\n", { mode: 0o700 }),
  ),
  bundled("cwd is a file", 'chdir to cwd ("/etc/passwd") set in config.json failed: not a directory', {
    config: (config) => (config.process.cwd = "/etc/passwd"),
  }),
  bundled(
    "cwd is missing and cannot be made",
    'chdir to cwd ("/ro/work") set in config.json failed: no such file or directory',
    {
      config: (config) => {
        config.mounts.push(
          { destination: "/ro", type: "tmpfs", source: "/var/empty", options: ["ro"] },
          { destination: "/ro", type: "none", source: "none", options: ["remount", "bind", "ro"] },
        );
        config.process.cwd = "/ro/work";
      },
    },
    ({ rootfs }) => mkdirSync(`${rootfs}/ro`),
  ),
  bundled("cwd is a descriptor", 'chdir to cwd ("/proc/self/fd/999") set in config.json failed: no such file or directory', {
    config: (config) => (config.process.cwd = "/proc/self/fd/999"),
  }),
];

const namespaces: BadInput[] = [
  fault(
    "an unknown namespace type",
    '/linux/namespaces/5/type: found "colour", allowed: one of "mount", "pid", "network", "uts", "ipc", "user", "cgroup", "time"',
    (config) => setNamespace(config, "colour"),
  ),
  fault(
    "a namespace twice",
    '/linux/namespaces/5/type: found "pid", allowed: each type once: it stands in /linux/namespaces/0 too',
    (config) => config.linux.namespaces.push({ type: "pid" }),
  ),
  fault("a relative namespace path", '/linux/namespaces/4/path: found "ns/net", allowed: an absolute path', (config) =>
    setNamespace(config, "network", "ns/net"),
  ),
  fault(
    "a hostname without a uts namespace",
    '/hostname: found "host", allowed: nothing, or an entry of type "uts" in /linux/namespaces',
    (config) => {
      withoutNamespaces(config, "uts");
      config.hostname = "host";
    },
  ),
  fault(
    "a domainname without a uts namespace",
    '/domainname: found "domain", allowed: nothing, or an entry of type "uts" in /linux/namespaces',
    (config) => {
      withoutNamespaces(config, "uts");
      config.domainname = "domain";
    },
  ),
  fault(
    "a hostname of 65 bytes",
    `/hostname: found "${"x".repeat(65)}", allowed: at most 64 bytes`,
    (config) => (config.hostname = "x".repeat(65)),
  ),
  bundled(
    "a namespace path that is missing",
    'open namespace "{dir}/none" (/linux/namespaces/4/path): ENOENT (no such file or directory)',
    {},
    (bundle, c) => rewrite(bundle, (config) => setNamespace(config, "network", `${c.directory}/none`)),
  ),
  bundled(
    "a namespace path of the wrong type",
    'open namespace "/proc/self/ns/uts" (/linux/namespaces/4/path): a namespace of another type',
    { config: (config) => setNamespace(config, "network", "/proc/self/ns/uts") },
  ),
  bundled("a namespace path that is no namespace", 'open namespace "/etc/passwd" (/linux/namespaces/4/path): not a namespace', {
    config: (config) => setNamespace(config, "network", "/etc/passwd"),
  }),
  fault(
    "mappings without a user namespace",
    '2 faults:\n  /linux/uidMappings: found an array, allowed: nothing, or an entry of type "user" in /linux/namespaces\n  /linux/gidMappings: found an array, allowed: nothing, or an entry of type "user" in /linux/namespaces',
    (config) => mapped(config),
  ),
  fault(
    "a user namespace without mappings",
    "2 faults:\n  /linux/uidMappings: found nothing, allowed: at least one mapping: /linux/namespaces has a new user namespace\n  /linux/gidMappings: found nothing, allowed: at least one mapping: /linux/namespaces has a new user namespace",
    (config) => setNamespace(config, "user"),
  ),
  fault("a user without a mapping", "/process/user/uid: found 70000, allowed: an id that /linux/uidMappings maps", (config) => {
    setNamespace(config, "user");
    mapped(config);
    config.process.user.uid = 70000;
  }),
  fault(
    "mappings that overlap",
    "/linux/uidMappings/1/containerID: found 5, allowed: ids that /linux/uidMappings/0 does not map",
    (config) => {
      setNamespace(config, "user");
      mapped(config);
      config.linux.uidMappings?.push({ containerID: 5, hostID: 900000, size: 1 });
    },
  ),
  fault(
    "an unknown sysctl of the host",
    '/linux/sysctl/kernel.panic: found "kernel.panic", allowed: kernel.domainname, kernel.msgmax, kernel.msgmnb, kernel.msgmni, kernel.sem, kernel.shmall, kernel.shmmax, kernel.shmmni, kernel.shm_rmid_forced, or one below fs.mqueue, net or user',
    (config) => (config.linux.sysctl = { "kernel.panic": "1" }),
  ),
  bundled("an unknown sysctl of a namespace", 'set sysctl "net/no/such" to "1": ENOENT (no such file or directory)', {
    config: (config) => (config.linux.sysctl = { "net.no.such": "1" }),
  }),
];

function mapped(config: Config): void {
  config.linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
  config.linux.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
}

/** Changes the config.json of a bundle whose content depends on the test's directory. */
function rewrite(bundle: Bundle, change: (config: Config) => void): void {
  const file = `${bundle.directory}/config.json`;
  const config = JSON.parse(readFileSync(file, "utf8")) as Config;
  change(config);
  writeFileSync(file, JSON.stringify(config));
}

const devicesOfTheNetwork: BadInput[] = [
  fault(
    "the loopback device to move",
    '/linux/netDevices/lo: found "lo", allowed: nothing: each network namespace has its own loopback device',
    (config) => set(config.linux, { netDevices: { lo: {} } }),
  ),
  fault(
    "a network device without a network namespace",
    '/linux/netDevices: found an object, allowed: nothing, or an entry of type "network" in /linux/namespaces',
    (config) => {
      withoutNamespaces(config, "network");
      config.linux.netDevices = { eth0: {} };
    },
  ),
  fault(
    "a name of a network device that is too long",
    '/linux/netDevices/eth0/name: found "sixteen-letters-", allowed: the name of a device: 1 to 15 bytes, no slash, colon or blank, and at most one "%d"',
    (config) => set(config.linux, { netDevices: { eth0: { name: "sixteen-letters-" } } }),
  ),
  bundled(
    "a network device that is missing",
    'move network device "nosuchdevice" (/linux/netDevices/nosuchdevice): ENODEV (no such device)',
    {
      config: (config) => set(config.linux, { netDevices: { nosuchdevice: {} } }),
    },
  ),
];

const resourceClasses: BadInput[] = [
  fault(
    "an RDMA device without limits",
    '/linux/resources/rdma/mlx5_1: found an object, allowed: "hcaHandles", "hcaObjects" or both',
    (config) => set(config.linux.resources, { rdma: { mlx5_1: {} } }),
  ),
  fault(
    "a class of Intel RDT with a path",
    '/linux/intelRdt/closID: found "../x", allowed: "/" (the default class), or the name of a class: no path, and none of info, mon_groups, mon_data',
    (config) => set(config.linux, { intelRdt: { closID: "../x" } }),
  ),
  // No machine that the tests run on has resctrl.
  bundled("Intel RDT without resctrl", "/linux/intelRdt: needs a mounted resctrl file system (mount -t resctrl), this host has none", {
    config: (config) => set(config.linux, { intelRdt: { schemata: ["L3:0=f"] } }),
  }),
];

const mounts: BadInput[] = [
  bundled("a mount source that is missing", 'mount "/no/such/source" on "/tmp" (/mounts/7): ENOENT (no such file or directory)', {
    config: (config) => config.mounts.push({ destination: "/tmp", type: "bind", source: "/no/such/source", options: ["bind"] }),
  }),
  fault(
    "a mount on /proc without a type",
    '/mounts/7/type: found nothing, allowed: a filesystem, or the option "bind" or "rbind"',
    (config) => config.mounts.push({ destination: "/proc", source: "proc" }),
  ),
  fault("data on a bind", '/mounts/7/options/1: found "size=1m", allowed: flags alone on a bind mount, which has no data', (config) =>
    config.mounts.push({ destination: "/tmp", type: "bind", source: "/etc", options: ["bind", "size=1m"] }),
  ),
  fault(
    "a mistyped option of a bind",
    '/mounts/7/options/1: found "nosuidd", allowed: flags alone on a bind mount, which has no data; did you mean "nosuid"?',
    (config) => config.mounts.push({ destination: "/tmp", type: "bind", source: "/etc", options: ["bind", "nosuidd"] }),
  ),
  bundled(
    "mapped owners on a file system without",
    'bind "/proc/sys" with mapped owners (/mounts/7): the file system "proc" on "/proc" cannot map owners',
    {
      config: (config) => {
        const lines = [{ containerID: 0, hostID: 1000, size: 1 }];
        config.mounts.push({ destination: "/tmp", source: "/proc/sys", options: ["bind"], uidMappings: lines, gidMappings: lines });
      },
    },
  ),
  fault(
    "idmap without mappings and user namespace",
    '/mounts/7/options/1: found "idmap", allowed: uidMappings and gidMappings beside it, or an entry of type "user" in /linux/namespaces',
    (config) => config.mounts.push({ destination: "/tmp", source: "/etc", options: ["bind", "idmap"] }),
  ),
  fault(
    "mapped users without mapped groups",
    "/mounts/7/gidMappings: found nothing, allowed: at least one mapping: the other list has some",
    (config) =>
      config.mounts.push({
        destination: "/tmp",
        source: "/etc",
        options: ["bind"],
        uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
      }),
  ),
  fault(
    "idmap with mapped users alone",
    '/mounts/7/options/1: found "idmap=uids=0-1000-1", allowed: both "uids" and "gids", as in "idmap=uids=0-1000-10;gids=0-1000-10", with "#" between ranges',
    (config) => config.mounts.push({ destination: "/tmp", source: "/etc", options: ["bind", "idmap=uids=0-1000-1"] }),
  ),
  fault(
    "idmap with a range that is none",
    '/mounts/7/options/1: found "idmap=uids=0-1000;gids=0-1-1", allowed: "idmap=uids=0-1000-10;gids=0-1000-10", with "#" between ranges',
    (config) => config.mounts.push({ destination: "/tmp", source: "/etc", options: ["bind", "idmap=uids=0-1000;gids=0-1-1"] }),
  ),
  fault(
    "idmap with ids of a user namespace that there is not",
    '/mounts/7/options/1: found "ridmap=uids=@0-0-1;gids=@0-0-1", allowed: after "@" ids that one line of /linux/uidMappings maps',
    (config) => config.mounts.push({ destination: "/tmp", source: "/etc", options: ["rbind", "ridmap=uids=@0-0-1;gids=@0-0-1"] }),
  ),
  fault(
    "idmap with overlapping ranges",
    '/mounts/7/options/1: found "idmap=uids=0-1-2#1-9-1;gids=0-1-1", allowed: ids that uids/0 does not map',
    (config) => config.mounts.push({ destination: "/tmp", source: "/etc", options: ["bind", "idmap=uids=0-1-2#1-9-1;gids=0-1-1"] }),
  ),
  fault(
    "copy-symlink with src-nofollow",
    '/mounts/7/options/1: found "copy-symlink", allowed: one of it and "src-nofollow": a link that is copied is not mounted',
    (config) => config.mounts.push({ destination: "/tmp", source: "/etc", options: ["bind", "copy-symlink", "src-nofollow"] }),
  ),
  fault(
    "src-nofollow on a file system",
    '/mounts/7/options/0: found "src-nofollow", allowed: nothing, or the option "bind" or "rbind": it is about the source of a bind mount',
    (config) => config.mounts.push({ destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["src-nofollow"] }),
  ),
  bundled("copy-symlink of what is missing", 'mount "/no/such/link" on "/tmp/x" (/mounts/7): ENOENT (no such file or directory)', {
    config: (config) => config.mounts.push({ destination: "/tmp/x", source: "/no/such/link", options: ["bind", "copy-symlink"] }),
  }),
  bundled(
    "copy-symlink onto a file",
    'mount "{bundle}/link" on "/etc/passwd" (/mounts/7): make the symbolic link "/etc/passwd" in the rootfs: something else is there',
    { config: (config) => config.mounts.push({ destination: "/etc/passwd", source: "link", options: ["bind", "copy-symlink"] }) },
    ({ directory }) => symlinkSync("seen", `${directory}/link`),
  ),
  fault(
    "tmpcopyup on a file system that is no tmpfs",
    '/mounts/7/options/0: found "tmpcopyup", allowed: nothing, or the type "tmpfs": it is what the copy is made in',
    (config) => config.mounts.push({ destination: "/tmp", type: "ramfs", source: "ramfs", options: ["tmpcopyup"] }),
  ),
  fault("a bind without a source", "/mounts/7/source: found nothing, allowed: the path to bind", (config) =>
    config.mounts.push({ destination: "/tmp", type: "bind", options: ["bind"] }),
  ),
  fault("a mount without a type", '/mounts/7/type: found nothing, allowed: a filesystem, or the option "bind" or "rbind"', (config) =>
    config.mounts.push({ destination: "/tmp", source: "x" }),
  ),
  fault("a mount on /", '/mounts/7/destination: found "/tmp/..", allowed: a path below /', (config) =>
    config.mounts.push({ destination: "/tmp/..", type: "tmpfs", source: "tmpfs" }),
  ),
  fault("a mount without a destination", "/mounts/7/destination: found nothing, allowed: a value: it is required", (config) =>
    set(config, { mounts: [...config.mounts, { type: "tmpfs" }] }),
  ),
  fault(
    "a mount over a file of /proc that confines",
    '/mounts/7/destination: found "/proc/self/attr/exec", allowed: of the files in /proc only cpuinfo, diskstats, loadavg, meminfo, slabinfo, stat, swaps, uptime, sys/crypto/fips_enabled, sys/kernel/ns_last_pid',
    (config) => config.mounts.push({ destination: "/proc/self/attr/exec", type: "bind", source: "/etc/hostname", options: ["bind"] }),
  ),
  bundled("an unknown file system type", 'mount "nosuchfs" on "/tmp" (/mounts/7): open file system "nosuchfs": ENODEV (no such device)', {
    config: (config) => config.mounts.push({ destination: "/tmp", type: "nosuchfs", source: "x" }),
  }),
  bundled(
    "an option that the file system refuses",
    `mount "tmpfs" on "/tmp" (/mounts/7): set "nosuchoption=1": EINVAL (invalid argument): tmpfs: Unknown parameter 'nosuchoption'`,
    { config: (config) => config.mounts.push({ destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["nosuchoption=1"] }) },
  ),
  bundled(
    "options that do not fit into a page",
    'mount "tmpfs" on "/tmp" (/mounts/7): hand options to mount(2): 4302 bytes, of which it takes 4095',
    {
      config: (config) =>
        config.mounts.push({
          destination: "/tmp",
          type: "tmpfs",
          source: "tmpfs",
          options: [`size=${"1".repeat(300)}`, "mode=7,".repeat(571)],
        }),
    },
  ),
  bundled(
    "a source that is no path by its length",
    'mount "tmpfs" on "/tmp" (/mounts/7): hand source to mount(2): 5000 bytes, of which it takes 4095',
    {
      config: (config) => config.mounts.push({ destination: "/tmp", type: "tmpfs", source: "s".repeat(5000) }),
    },
  ),
  bundled(
    "a file bound on a directory",
    'mount "/etc/hostname" on "/tmp" (/mounts/7): open "/tmp" in the rootfs: ENOTDIR (not a directory)',
    { config: (config) => config.mounts.push({ destination: "/tmp", type: "bind", source: "/etc/hostname", options: ["bind"] }) },
  ),
  fault(
    "an unknown rootfsPropagation",
    '/linux/rootfsPropagation: found "bogus", allowed: one of "private", "shared", "slave", "unbindable", "rprivate", "rshared", "rslave", "runbindable"',
    (config) => (config.linux.rootfsPropagation = "bogus"),
  ),
  fault(
    "a relative masked path",
    '/linux/maskedPaths/0: found "etc", allowed: an absolute path',
    (config) => (config.linux.maskedPaths = ["etc"]),
  ),
  fault(
    "a relative read-only path",
    '/linux/readonlyPaths/0: found "etc", allowed: an absolute path',
    (config) => (config.linux.readonlyPaths = ["etc"]),
  ),
];

const devicesAndCgroups: BadInput[] = [
  fault(
    "an unknown device type",
    '/linux/devices/0/type: found "x", allowed: one of "c", "b", "u", "p"',
    (config) => (config.linux.devices = [{ type: "x", path: "/dev/x", major: 1, minor: 1 }]),
  ),
  fault(
    "a relative device path",
    '/linux/devices/0/path: found "dev/x", allowed: an absolute path below /',
    (config) => (config.linux.devices = [{ type: "c", path: "dev/x", major: 1, minor: 3 }]),
  ),
  fault(
    "a device without numbers",
    "2 faults:\n  /linux/devices/0/major: found nothing, allowed: 0 to 4095, required but for a FIFO\n  /linux/devices/0/minor: found nothing, allowed: 0 to 1048575, required but for a FIFO",
    (config) => (config.linux.devices = [{ type: "c", path: "/dev/x" }]),
  ),
  fault(
    "a path for two devices",
    '/linux/devices/1/path: found "/dev/x", allowed: each path for one device: /linux/devices/0 is another',
    (config) =>
      (config.linux.devices = [
        { type: "c", path: "/dev/x", major: 1, minor: 3 },
        { type: "c", path: "/dev/x", major: 1, minor: 5 },
      ]),
  ),
  fault(
    "a device rule with unknown access",
    '/linux/resources/devices/0/access: found "rwx", allowed: letters of rwm, each at most once',
    (config) => (config.linux.resources.devices = [{ allow: true, access: "rwx" }]),
  ),
  fault(
    "a cgroupsPath with ..",
    '/linux/cgroupsPath: found "/../up", allowed: a path without ".."',
    (config) => (config.linux.cgroupsPath = "/../up"),
  ),
  fault("a memory limit that is no number", '/linux/resources/memory/limit: found "64M", allowed: an integer', (config) =>
    set(config.linux.resources, { memory: { limit: "64M" } }),
  ),
  bundled(
    "a cpuset that the host does not have",
    'write "cpuset.cpus" = "4000" (/linux/resources/cpu/cpus): ERANGE (numerical result out of range)',
    { config: (config) => (config.linux.resources.cpu = { cpus: "4000" }) },
  ),
  fault(
    "a relative hook path",
    '/hooks/createRuntime/0/path: found "bin/true", allowed: an absolute path',
    (config) => (config.hooks = { createRuntime: [{ path: "bin/true" }] }),
  ),
  fault(
    "a hook timeout of 0",
    "/hooks/poststop/0/timeout: found 0, allowed: at least 1",
    (config) => (config.hooks = { poststop: [{ path: "/bin/true", timeout: 0 }] }),
  ),
  bundled(
    "a hook that is missing",
    'error running createRuntime hook #0: "/no/such/hook" (/hooks/createRuntime/0): ENOENT (no such file or directory)',
    {
      config: (config) => (config.hooks = { createRuntime: [{ path: "/no/such/hook" }] }),
    },
  ),
];

const identifiers: BadInput[] = [
  ...(
    [
      ["..", ".."],
      ["a/b", "a/b"],
      ["", ""],
      ["x".repeat(300), `${"x".repeat(80)}...`],
    ] as const
  ).map(([id, shown]): BadInput => ({
    name: `the id ${JSON.stringify(shown)}`,
    message: `create ${JSON.stringify(id)}: use the id ${JSON.stringify(shown)}: invalid container ID format: allowed are 1 to 240 letters, digits and the characters _ + - . (but not "." and "..")`,
    prepare: (c) => {
      const bundle = c.bundle();
      return { args: ["create", "-b", bundle.directory, id], bundle };
    },
  })),
  onContainer("an existing id", 'create "{id}": container with given ID already exists', "running", (c) => [
    "create",
    "-b",
    `${c.directory}/bundle1`,
    c.id,
  ]),
  ...["state", "start", "kill", "delete", "pause", "resume", "ps", "update"].map((command) =>
    call(`${command} of an unknown id`, `${command} "{id}": container does not exist`, command, "{id}"),
  ),
  onContainer("start twice", 'start "{id}": cannot start an already running container', "running", (c) => ["start", c.id]),
  onContainer("start of a stopped container", 'start "{id}": cannot start a container that has stopped', "stopped", (c) => ["start", c.id]),
  onContainer("kill of a stopped container", 'kill "{id}": container not running', "stopped", (c) => ["kill", c.id, "KILL"]),
  onContainer("update of a stopped container", 'update "{id}": container not running', "stopped", (c) => [
    "update",
    "--memory",
    "64m",
    c.id,
  ]),
  onContainer("an unknown signal", 'kill "{id}": use the signal "NOSUCH": unknown signal', "running", (c) => ["kill", c.id, "NOSUCH"]),
  onContainer("a signal number that is too large", 'kill "{id}": use the signal "65": unknown signal', "running", (c) => [
    "kill",
    c.id,
    "65",
  ]),
  onContainer("pause of a stopped container", 'pause "{id}": container not running', "stopped", (c) => ["pause", c.id]),
  onContainer("pause twice", 'pause "{id}": container not running: it is paused', "paused", (c) => ["pause", c.id]),
  onContainer("start of a paused container", 'start "{id}": cannot start a container in the paused state', "paused", (c) => [
    "start",
    c.id,
  ]),
  ...(["created", "running", "stopped"] as const).map((status) =>
    onContainer(`resume of a ${status} container`, 'resume "{id}": container not paused', status, (c) => ["resume", c.id]),
  ),
  onContainer("delete of a paused container", 'delete "{id}": cannot delete container {id} that is not stopped: paused', "paused", (c) => [
    "delete",
    c.id,
  ]),
  onContainer(
    "an option that ps does not know",
    'ps "{id}": run "ps --nonsense": exit status 1: error: unknown gnu long option',
    "running",
    (c) => ["ps", c.id, "--nonsense"],
  ),
  onContainer("a table of ps without pids", 'ps "{id}": read the output of ps: it has no column PID', "running", (c) => [
    "ps",
    c.id,
    "-eo",
    "comm",
  ]),
  {
    name: "a host without ps",
    message: 'ps "{id}": run "ps": executable file not found in $PATH',
    prepare: async (c) => {
      await c.createAndStart(c.bundle());
      return { args: ["ps", c.id], options: { env: { PATH: "bin:/nowhere" } } };
    },
  },
  {
    name: "a ps that may not be executed",
    message: 'ps "{id}": run "{dir}/ps": EACCES (permission denied)',
    prepare: async (c) => {
      await c.createAndStart(c.bundle());
      c.file("ps", "");
      return { args: ["ps", c.id], options: { env: { PATH: c.directory } } };
    },
  },
  onContainer(
    "delete of a running container",
    'delete "{id}": cannot delete container {id} that is not stopped: running',
    "running",
    (c) => ["delete", c.id],
  ),
  damaged(
    "state of a container with an empty state.json",
    'state "{id}": read "{root}/{id}/state.json": the file is damaged: not JSON',
    "",
    "state",
  ),
  damaged(
    "start of a container with a cut state.json",
    'start "{id}": read "{root}/{id}/state.json": the file is damaged: not JSON',
    '{"version":1,"id":',
    "start",
  ),
  damaged(
    "kill of a container with another document as state.json",
    'kill "{id}": read "{root}/{id}/state.json": the file is damaged: version undefined, expected 2 or an earlier one',
    "{}",
    "kill",
  ),
  damaged(
    "delete of a container with garbage as state.json",
    'delete "{id}": read "{root}/{id}/state.json": the file is damaged: not JSON',
    "\0garbage",
    "delete",
  ),
];

const consoles: BadInput[] = [
  consoleCase(
    "a console socket that is missing",
    'use the console socket "{dir}/none": it does not exist',
    true,
    (c) => `${c.directory}/none`,
  ),
  consoleCase("a console socket that is no socket", 'use the console socket "{dir}/plain": it is a file', true, (c) => c.file("plain", "")),
  consoleCase(
    "a console socket that nobody listens on",
    'connect to console socket "{dir}/dead": ECONNREFUSED (connection refused)',
    true,
    async (c) => {
      const listener = await c.helper("recvfd", ["terminal", `${c.directory}/dead`]);
      await c.printed(listener, "listening");
      listener.process.kill("SIGKILL");
      await listener.wait();
      return `${c.directory}/dead`;
    },
  ),
  consoleCase(
    "a console socket without a terminal",
    "cannot use console socket if tsrunc will not detach or allocate tty: --console-socket is for create or --detach, with /process/terminal",
    false,
    (c) => `${c.directory}/none`,
  ),
  bundled(
    "a terminal without a console socket",
    "cannot allocate tty if tsrunc will detach without setting console socket: name one with --console-socket, or set /process/terminal to false",
    {
      config: (config) => (config.process.terminal = true),
    },
  ),
];

function consoleCase(name: string, message: string, terminal: boolean, socket: (c: Context) => string | Promise<string>): BadInput {
  return {
    name,
    message: `create "{id}": ${message}`,
    prepare: async (c) =>
      create(c, c.bundle({ config: (config) => (config.process.terminal = terminal) }), "--console-socket", await socket(c)),
  };
}

const withoutSystemd: BadInput = {
  name: "--systemd-cgroup without systemd",
  message:
    'create "{id}": use "--systemd-cgroup": systemd cgroup flag passed, but systemd support for managing cgroups is not available: "/run/systemd/system" does not exist',
  prepare: (c) => {
    const bundle = c.bundle();
    return { args: ["--systemd-cgroup", "create", "-b", bundle.directory, c.id], bundle };
  },
};

/** One fault of config.json by the rules of the cgroup driver systemd, which need no systemd. */
function unitFault(name: string, message: string, config: (config: Config) => void): BadInput {
  const prepare = (c: Context): Prepared => {
    const bundle = c.bundle({ config });
    return { args: ["--systemd-cgroup", "create", "-b", bundle.directory, c.id], bundle };
  };
  return { name: `--systemd-cgroup: ${name}`, message: `create "{id}": config.json: ${message}`, prepare };
}

const path = (cgroupsPath: string) => (config: Config) => void (config.linux.cgroupsPath = cgroupsPath);
const annotation = (name: string, value: string) => (config: Config) => void (config.annotations = { [name]: value });

const units: BadInput[] = [
  unitFault("a path", '/linux/cgroupsPath: found "/a/b", allowed: slice:prefix:name with --systemd-cgroup', path("/a/b")),
  unitFault("two parts", '/linux/cgroupsPath: found "a:b", allowed: slice:prefix:name with --systemd-cgroup', path("a:b")),
  unitFault("no name", '/linux/cgroupsPath: found "a.slice:b:", allowed: slice:prefix:name with --systemd-cgroup', path("a.slice:b:")),
  unitFault(
    "a slice without its ending",
    '/linux/cgroupsPath: found "pods:b:c", allowed: a slice such as "machine-pods.slice" in place of "pods"',
    path("pods:b:c"),
  ),
  unitFault(
    "a slice with an empty part",
    '/linux/cgroupsPath: found "a--b.slice:b:c", allowed: a slice such as "machine-pods.slice" in place of "a--b.slice"',
    path("a--b.slice:b:c"),
  ),
  unitFault(
    "a slice as the container's own unit",
    '/linux/cgroupsPath: found ":b:c.slice", allowed: the name of a scope in place of "c.slice"',
    path(":b:c.slice"),
  ),
  unitFault(
    "a name that no unit has",
    '/linux/cgroupsPath: found ":b:c/d", allowed: the name of a unit in place of "b-c/d.scope": up to 255 letters, digits and : - _ . \\ @',
    path(":b:c/d"),
  ),
  unitFault(
    "a property that is the runtime's own",
    `/annotations/org.systemd.property.Slice: found "'a.slice'", allowed: nothing: after org.systemd.property. comes the name of a scope's property, but PIDs and Slice`,
    annotation("org.systemd.property.Slice", "'a.slice'"),
  ),
  unitFault(
    "a property that is no GVariant",
    `/annotations/org.systemd.property.KillMode: found "mixed", allowed: a value in GVariant text such as 'text', true or uint64 5`,
    annotation("org.systemd.property.KillMode", "mixed"),
  ),
  unitFault(
    "a property in negative seconds",
    '/annotations/org.systemd.property.TimeoutStopSec: found "-1", allowed: a number of seconds that is not negative',
    annotation("org.systemd.property.TimeoutStopSec", "-1"),
  ),
  unitFault(
    "several faults at once",
    `3 faults:
  /process/cwd: found "tmp", allowed: an absolute path
  /linux/cgroupsPath: found "a:b", allowed: slice:prefix:name with --systemd-cgroup
  /annotations/org.systemd.property.KillMode: found "mixed", allowed: a value in GVariant text such as 'text', true or uint64 5`,
    (config) => {
      config.process.cwd = "tmp";
      path("a:b")(config);
      annotation("org.systemd.property.KillMode", "mixed")(config);
    },
  ),
];

const crunAnnotations: BadInput[] = [
  fault(
    "an annotation of crun that is neither yes nor no",
    '/annotations/run.oci.keep_original_groups: found "true", allowed: "1" or "0"',
    annotation("run.oci.keep_original_groups", "true"),
  ),
  fault(
    "an annotation about unknown system calls that is neither yes nor no",
    '/annotations/run.oci.seccomp_fail_unknown_syscall: found "", allowed: "1" or "0"',
    annotation("run.oci.seccomp_fail_unknown_syscall", ""),
  ),
  fault(
    "a context that carries an option of its own",
    '/annotations/run.oci.mount_context_type: found "mode=755,context", allowed: "context", "fscontext", "defcontext", "rootcontext"',
    annotation("run.oci.mount_context_type", "mode=755,context"),
  ),
  fault(
    "a receiver of a pidfd that is relative",
    '/annotations/run.oci.pidfd_receiver: found "socket", allowed: an absolute path',
    annotation("run.oci.pidfd_receiver", "socket"),
  ),
  fault(
    "a filter beside the profile",
    '/annotations/run.oci.seccomp_bpf_data: found "BgAAAAAA/38=", allowed: nothing: a filter comes of /linux/seccomp alone',
    annotation("run.oci.seccomp_bpf_data", "BgAAAAAA/38="),
  ),
  fault(
    "a handler",
    '/annotations/run.oci.handler: found "krun", allowed: nothing: a program is executed by the kernel, not by a handler',
    annotation("run.oci.handler", "krun"),
  ),
  fault(
    "a file for the output of hooks that is relative",
    '/annotations/run.oci.hooks.stdout: found "log", allowed: an absolute path',
    annotation("run.oci.hooks.stdout", "log"),
  ),
  fault(
    "a file for the errors of hooks that is relative",
    '/annotations/run.oci.hooks.stderr: found "log", allowed: an absolute path',
    annotation("run.oci.hooks.stderr", "log"),
  ),
  bundled(
    "a file for the output of hooks in a folder that is missing",
    'open "/nowhere/log" for the output of hooks: ENOENT (no such file or directory)',
    { config: annotation("run.oci.hooks.stdout", "/nowhere/log") },
  ),
  bundled("a receiver of a pidfd that is not there", 'connect to pidfd socket "/nowhere/socket": ENOENT (no such file or directory)', {
    config: annotation("run.oci.pidfd_receiver", "/nowhere/socket"),
  }),
];

const commandLine: BadInput[] = [
  call(
    "a bundle that is missing",
    'create "{id}": open directory "{dir}/none": ENOENT (no such file or directory)',
    "create",
    "-b",
    "{dir}/none",
    "{id}",
  ),
  {
    name: "a bundle that is a file",
    message: 'create "{id}": open directory "{dir}/file": ENOTDIR (not a directory)',
    prepare: (c) => ({ args: ["create", "-b", c.file("file", ""), c.id] }),
  },
  {
    name: "a root directory that cannot be written to",
    message:
      'create "{id}": make state directory "{root}/{id}": EROFS (read-only file system); name a directory that you may write to with --root or in XDG_RUNTIME_DIR',
    prepare: (c) => {
      const bundle = c.bundle();
      mkdirSync(c.root);
      spawnSync("mount", ["-t", "tmpfs", "-o", "ro,mode=700", "tmpfs", c.root]);
      c.defer(() => spawnSync("umount", [c.root]));
      return create(c, bundle);
    },
  },
  {
    name: "a root directory that is a file",
    message: 'create "{id}": open state root "{root}": ENOTDIR (not a directory)',
    prepare: (c) => {
      const bundle = c.bundle();
      writeFileSync(c.root, "");
      c.defer(() => rmSync(c.root));
      return create(c, bundle);
    },
  },
  {
    name: "a pid-file in a folder that is missing",
    message: 'create "{id}": write pid file "{dir}/none/pid": ENOENT (no such file or directory)',
    prepare: (c) => create(c, c.bundle(), "--pid-file", `${c.directory}/none/pid`),
  },
  {
    name: "--preserve-fds of descriptors that are not open",
    message: 'create "{id}": preserve file descriptor 3: it is not open',
    prepare: (c) => create(c, c.bundle(), "--preserve-fds", "2"),
  },
  {
    name: "--preserve-fds that is no number",
    message: 'create: flag "--preserve-fds" is a number up to 1048576, not "two"',
    prepare: (c) => create(c, c.bundle(), "--preserve-fds", "two"),
  },
  {
    name: "spec over an existing config.json",
    message: 'write "{bundle}/config.json": config.json exists, remove it first',
    prepare: (c) => {
      const bundle = c.bundle();
      return { args: ["spec", "-b", bundle.directory], bundle };
    },
  },
  // With systemd it is no mistake.
  ...(existsSync("/run/systemd/system") ? [] : [withoutSystemd]),
  {
    name: "a log file in a folder that is missing",
    message: 'append to "{dir}/none/log": ENOENT (no such file or directory)',
    prepare: (c) => ({ args: ["--log", `${c.directory}/none/log`, "state", c.id] }),
  },
  call("an unknown command", 'tsrunc: unknown command "creat", did you mean "create"?', "creat"),
  call("an unknown flag", 'create: unknown flag "--bundel", did you mean "--bundle"?', "create", "--bundel", "x", "{id}"),
  call("an unknown global flag", 'tsrunc: unknown flag "--rooot", did you mean "--root"?', "--rooot", "x", "list"),
  call("a flag without its value", "list: flag needs an argument: --format", "list", "--format"),
  call("a log format that does not exist", 'tsrunc: flag "--log-format" is text or json, not "xml"', "--log-format", "xml", "list"),
  call("events without an ID", "events: missing container ID", "events"),
  call("events of two containers", 'events: unexpected argument "b"', "events", "a", "b"),
  call("events of a container that does not exist", 'events "{id}": container does not exist', "events", "{id}"),
  call(
    "an interval without a unit",
    'events: flag "--interval" is a duration such as 500ms, 5s or 1m30s, not "5"',
    "events",
    "--interval",
    "5",
    "{id}",
  ),
  call(
    "an interval in days",
    'events: flag "--interval" is a duration such as 500ms, 5s or 1m30s, not "1d"',
    "events",
    "--interval",
    "1d",
    "{id}",
  ),
  call("an empty interval", 'events: flag "--interval" is a duration such as 500ms, 5s or 1m30s, not ""', "events", "--interval=", "{id}"),
  call(
    "an interval beyond Go's",
    'events: flag "--interval" is a duration such as 500ms, 5s or 1m30s, not "9999999h"',
    "events",
    "--interval",
    "9999999h",
    "{id}",
  ),
  call(
    "an interval of zero",
    'events: flag "--interval": duration interval must be greater than 0, not "0s"',
    "events",
    "--interval",
    "0s",
    "{id}",
  ),
  call(
    "a negative interval",
    'events: flag "--interval": duration interval must be greater than 0, not "-1s"',
    "events",
    "--interval=-1s",
    "{id}",
  ),
  onContainer("events of a stopped container", 'events "{id}": container with id {id} is not running', "stopped", (c) => ["events", c.id]),
  call("a list format that does not exist", 'list: flag "--format" is table or json, not "xml"', "list", "-f", "xml"),
  call("a form of ps that does not exist", 'ps: flag "--format" is table or json, not "xml"', "ps", "-f", "xml", "{id}"),
  ...["pause", "resume"].map((command) => call(`${command} of two containers`, `${command}: unexpected argument "b"`, command, "a", "b")),
  ...["create", "start", "state", "kill", "delete", "run", "pause", "resume", "ps", "update"].map((command) =>
    call(`${command} without a container ID`, `${command}: missing container ID`, command),
  ),
  call("two container IDs", 'start: unexpected argument "b"', "start", "a", "b"),
  call("a signal too many", 'kill: unexpected argument "9"', "kill", "a", "TERM", "9"),
  ...["list", "features", "spec"].map((command) => call(`${command} of something`, `${command}: unexpected argument "x"`, command, "x")),
];

/** With a flag before the command, and a configuration that is changed. */
function createWith(
  name: string,
  message: string,
  flags: (c: Context) => { global?: string[]; own?: string[] },
  options: BundleOptions = {},
): BadInput {
  const prepare = (c: Context): Prepared => {
    const bundle = c.bundle(options);
    const { global = [], own = [] } = flags(c);
    return { args: [...global, "create", ...own, "-b", bundle.directory, c.id], bundle };
  };
  return { name, message, prepare };
}

const disabled = () => ({ global: ["--cgroup-manager", "disabled"] });

const crunFlags: BadInput[] = [
  call(
    "a cgroup manager that does not exist",
    'tsrunc: flag "--cgroup-manager" is cgroupfs or systemd or disabled, not "none"',
    "--cgroup-manager=none",
    "list",
  ),
  call(
    "two cgroup managers",
    'tsrunc: flags "--systemd-cgroup" and "--cgroup-manager cgroupfs" exclude each other',
    "--systemd-cgroup",
    "--cgroup-manager=cgroupfs",
    "list",
  ),
  createWith(
    "a limit without a cgroup",
    'create "{id}": /linux/resources/pids: the cgroup manager is disabled: without a cgroup there are no limits',
    disabled,
    { config: (config) => (config.linux.resources = { pids: { limit: 10 } }) },
  ),
  call(
    "a log level that does not exist",
    'tsrunc: flag "--log-level" is error or warning or info or debug, not "fatal"',
    "--log-level",
    "fatal",
    "list",
  ),
  call("two log levels", 'tsrunc: flags "--debug" and "--log-level error" exclude each other', "--debug", "--log-level", "error", "list"),
  // Elsewhere it is a file of that name.
  ...(isTsrunc ? [call("a log without a file", 'tsrunc: flag "--log" names no file: "file:"', "--log", "file:", "list")] : []),
  call("a log that is a directory", 'append to "{dir}": EISDIR (is a directory)', "--log", "{dir}", "list"),
  createWith("a configuration that is not there", 'create "{id}": read "{dir}/none.json": ENOENT (no such file or directory)', (c) => ({
    own: ["--config", `${c.directory}/none.json`],
  })),
  createWith("a configuration that is a directory", 'create "{id}": read "{dir}": EISDIR (is a directory)', (c) => ({
    own: ["--config", c.directory],
  })),
  createWith("a configuration without a name", 'create "{id}": read "": ENOENT (no such file or directory)', () => ({
    own: ["--config="],
  })),
  createWith(
    "a configuration elsewhere that is no JSON",
    'create "{id}": parse "{dir}/own.json": line 1, column 1: expected a JSON object, found the end of the file',
    (c) => ({ own: ["--config", c.file("own.json", "")] }),
  ),
  createWith(
    "a configuration elsewhere with faults",
    [
      'create "{id}": {dir}/own.json: 3 faults:',
      "  /ociVersion: found 1, allowed: a string",
      '  /process: found nothing, allowed: an object with "args" and "cwd"',
      '  /root: found nothing, allowed: an object with "path"',
    ].join("\n"),
    (c) => ({ own: ["--config", c.file("own.json", '{"ociVersion": 1}')] }),
  ),
  call(
    "a regular expression that is not one",
    'kill: the regular expression "(" is not valid: a "(" is not closed',
    "kill",
    "--regex",
    "(",
    "KILL",
  ),
  call(
    "a regular expression that is empty",
    'delete: the regular expression is empty: "." matches every container',
    "delete",
    "--force",
    "--regex",
    "",
  ),
  call("a wrong signal for those that match", 'use the signal "NONE": unknown signal', "kill", "--regex", "x", "NONE"),
  call("a completion for no shell", 'completion: shell is bash or zsh or fish, not "csh"', "completion", "csh"),
  call("a completion without a shell", "completion: missing shell", "completion"),
];

export const cases: BadInput[] = [
  ...files,
  ...whole,
  ...badValueCases.map(({ name, message, content }) => text(name, message, content)),
  ...profiles,
  ...root,
  ...process,
  ...namespaces,
  ...mounts,
  ...resourceClasses,
  ...devicesOfTheNetwork,
  ...devicesAndCgroups,
  ...identifiers,
  ...consoles,
  ...units,
  ...crunAnnotations,
  ...badExecs,
  ...badUpdates,
  ...badMounts,
  ...badCommands,
  ...commandLine,
  ...crunFlags,
  ...badCheckpoints,
];
