/**
 * Annotations that ask something of the runtime: crun's (crun(1), "Extensions to OCI"), seen by their effect.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "./harness/suite.js";
import { isTsrunc } from "./harness/environment.js";
import { describe } from "./harness/execute.js";
import type { Config, Hook } from "./harness/config.js";
import type { Context } from "./harness/context.js";

const groups = ["/usr/bin/setpriv", "--groups", "20,30"] as const;

/** Supplementary groups of a program, seen by itself, whose runtime has the groups 20 and 30. */
async function groupsOf(c: Context, config: (config: Config) => void): Promise<{ groups: number[]; stderr: string }> {
  const { directory } = c.bundle({ args: ["probe", "report"], config });
  const started = await c.startBelow(groups, ["run", "-b", directory, c.id]);
  const result = await started.wait();
  assert.equal(result.status, 0, describe(result));
  return { groups: (JSON.parse(result.stdout) as { groups: number[] }).groups, stderr: result.stderr };
}

test("keep_original_groups keeps the groups of the caller", async (c) => {
  const kept = await groupsOf(c, (config) => (config.annotations = { "run.oci.keep_original_groups": "1" }));
  assert.deepEqual(kept, { groups: [20, 30], stderr: "" });
});

test("keep_original_groups 0 does not", async (c) => {
  const dropped = await groupsOf(c, (config) => (config.annotations = { "run.oci.keep_original_groups": "0" }));
  assert.deepEqual(dropped, { groups: [], stderr: "" });
});

test("keep_original_groups goes before additionalGids, with a warning", async (c) => {
  const { groups, stderr } = await groupsOf(c, (config) => {
    config.process.user = { uid: 0, gid: 0, additionalGids: [5] };
    config.annotations = { "run.oci.keep_original_groups": "1" };
  });
  assert.deepEqual(groups, [20, 30]);
  assert.match(stderr, /warning: .*\/process\/user\/additionalGids: they are not set/);
});

test("pidfd_receiver names a socket that gets a pidfd of the container's init", async (c) => {
  const socket = `${c.directory}/pidfd.sock`;
  const receiver = await c.helper("recvfd", ["pidfd", socket]);
  await c.printed(receiver, "listening");
  await c.create(c.bundle({ config: (config) => (config.annotations = { "run.oci.pidfd_receiver": socket }) }));
  const { pid } = await c.state();
  await c.printed(receiver, `pid ${pid}\n`);
  await c.ok(["kill", c.id, "KILL"]);
  await c.printed(receiver, "ended");
});

for (const round of ["compiled", "kept"] as const) {
  test(`seccomp_fail_unknown_syscall refuses a profile with an unknown system call, with a filter that was ${round}`, async (c) => {
    const config = (annotations: Record<string, string>) => (config: Config) => {
      config.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["fly"], action: "SCMP_ACT_ERRNO" }] };
      config.annotations = annotations;
    };
    if (round === "kept") await c.run(c.bundle({ args: ["true"], config: config({}) }));
    const refused = c.bundle({ args: ["true"], config: config({ "run.oci.seccomp_fail_unknown_syscall": "1" }) });
    await c.fails(
      ["run", "-b", refused.directory, c.id],
      /: \/linux\/seccomp\/syscalls\/0\/names: no rule is made for "fly": libseccomp [0-9.]+ knows no such system call\n$/,
    );
    await c.run(c.bundle({ args: ["true"], config: config({ "run.oci.seccomp_fail_unknown_syscall": "0" }) }));
  });
}

test("hooks.stdout and hooks.stderr are files that the hooks of all kinds append to", async (c) => {
  const [out, error] = [c.file("out", "before\n"), `${c.directory}/error`];
  const kinds = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"] as const;
  const bundle = c.bundle({
    args: ["sh", "-c", "ls /proc/self/fd | wc -l"],
    config: (config) => {
      const hook = (kind: string): Hook => ({ path: "/bin/sh", args: ["sh", "-c", `echo ${kind}; echo not ${kind} >&2`] });
      config.hooks = Object.fromEntries(kinds.map((kind) => [kind, [hook(kind)]]));
      config.annotations = { "run.oci.hooks.stdout": out, "run.oci.hooks.stderr": error };
    },
  });
  const { stdout, stderr } = await c.run(bundle);
  assert.equal(stdout, "4\n", "the program has none of them");
  assert.equal(stderr, "");
  assert.equal(readFileSync(out, "utf8"), `before\n${kinds.join("\n")}\n`);
  assert.equal(readFileSync(error, "utf8"), `not ${kinds.join("\nnot ")}\n`);
});

test("with hooks.stderr an error has what a failed hook wrote to stdout", async (c) => {
  const error = `${c.directory}/error`;
  const bundle = c.bundle({
    config: (config) => {
      config.hooks = { createContainer: [{ path: "/bin/sh", args: ["sh", "-c", "echo out; echo error >&2; exit 3"] }] };
      config.annotations = { "run.oci.hooks.stderr": error };
    },
  });
  await c.fails(["create", "-b", bundle.directory, c.id], /exit status 3, output: out\n$/);
  assert.equal(readFileSync(error, "utf8"), "error\n");
});

test("an annotation without effect gives a warning, and so does one that crun does not know", async (c) => {
  const config = (config: Config): void => {
    config.annotations = { "run.oci.seccomp.plugins": "x", "run.oci.hooks.stdot": "/x", "run.oci.systemd.subgroup": "", other: "x" };
  };
  const { stderr } = await c.ok(["run", "-b", c.bundle({ args: ["true"], config }).directory, c.id]);
  assert.equal(
    stderr,
    `warning: config.json: /annotations/run.oci.seccomp.plugins: "x" has no effect: an agent listens at /linux/seccomp/listenerPath
warning: config.json: /annotations/run.oci.hooks.stdot: it has no effect: crun has no such annotation, did you mean "run.oci.hooks.stdout"?
`,
  );
});

test("a property of a systemd unit gives a warning without the systemd driver", async (c) => {
  const config = (config: Config): unknown => (config.annotations = { "org.systemd.property.CollectMode": "'inactive-or-failed'" });
  const { stderr } = await c.ok(["run", "-b", c.bundle({ args: ["true"], config: (spec) => void config(spec) }).directory, c.id]);
  if (isTsrunc) assert.match(stderr, /\/annotations\/org.systemd.property.CollectMode: it has no effect: without --systemd-cgroup/);
});
