/**
 * linux.seccomp (runtime-spec, config-linux.md#seccomp), seen from inside: the helper `syscalls` makes calls and says what came of them.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  linkSync,
  lstatSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { arch } from "node:process";
import { test } from "./harness/suite.js";
import { binaries, fixture, isTsrunc } from "./harness/environment.js";
import { setNamespace } from "./harness/config.js";
import { describe } from "./harness/execute.js";
import type { Config, Seccomp, SeccompArg } from "./harness/config.js";
import type { Bundle, Context } from "./harness/context.js";
import type { Result } from "./harness/execute.js";

const docker = JSON.parse(fixture("seccomp/docker.json")) as Seccomp;
const everything: Seccomp = { defaultAction: "SCMP_ACT_ALLOW" };

/** Numbers of system calls on x86-64 that programs and runtimes do without, but for getpid. */
const calls = { getpid: 39, setfsgid: 123, vhangup: 153, sync: 162, sysfs: 139 };

const withProfile =
  (seccomp: Seccomp, change?: (config: Config) => void) =>
  (config: Config): void => {
    config.linux.seccomp = seccomp;
    change?.(config);
  };

/** A profile that allows everything but one call. */
const but = (name: string, action: string, rest: { errnoRet?: number; args?: SeccompArg[] } = {}): Seccomp => ({
  ...everything,
  syscalls: [{ names: [name], action, ...rest }],
});

function bundleFor(c: Context, args: readonly string[], seccomp: Seccomp, change?: (config: Config) => void): Bundle {
  if (arch !== "x64") c.skip("the numbers of the system calls are those of x86-64");
  const bundle = c.bundle({ args: ["syscalls", ...args], config: withProfile(seccomp, change) });
  copyFileSync(`${binaries}/syscalls`, `${bundle.rootfs}/bin/syscalls`);
  return bundle;
}

/** Runs `syscalls`, whatever becomes of it. */
function attempt(c: Context, args: readonly string[], seccomp: Seccomp, change?: (config: Config) => void): Promise<Result> {
  return c.run(bundleFor(c, args, seccomp, change));
}

/** What `syscalls` printed; it must end well. */
async function outcome(c: Context, args: readonly string[], seccomp: Seccomp, change?: (config: Config) => void): Promise<string[]> {
  const result = await attempt(c, args, seccomp, change);
  assert.equal(result.status, 0, describe(result));
  return result.stdout.trim().split("\n");
}

test("SCMP_ACT_ERRNO gives EPERM, or errnoRet", async (c) => {
  const profile: Seccomp = {
    ...everything,
    syscalls: [
      { names: ["vhangup"], action: "SCMP_ACT_ERRNO" },
      { names: ["sync"], action: "SCMP_ACT_ERRNO", errnoRet: 61 },
      { names: ["setfsgid"], action: "SCMP_ACT_ERRNO", errnoRet: 0 },
    ],
  };
  assert.deepEqual(await outcome(c, [`${calls.vhangup}`, `${calls.sync}`, `${calls.setfsgid},77`, `${calls.getpid}`], profile), [
    "EPERM",
    "ENODATA",
    "0",
    "1",
  ]);
});

test("SCMP_ACT_TRACE without a tracer gives ENOSYS", async (c) => {
  assert.deepEqual(await outcome(c, [`${calls.vhangup}`], but("vhangup", "SCMP_ACT_TRACE", { errnoRet: 5 })), ["ENOSYS"]);
});

test("SCMP_ACT_LOG lets the call through", async (c) => {
  assert.deepEqual(await outcome(c, [`${calls.getpid}`], but("getpid", "SCMP_ACT_LOG")), ["1"]);
});

test("SCMP_ACT_TRAP raises SIGSYS, which a program may handle", async (c) => {
  const trap = but("vhangup", "SCMP_ACT_TRAP");
  assert.deepEqual(await outcome(c, [`handled:${calls.vhangup}`], trap), [`SIGSYS ${calls.vhangup}`]);
  const result = await attempt(c, [`${calls.vhangup}`], trap);
  assert.equal(result.status, 128 + 31, describe(result));
});

for (const action of ["SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD"]) {
  test(`${action} ends the thread that made the call`, async (c) => {
    assert.deepEqual(await outcome(c, [`thread:${calls.vhangup}`], but("vhangup", action)), ["alive"]);
  });
}

