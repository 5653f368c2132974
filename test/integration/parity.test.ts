/**
 * For the same bundle the container sees the same, whichever runtime made it: the runtime under test, runc or crun (Debian's). What
 * differs is listed in parity.differences.ts with its reason, and must differ.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "./harness/suite.js";
import { fixture, runtimeName, runtimePath } from "./harness/environment.js";
import { setNamespace } from "./harness/config.js";
import { parseMountinfo } from "./harness/mountinfo.js";
import { describe } from "./harness/execute.js";
import { differences } from "./parity.differences.js";
import type { Config, Seccomp } from "./harness/config.js";
import type { Context } from "./harness/context.js";

/** What is compared: a shell line that is run in the container, and how its output becomes comparable lines. */
const aspects: Record<string, { line: string; lines?: (output: string) => string[] }> = {
  status: {
    line: "grep -E '^(Umask|Uid|Gid|Groups|NSpid|NSpgid|NSsid|Cap|NoNewPrivs|Seccomp|Speculation|Sig|Shd|Cpus_allowed|Mems_allowed|CoreDumping)' /proc/self/status",
    // SigQ counts the user's pending signals; the shell's own child is another process each time.
    lines: (output) => output.split("\n").filter((line) => !/^(SigQ|NSpid|NSpgid)/.test(line)),
  },
  mountinfo: {
    line: "cat /proc/self/mountinfo",
    lines: (output) =>
      parseMountinfo(output).map((mount) => {
        const options = (list: string[]): string =>
          list
            .filter((option) => !/^(size=\d+k|nr_inodes=|inode64)/.test(option))
            .sort()
            .join();
        const propagation = mount.propagation.map((field) => field.split(":")[0]).join() || "private";
        return `${mount.target} ${mount.type} ${options(mount.options)} ${mount.type === "ext4" ? "" : options(mount.superOptions)} ${propagation}`;
      }),
  },
  // crun is run without the v2 hierarchy of a hybrid host. Where the cgroup lies without a cgroupsPath is the runtime's choice:
  // below the caller's, or at the top.
  cgroup: {
    line: "cat /proc/self/cgroup",
    lines: (output) =>
      output
        .split("\n")
        .filter((line) => !line.startsWith("0::"))
        .map((line) => line.replace(/:\/.*(?=\/ID$)/, ":")),
  },
  limits: { line: "cat /proc/self/limits" },
  uid_map: { line: "cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups" },
  dev: {
    line: "ls -ln /dev /dev/pts | awk '{print $1,$3,$4,($1 ~ /^[bc]/ ? $5 $6 : \"\"),$(NF-2),$(NF-1),$NF}' | sed 's/ [0-9][0-9]:[0-9][0-9] / /'",
  },
  env: { line: "tr '\\0' '\\n' </proc/1/environ", lines: (output) => output.split("\n").sort() },
  cwd: { line: "readlink /proc/1/cwd" },
  descriptors: { line: "ls /proc/1/fd" },
  signals: {
    line: "grep -E '^Sig(Blk|Ign|Cgt)' /proc/1/status",
    lines: (output) => output.split("\n").filter((line) => !line.startsWith("SigCgt")),
  },
  keyring: { line: 'probe report | grep -o \'"sessionKeyring":"[^"]*\'', lines: (output) => [output.slice(0, output.lastIndexOf(";"))] },
  process: { line: "probe report | grep -E '^\"umask\"'", lines: (output) => output.replaceAll(/"(pid|parent)":\d+,/g, "").split(",") },
  names: { line: "hostname; cat /proc/sys/kernel/domainname" },
  oom: { line: "cat /proc/self/oom_score_adj" },
  root: { line: "stat -c '%a %u %g' / /proc /sys /dev /dev/shm /dev/pts /tmp" },
};

const separator = "=====";

const configs: Record<string, (config: Config) => void> = {
  default: () => undefined,
  "plain user": (config) => {
    config.process.user = { uid: 1000, gid: 1000, additionalGids: [5, 2000] };
    config.process.cwd = "/home/worker";
    config.process.noNewPrivileges = false;
    config.process.rlimits = [{ type: "RLIMIT_CORE", soft: 0, hard: 0 }];
  },
  "Docker's seccomp profile": (config) => {
    const profile = JSON.parse(fixture("seccomp/docker.json")) as Seccomp;
    // `probe report` asks for the keyring.
    config.linux.seccomp = { ...profile, syscalls: [...(profile.syscalls ?? []), { names: ["keyctl"], action: "SCMP_ACT_ALLOW" }] };
  },
  "read-only with a cgroup namespace": (config) => {
    config.root.readonly = true;
    setNamespace(config, "cgroup");
    config.linux.resources.pids = { limit: 50 };
    config.process.oomScoreAdj = 100;
  },
};

/** The lines of each aspect in a container of `program`. */
async function look(c: Context, program: string, config: (config: Config) => void): Promise<Map<string, string[]>> {
  c.program = program;
  const script = Object.values(aspects).map(({ line }) => `${line} 2>&1`);
  const bundle = c.bundle({ args: ["sh", "-c", script.join(`; echo ${separator}; `)], config });
  const result = await c.run(bundle);
  assert.equal(result.status, 0, describe(result));
  const outputs = result.stdout.split(`${separator}\n`);
  return new Map(
    Object.entries(aspects).map(([name, { lines }], index) => {
      const output = (outputs[index] ?? "").trimEnd().replaceAll(c.id, "ID").replaceAll(bundle.directory, "BUNDLE");
      return [name, lines?.(output) ?? output.split("\n")];
    }),
  );
}

/** Lines of one side only: what this runtime shows and what the other does. */
function onlyIn(ours: string[], theirs: string[]): string[] {
  return [
    ...ours.filter((line) => !theirs.includes(line)).map((line) => `+ ${line}`),
    ...theirs.filter((line) => !ours.includes(line)).map((line) => `- ${line}`),
  ];
}

/** crun 1.8 refuses hosts with both cgroup versions: it gets a mount namespace without the v2 hierarchy. */
function crunWithoutUnified(c: Context): string {
  return c.file(
    "crun",
    `#!/bin/sh\nexec unshare -m --propagation slave sh -c '! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified; exec /usr/bin/crun "$@"' sh "$@"\n`,
    0o755,
  );
}

for (const [other, path] of [
  ["runc", "/usr/sbin/runc"],
  ["crun", "/usr/bin/crun"],
] as const) {
  if (other === runtimeName) continue;
  for (const [name, config] of Object.entries(configs)) {
    test(`what a container sees, compared with ${other}: ${name}`, async (c) => {
      if (!existsSync(path)) c.skip(`${path} is missing: apt-get install ${other}`);
      const ours = await look(c, runtimePath, config);
      const theirs = await look(c, other === "crun" ? crunWithoutUnified(c) : path, config);
      const found = [...ours].flatMap(([aspect, lines]) => onlyIn(lines, theirs.get(aspect) ?? []).map((line) => `${aspect} ${line}`));
      const known = differences.filter((difference) => difference.with === other && difference.runtime.test(runtimeName));
      const unexpected = found.filter((line) => !known.some(({ lines }) => lines.includes(line)));
      const stale = known.flatMap(({ lines }) => lines).filter((line) => !found.includes(line));
      assert.deepEqual({ unexpected, stale }, { unexpected: [], stale: [] });
    });
  }
}
