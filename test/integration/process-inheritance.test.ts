/**
 * What a container's program inherits from the runtime's caller, and what it does not: the table of docs/inheritance.md, row by row. The
 * caller (harness/native/attributes.c) has a value of its own everywhere.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { binaries } from "./harness/environment.js";
import { cgroupMode, hierarchyOf } from "./harness/cgroups.js";
import { setNamespace } from "./harness/config.js";
import { describe } from "./harness/execute.js";
import { test } from "./harness/suite.js";
import type { Config } from "./harness/config.js";
import type { Context } from "./harness/context.js";
import type { Report } from "./harness/report.js";

interface Seen extends Report {
  cpus: string;
  coredumpFilter: string;
  oomScoreAdj: string;
}

/** Runs a container below a caller with all those attributes. */
async function seen(c: Context, change: (config: Config) => void = () => undefined): Promise<Seen> {
  const files = "grep Cpus_allowed_list /proc/self/status; cat /proc/self/coredump_filter /proc/self/oom_score_adj";
  const bundle = c.bundle({ args: ["sh", "-c", `probe report; ${files}`], config: change });
  const result = await (await c.startBelow([`${binaries}/attributes`], ["run", "-b", bundle.directory, c.id])).wait();
  assert.equal(result.status, 0, describe(result));
  return parse(result.stdout);
}

function parse(output: string): Seen {
  const lines = output.trim().split("\n");
  const [cpus = "", coredumpFilter = "", oomScoreAdj = ""] = lines.splice(-3);
  return { ...(JSON.parse(lines.join("\n")) as Report), cpus: cpus.split("\t")[1] ?? "", coredumpFilter, oomScoreAdj };
}

/** What the host allows this process, by the kernel's list. */
const allCpus = /^Cpus_allowed_list:\t(.+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
const hasNuma = existsSync("/proc/self/numa_maps");
const signalBit = (signal: number): bigint => 1n << BigInt(signal - 1);

const inherited: [name: string, check: (seen: Seen) => void][] = [
  ["nice value", ({ nice }) => assert.equal(nice, 7)],
  ["scheduling policy", ({ scheduler }) => assert.equal(scheduler, 3)],
  ["I/O priority", ({ ioPriority }) => assert.equal(ioPriority, (2 << 13) | 6)],
  ["oom_score_adj", ({ oomScoreAdj }) => assert.equal(oomScoreAdj, "321")],
  ["coredump filter", ({ coredumpFilter }) => assert.equal(Number(`0x${coredumpFilter}`), 0x17)],
  ["timer slack", ({ timerSlack }) => assert.equal(timerSlack, 123456)],
  ["personality", ({ personality }) => assert.equal(personality, 0x40000)],
  ["resource limits", ({ rlimits }) => assert.deepEqual(rlimits["RLIMIT_CORE"], ["12345", "23456"])],
  ["memory policy", ({ memoryPolicy }) => assert.equal(memoryPolicy, hasNuma ? 4 : -1)],
  ["no_new_privs", ({ noNewPrivileges }) => assert.equal(noNewPrivileges, 1)],
  ["securebits", ({ secureBits }) => assert.equal(secureBits, 1 << 6)],
  ["transparent huge pages setting", ({ hugePagesDisabled }) => assert.equal(hugePagesDisabled, 1)],
];

const reset: [name: string, check: (seen: Seen) => void][] = [
  ["CPU affinity", ({ cpus }) => assert.equal(cpus, allCpus)],
  ["umask", ({ umask }) => assert.equal(umask, "0022")],
  ["signal mask", ({ blockedSignals }) => assert.equal(BigInt(`0x${blockedSignals}`), 0n)],
  [
    "ignored signals",
    ({ ignoredSignals }) => assert.equal(BigInt(`0x${ignoredSignals}`) & (signalBit(12) | signalBit(13) | signalBit(34)), 0n),
  ],
  ["session keyring", ({ sessionKeyring }) => assert.doesNotMatch(sessionKeyring, /of-the-caller/)],
  ["dumpable flag", ({ dumpable }) => assert.equal(dumpable, 1)],
  ["keepcaps flag", ({ keepCapabilities }) => assert.equal(keepCapabilities, 0)],
  ["child subreaper flag", ({ subreaper }) => assert.equal(subreaper, 0)],
  ["parent death signal", ({ parentDeathSignal }) => assert.equal(parentDeathSignal, 0)],
  ["session and process group", ({ session, group }) => assert.deepEqual([session, group], [1, 1])],
  ["controlling terminal", ({ controllingTerminal }) => assert.equal(controllingTerminal, false)],
];

for (const [name, check] of inherited) test(`a container inherits the ${name} of the caller`, async (c) => check(await seen(c)));
for (const [name, check] of reset) test(`a container does not inherit the ${name} of the caller`, async (c) => check(await seen(c)));

test("a process of exec inherits from exec's caller what a container inherits from create's, and no more", async (c) => {
  await c.createAndStart(c.bundle());
  const files = "grep Cpus_allowed_list /proc/self/status; cat /proc/self/coredump_filter /proc/self/oom_score_adj";
  const args = ["exec", c.id, "sh", "-c", `probe report; ${files}`];
  const result = await (await c.startBelow([`${binaries}/attributes`], args)).wait();
  assert.equal(result.status, 0, describe(result));
  const process = parse(result.stdout);
  for (const [, check] of inherited) check(process);
  const own = new Set(["session and process group"]); // it is not process 1
  for (const [name, check] of reset) if (!own.has(name)) check(process);
});

test("a container may use all CPUs of its cpuset and no others, whatever its caller may use", async (c) => {
  if (allCpus === "0" || (cgroupMode() !== "v2" && !hierarchyOf("cpuset"))) c.skip("needs two CPUs and the controller cpuset");
  const { cpus } = await seen(c, (config) => (config.linux.resources.cpu = { cpus: "1" }));
  assert.equal(cpus, "1");
});

test("execCPUAffinity, which is for exec, does not bind the program of create", async (c) => {
  const { cpus } = await seen(c, (config) => (config.process.execCPUAffinity = { initial: "0", final: "0" }));
  assert.equal(cpus, allCpus);
});

test("a container in a user namespace does not inherit the CPU affinity of the caller", async (c) => {
  const { cpus } = await seen(c, (config) => {
    setNamespace(config, "user");
    config.linux.uidMappings = config.linux.gidMappings = [{ containerID: 0, hostID: 0, size: 65536 }];
  });
  assert.equal(cpus, allCpus);
});