test("SCMP_ACT_KILL_PROCESS ends the process by SIGSYS", async (c) => {
  const result = await attempt(c, [`thread:${calls.vhangup}`], but("vhangup", "SCMP_ACT_KILL_PROCESS"));
  assert.equal(result.status, 128 + 31, describe(result));
  assert.equal(result.stdout, "");
});

const big = 2n ** 32n;
const operators: [op: string, value: bigint, valueTwo: bigint | undefined, hits: bigint[], misses: bigint[]][] = [
  ["SCMP_CMP_NE", 5n, undefined, [4n, 6n, big + 5n], [5n]],
  ["SCMP_CMP_LT", big, undefined, [0n, big - 1n], [big, big + 1n]],
  ["SCMP_CMP_LE", big, undefined, [0n, big], [big + 1n, 2n ** 64n - 1n]],
  ["SCMP_CMP_EQ", 2n ** 64n - 1n, undefined, [2n ** 64n - 1n], [0n, big - 1n, 2n ** 64n - 2n]],
  ["SCMP_CMP_GE", big + 1n, undefined, [big + 1n, 2n ** 63n], [big, 1n]],
  ["SCMP_CMP_GT", big + 1n, undefined, [big + 2n], [big + 1n, 0n]],
  ["SCMP_CMP_MASKED_EQ", big | 0xf0n, big | 0x10n, [big | 0x1fn, (big * 2n) | big | 0x10n], [0x10n, big | 0x20n]],
];

for (const [op, value, valueTwo, hits, misses] of operators) {
  test(`${op} compares all 64 bits of an argument`, async (c) => {
    const args: SeccompArg[] = [{ index: 3, value, op, ...(valueTwo === undefined ? {} : { valueTwo }) }];
    const tried = [...hits, ...misses].map((argument) => `${calls.getpid},0,0,0,${argument}`);
    const lines = await outcome(c, tried, but("getpid", "SCMP_ACT_ERRNO", { errnoRet: 2, args }));
    assert.deepEqual(lines, [...hits.map(() => "ENOENT"), ...misses.map(() => "1")]);
  });
}

test("conditions on several arguments must all hold, on one argument one of them", async (c) => {
  const is = (index: number, value: number): SeccompArg => ({ index, value, op: "SCMP_CMP_EQ" });
  const both = but("getpid", "SCMP_ACT_ERRNO", { args: [is(0, 1), is(5, 2)] });
  const number = calls.getpid;
  assert.deepEqual(await outcome(c, [`${number},1,0,0,0,0,2`, `${number},1`, `${number},0,0,0,0,0,2`], both), ["EPERM", "1", "1"]);
  const either = but("getpid", "SCMP_ACT_ERRNO", { args: [is(0, 1), is(0, 2)] });
  assert.deepEqual(await outcome(c, [`${number},1`, `${number},2`, `${number},3`], either), ["EPERM", "EPERM", "1"]);
});

test("Docker's default profile runs a shell, and denies what Docker denies", async (c) => {
  const line = "grep Seccomp: /proc/self/status; mount -t tmpfs tmpfs /tmp 2>&1; ls / | wc -l; echo $((6*7))";
  const output = await c.shell(line, withProfile(docker));
  assert.match(output, /^Seccomp:\t2\nmount: .*(Operation not permitted|permission denied)[^\n]*\n\d+\n42$/i);
  // unshare(CLONE_NEWUSER), and clone3, which must look as if the kernel were older
  assert.deepEqual(await outcome(c, ["272,0x10000000", "435"], docker), ["EPERM", "ENOSYS"]);
});

/** Those of Docker's profile that came after faccessat2, which is 439 on every architecture. */
const after439 =
  /^(process_(madvise|mrelease)|epoll_pwait2|mount_setattr|quotactl_fd|landlock_.*|memfd_secret|futex_(waitv|wait|wake|requeue)|set_mempolicy_home_node|cachestat|fchmodat2|map_shadow_stack|(stat|list)mount|lsm_.*|mseal|(set|get|list|remove)xattrat)$/;

