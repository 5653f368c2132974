/**
 * Kernels and sandboxes that lack a system call: a seccomp filter makes it fail for the runtime, the init and the program alike
 * (harness/native/without.c). Either there is another way and the container is what it always is, or the command fails and names the step.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { constants } from "node:os";
import { binaries, isTsrunc } from "./harness/environment.js";
import { describe } from "./harness/execute.js";
import { test } from "./harness/suite.js";
import type { Config } from "./harness/config.js";
import type { Context } from "./harness/context.js";

const { ENOSYS, EPERM, EINVAL } = constants.errno;

/** Runs `run` of a bundle with rules of `without`. */
async function runWithout(c: Context, rules: readonly string[], args: string[], config?: (config: Config) => void) {
  const bundle = c.bundle({ args, ...(config && { config }) });
  const started = await c.startBelow([`${binaries}/without`, ...rules, "--"], ["run", "-b", bundle.directory, c.id]);
  return started.wait();
}

/** What replaces a call, or does without: rules, and why the call can be missing. */
const replaceable: [rules: string[], why: string][] = [
  [[`renameat2,${ENOSYS}`], "the state directory's file system knows no RENAME_EXCHANGE"],
  [[`renameat2,${EINVAL}`], "the same, in its own words"],
  [[`faccessat2,${ENOSYS}`], "Linux 5.8 has it"],
  [[`faccessat2,${EPERM}`], "older profiles of sandboxes answer so"],
  [[`mknodat,${EPERM}`], "no CAP_MKNOD, or a device cgroup: the host's nodes are bound"],
  [[`keyctl,${ENOSYS}`], "a kernel without keyrings"],
  [[`memfd_create,${EINVAL},1,10`], "MFD_EXEC is of Linux 6.3"],
];

for (const [rules, why] of replaceable)
  test(`a container runs as ever without ${rules.join(" ").replace(/,.*/, "")}: ${why}`, async (c) => {
    const plain = await c.report();
    const result = await runWithout(c, rules, ["probe", "report"]);
    assert.equal(result.status, 0, describe(result));
    assert.equal(result.stderr, "");
    assert.deepEqual(Object.keys(JSON.parse(result.stdout) as object), Object.keys(plain));
  });

/** What confines a container or makes it what config.json says has no substitute. */
const necessary = [
  ...["capget", "capset", "clone3", "execveat", "fsconfig", "fsmount", "fsopen", "mount_setattr", "move_mount", "open_tree"],
  ...[
    "openat2",
    "pivot_root",
    "prctl",
    "prlimit64",
    "setgroups",
    "sethostname",
    "setresgid",
    "setresuid",
    "setsid",
    "symlinkat",
    "umount2",
    "unshare",
  ],
];

function hasRlimit(config: Config): void {
  config.process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 512, hard: 512 }];
}

// runc's Go runtime dies of some of these before runc itself runs.
if (isTsrunc)
  for (const [name, errno] of Object.entries({ ENOSYS, EPERM }))
    test(`a system call that fails with ${name} fails the run, which names the step and leaves nothing`, async (c) => {
      for (const call of necessary) {
        if (call === "clone3" && errno === EPERM) continue; // Node.js could not make its threads; with ENOSYS its C library uses clone
        const result = await runWithout(c, [`${call},${errno}`], ["probe", "report"], hasRlimit);
        assert.equal(result.status, 1, `${call}: ${describe(result)}`);
        assert.equal(result.stdout, "", call);
        assert.match(result.stderr, new RegExp(`^run "${c.id}": .*: ${name} \\(.*\\)\\n$`), call);
        if (existsSync(c.root)) assert.deepEqual(readdirSync(c.root), [], `${call} left something`);
      }
    });

if (isTsrunc)
  test("seccomp(2) that fails fails the run, when the profile is compiled as when the filter is loaded", async (c) => {
    const config = (config: Config): void => {
      config.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["swapon"], action: "SCMP_ACT_ERRNO" }] };
    };
    const loading = `seccomp,${EPERM},0,1`;
    const texts = { [`seccomp,${EPERM}`]: "compile the seccomp profile", [loading]: "load the seccomp filter" };
    for (const [rule, text] of Object.entries(texts)) {
      const result = await runWithout(c, [rule], ["true"], config);
      assert.equal(result.status, 1, describe(result));
      assert.match(result.stderr, new RegExp(`^run "${c.id}": ${text}.*: EPERM \\(operation not permitted\\)\\n$`));
    }
  });