test("a call beyond the last one that the profile names gets ENOSYS, for each architecture", async (c) => {
  const names = [...(docker.syscalls?.[0]?.names ?? []), "arch_prctl", "faccessat2"].filter((name) => !after439.test(name));
  const profile: Seccomp = {
    defaultAction: "SCMP_ACT_ERRNO",
    architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
    syscalls: [{ names, action: "SCMP_ACT_ALLOW" }],
  };
  // 440 is process_madvise, which this kernel has.
  const tried = [`${calls.vhangup}`, "439", "440", "9999", "i386:111", "i386:440", "i386:9999"];
  assert.deepEqual(await outcome(c, tried, profile), ["EPERM", "EFAULT", "ENOSYS", "ENOSYS", "EPERM", "ENOSYS", "ENOSYS"]);
  // A name of the default action counts as known.
  const known = { ...profile, syscalls: [...(profile.syscalls ?? []), { names: ["process_madvise"], action: "SCMP_ACT_ERRNO" }] };
  assert.deepEqual(await outcome(c, ["440", "441"], known), ["EPERM", "ENOSYS"]);
  assert.deepEqual(await outcome(c, ["440"], { ...profile, defaultErrnoRet: 38 }), ["ENOSYS"]);
});

test("a call newer than the profile is left to a default action that lets it through", async (c) => {
  // The kernel's own answer: 439 is faccessat2, here without a path.
  assert.deepEqual(await outcome(c, ["439"], but("vhangup", "SCMP_ACT_ERRNO")), ["EFAULT"]);
});

test("architectures: a profile is for each that it names, others are killed", async (c) => {
  const profile = { ...but("getppid", "SCMP_ACT_ERRNO", { errnoRet: 2 }), architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"] };
  // i386: getppid is 64, getpid 20
  assert.deepEqual(await outcome(c, ["110", "i386:64", "i386:20"], profile), ["ENOENT", "ENOENT", "1"]);
  const result = await attempt(c, [`${calls.getpid}`, "i386:20"], but("getppid", "SCMP_ACT_ERRNO"));
  assert.equal(result.status, 128 + 31, describe(result));
  assert.equal(result.stdout, "1\n");
  const unnative = await outcome(c, ["110"], { ...but("getppid", "SCMP_ACT_ERRNO"), architectures: ["SCMP_ARCH_X86"] });
  assert.deepEqual(unnative, ["EPERM"], "this machine's own architecture is always there");
});

test("unknown names are passed over with a warning, the others count", async (c) => {
  const profile: Seccomp = { ...everything, syscalls: [{ names: ["fly", "vhangup", "swim"], action: "SCMP_ACT_ERRNO" }] };
  for (const round of ["first", "second"]) {
    const result = await attempt(c, [`${calls.vhangup}`], profile);
    assert.equal(result.status, 0, describe(result));
    assert.equal(result.stdout, "EPERM\n");
    if (isTsrunc) {
      const text = 'no rule is made for "fly", "swim": libseccomp 2.6.0 knows no such system call';
      assert.equal(result.stderr, `warning: config.json: /linux/seccomp/syscalls/0/names: ${text}\n`, round);
    }
  }
});

test("a name may stand in several rules and twice in one", async (c) => {
  const profile: Seccomp = {
    ...everything,
    syscalls: [
      { names: ["vhangup", "vhangup"], action: "SCMP_ACT_ERRNO" },
      { names: ["vhangup"], action: "SCMP_ACT_ERRNO" },
      { names: ["getpid"], action: "SCMP_ACT_ALLOW" },
    ],
  };
  assert.deepEqual(await outcome(c, [`${calls.vhangup}`, `${calls.getpid}`], profile), ["EPERM", "1"]);
});

/** What a static program needs to start, print and end. */
const least = (
  "execve exit_group write brk arch_prctl set_tid_address set_robust_list rseq prlimit64 readlinkat readlink getrandom mprotect mmap " +
  "munmap newfstatat fstat"
).split(" ");

test("with noNewPrivileges the profile need not allow what the runtime itself does", async (c) => {
  const profile: Seccomp = { defaultAction: "SCMP_ACT_KILL_PROCESS", syscalls: [{ names: least, action: "SCMP_ACT_ALLOW" }] };
  const user = (config: Config): void => {
    config.process.noNewPrivileges = true;
    config.process.user = { uid: 1000, gid: 1000 };
    config.process.cwd = "/home/worker";
  };
  assert.deepEqual(await outcome(c, [`${calls.getpid}`].slice(1), profile, user), [""]);
  const created = bundleFor(c, [], profile, user);
  await c.createAndStart(created, [], { id: c.otherId("created") });
  await c.status("stopped", c.otherId("created"));
});

test("without noNewPrivileges a plain user is filtered too", async (c) => {
  const user = (config: Config): void => {
    config.process.noNewPrivileges = false;
    config.process.user = { uid: 1000, gid: 1000 };
    config.process.capabilities = {};
  };
  assert.deepEqual(await outcome(c, [`${calls.vhangup}`], but("vhangup", "SCMP_ACT_ERRNO", { errnoRet: 2 }), user), ["ENOENT"]);
});

test("in a user namespace the filter works, with and without noNewPrivileges", async (c) => {
  for (const noNewPrivileges of [true, false]) {
    const change = (config: Config): void => {
      setNamespace(config, "user");
      config.linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
      config.linux.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
      config.process.noNewPrivileges = noNewPrivileges;
    };
    assert.deepEqual(await outcome(c, [`${calls.vhangup}`], but("vhangup", "SCMP_ACT_ERRNO", { errnoRet: 2 }), change), ["ENOENT"]);
  }
});

test("the status in /proc says that one filter is loaded, and with which flags", async (c) => {
  const status = (flags: string[] | undefined): Promise<string> =>
    c.shell(
      "grep -E '^(Seccomp|Speculation_Store)' /proc/self/status",
      withProfile({ ...everything, ...(flags && { flags }) }, (config) => (config.process.noNewPrivileges = true)),
    );
  const [without, allowed, empty] = [await status(undefined), await status(["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]), await status([])];
  assert.match(without, /^Seccomp:\t2\nSeccomp_filters:\t1\n/);
  assert.equal(without, allowed, "without flags SPEC_ALLOW is set");
  // Where the processor has the fault and the kernel's default is to mitigate it for filtered processes, this one is mitigated.
  assert.match(empty, /^Seccomp:\t2\nSeccomp_filters:\t1\n/);
  assert.match(await status(["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"]), /^Seccomp:\t2\n/);
});

test("features names what a profile may hold, and the flags that the kernel takes", async (c) => {
  interface Features {
    linux: { seccomp: { enabled: boolean; actions: string[]; operators: string[]; archs: string[]; supportedFlags?: string[] } };
  }
  const { seccomp } = (JSON.parse((await c.ok(["features"])).stdout) as Features).linux;
  assert.equal(seccomp.enabled, true);
  for (const action of ["ALLOW", "ERRNO", "KILL", "LOG", "NOTIFY", "TRACE", "TRAP"])
    assert.ok(seccomp.actions.includes(`SCMP_ACT_${action}`), action);
  assert.deepEqual([...seccomp.operators].sort(), operators.map(([op]) => op).sort());
  for (const name of ["X86", "X86_64", "X32", "AARCH64", "S390X"]) assert.ok(seccomp.archs.includes(`SCMP_ARCH_${name}`), name);
  for (const flag of seccomp.supportedFlags ?? []) await outcome(c, [], { ...everything, flags: [flag] });
});

interface AgentRequest {
  state: Record<string, unknown> & { state: Record<string, unknown> };
  connection: string;
  lines: string[];
}

/** Runs `syscalls` with an agent that answers with `errno`. */
async function withAgent(
  c: Context,
  args: string[],
  errno: number,
  profile: Partial<Seccomp>,
  change?: (config: Config) => void,
): Promise<AgentRequest & { output: string }> {
  const socket = `${c.directory}/agent${errno}`;
  const agent = await c.helper("seccompagent", [socket, String(errno)]);
  await c.printed(agent, "listening");
  const result = await attempt(c, args, { ...but("vhangup", "SCMP_ACT_NOTIFY"), listenerPath: socket, ...profile }, change);
  assert.equal(result.status, 0, `${describe(result)}\n${agent.output()}`);
  await agent.wait();
  const [, descriptors = "", state = "", connection = "", ...lines] = agent.output().trimEnd().split("\n");
  assert.equal(descriptors, "descriptors 1");
  return { state: JSON.parse(state) as AgentRequest["state"], connection, lines, output: result.stdout };
}

test("SCMP_ACT_NOTIFY asks the agent at listenerPath, which gets the container process state", async (c) => {
  const asked = await withAgent(c, [`${calls.vhangup}`, `${calls.getpid}`], 61, { listenerMetadata: 'opaque\n"text"' }, (config) => {
    config.annotations = { "org.example.key": "value" };
    config.process.noNewPrivileges = true;
  });
  assert.equal(asked.output, "ENODATA\n1\n");
  assert.deepEqual(asked.lines, [`call ${calls.vhangup}`]);
  assert.equal(asked.connection, "closed");
  const { state, ...process } = asked.state;
  assert.deepEqual(process["fds"], ["seccompFd"]);
  assert.equal(process["metadata"], 'opaque\n"text"');
  assert.match(String(process["ociVersion"]), /^1\./);
  assert.equal(process["pid"], state["pid"]);
  assert.equal(state["id"], c.id);
  assert.equal(state["status"], "creating");
  assert.match(String(state["bundle"]), /\/bundle1$/);
  assert.deepEqual(state["annotations"], { "org.example.key": "value" });
});

test("an agent may let the call go on; without metadata there is none", async (c) => {
  const asked = await withAgent(c, [`${calls.getpid}`], 0, { ...but("getpid", "SCMP_ACT_NOTIFY") }, (config) => {
    config.process.noNewPrivileges = false;
  });
  assert.equal(asked.output, "1\n");
  assert.equal("metadata" in asked.state, false);
  assert.ok(asked.lines.length >= 1);
});

for (const name of ["sendmsg", "sendto", "recvmsg", "read", "close"])
  test(`the listener is handed over although the filter notifies about ${name}`, async (c) => {
    assert.equal((await withAgent(c, [`${calls.getpid}`], 0, but(name, "SCMP_ACT_NOTIFY"))).output, "1\n");
  });

test("all flags go together with a listener", async (c) => {
  const flags = ["TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV"].map((flag) => `SECCOMP_FILTER_FLAG_${flag}`);
  assert.equal((await withAgent(c, [`${calls.vhangup}`], 61, { flags })).output, "ENODATA\n");
});

test("a listener works in a user namespace", async (c) => {
  const asked = await withAgent(c, [`${calls.vhangup}`], 61, {}, (config) => {
    setNamespace(config, "user");
    config.linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
    config.linux.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
  });
  assert.equal(asked.output, "ENODATA\n");
});

test("an agent that is not there fails create, and nothing stays", async (c) => {
  const bundle = bundleFor(c, [], { ...but("vhangup", "SCMP_ACT_NOTIFY"), listenerPath: `${c.directory}/nobody` });
  await c.fails(["create", "-b", bundle.directory, c.id], /nobody.*(ENOENT|no such file)/);
  await c.fails(["state", c.id], /does not exist/);
});

/** The file of tsrunc's cache below a state root. There must be one. */
function cachedFile(c: Context): string {
  const folder = `${c.root}/#seccomp`;
  const names = readdirSync(folder);
  assert.equal(names.length, 1);
  return `${folder}/${String(names[0])}`;
}

/** The filter is the profile's, whatever became of the cache. */
async function denies(c: Context): Promise<void> {
  const profile = but("vhangup", "SCMP_ACT_ERRNO", { errnoRet: 2 });
  assert.deepEqual(await outcome(c, [`${calls.vhangup}`], profile), ["ENOENT"]);
}

/** Ways to make a kept filter one that is not to be trusted. */
const tampering: [what: string, tamper: (file: string) => void][] = [
  ["an empty file", (file) => truncateSync(file)],
  ["a file with a changed byte in the filter", (file) => changeByte(file, statSync(file).size - 4)],
  ["a file with a changed byte in the key", (file) => changeByte(file, 40)],
  ["a longer file", (file) => appendFileSync(file, "x")],
  ["a file that others may write", (file) => chmodSync(file, 0o622)],
  ["a file that others may read", (file) => chmodSync(file, 0o644)],
  ["a file of another user", (file) => chownSync(file, 1000, 1000)],
  [
    "a symbolic link",
    (file) => {
      renameSync(file, `${dirname(dirname(file))}/.elsewhere`);
      symlinkSync("../.elsewhere", file);
    },
  ],
  ["a file with two names", (file) => linkSync(file, `${dirname(dirname(file))}/.second`)],
  [
    "a FIFO",
    (file) => {
      rmSync(file);
      assert.equal(spawnSync("mkfifo", ["-m", "600", file]).status, 0);
    },
  ],
];

function changeByte(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  writeFileSync(file, bytes);
}

if (isTsrunc) {
  test("a filter is kept for its owner alone, and used again as it is", async (c) => {
    await denies(c);
    const file = cachedFile(c);
    const { mode, uid, ino, mtimeMs, atimeMs } = statSync(file);
    assert.deepEqual([mode & 0o7777, uid, statSync(dirname(file)).mode & 0o7777], [0o600, 0, 0o700]);
    await denies(c);
    const again = statSync(cachedFile(c));
    assert.deepEqual([again.ino, again.mtimeMs], [ino, mtimeMs]);
    assert.ok(again.atimeMs >= atimeMs);
    assert.equal((await c.ok(["list", "-q"])).stdout, "", "it is no container");
  });

  for (const [what, tamper] of tampering) {
    test(`instead of a kept filter there is ${what}: it is not used, and made anew`, async (c) => {
      await denies(c);
      const file = cachedFile(c);
      const [whole, before] = [readFileSync(file), statSync(file)];
      tamper(file);
      await denies(c);
      const after = lstatSync(file);
      assert.notEqual(after.ino, before.ino);
      assert.deepEqual([after.isFile(), after.mode & 0o7777, after.uid, after.nlink], [true, 0o600, 0, 1]);
      assert.deepEqual(readFileSync(file), whole);
    });
  }

  for (const [what, tamper] of [
    ["of another user", (folder: string) => chownSync(folder, 1000, 1000)],
    ["that others may write", (folder: string) => chmodSync(folder, 0o777)],
  ] as const) {
    test(`a folder of kept filters ${what} is not used`, async (c) => {
      await denies(c);
      const file = cachedFile(c);
      const before = statSync(file);
      tamper(dirname(file));
      // What it holds now would allow everything: it is not looked at.
      writeFileSync(file, "");
      await denies(c);
      assert.deepEqual([statSync(file).ino, statSync(file).size], [before.ino, 0]);
    });
  }

  test("faults of a configuration with a cached filter are reported from its own text", async (c) => {
    await denies(c);
    const bundle = bundleFor(c, [], but("vhangup", "SCMP_ACT_ERRNO", { errnoRet: 2 }), (config) => (config.process.cwd = "here"));
    await c.fails(["create", "-b", bundle.directory, c.id], /config\.json: \/process\/cwd: found "here", allowed: an absolute path\n$/);
    writeFileSync(`${bundle.directory}/config.json`, readFileSync(`${bundle.directory}/config.json`, "utf8").replace(/}\s*$/, ""));
    await c.fails(["create", "-b", bundle.directory, c.id], /parse "config\.json": line \d+, column \d+: expected a comma or "}"/);
  });

  test("a kept filter is found beside integers beyond 2^53", async (c) => {
    const limits = (config: Config): void => {
      config.process.rlimits = [{ type: "RLIMIT_CORE", soft: 0, hard: 2n ** 64n - 1n }];
    };
    const profile = but("getpid", "SCMP_ACT_ERRNO", { args: [{ index: 0, value: 2n ** 64n - 1n, op: "SCMP_CMP_EQ" }] });
    for (const round of ["compiled", "kept"]) {
      const number = calls.getpid;
      assert.deepEqual(await outcome(c, [`${number},${2n ** 64n - 1n}`, `${number},1`], profile, limits), ["EPERM", "1"], round);
    }
    const { mtimeMs } = statSync(cachedFile(c));
    await outcome(c, [], profile, limits);
    assert.equal(statSync(cachedFile(c)).mtimeMs, mtimeMs);
  });
}

test("a profile that denies what looks the program up does not stop the runtime, with and without new privileges", async (c) => {
  // getcwd(2), and faccessat2(2), which many allow lists are older than.
  const profile: Seccomp = { ...everything, syscalls: [{ names: ["getcwd", "faccessat2"], action: "SCMP_ACT_ERRNO" }] };
  for (const noNewPrivileges of [false, true]) {
    const bundle = c.bundle({
      args: ["sh", "-c", "echo ran"],
      config: withProfile(profile, (config) => (config.process.noNewPrivileges = noNewPrivileges)),
    });
    const result = await c.runtime(["run", "-b", bundle.directory, c.otherId(String(noNewPrivileges))]);
    assert.equal(result.stdout, "ran\n", describe(result));
  }
});
