/** Errors that say what is wrong and what to do about it, where the kernel or the first cause alone would not. */
import assert from "node:assert/strict";
import { chownSync, mkdirSync } from "node:fs";
import { test, testOn } from "./harness/suite.js";
import { isTsrunc } from "./harness/environment.js";
import { describe, until } from "./harness/execute.js";
import { hierarchies } from "./harness/cgroups.js";
import { base, mappedBundle } from "./harness/user-namespace.js";
import type { Context } from "./harness/context.js";
import type { Result } from "./harness/execute.js";

const oom = /container init was OOM-killed \(memory limit too low\?\)/;
/** On cgroup v2 the exec of the init may fail before anybody is killed. */
const tooLow = /\(memory limit too low\?\): limit \d+ bytes, current usage \d+ bytes(, peak usage \d+ bytes)?\n$/;

testOn(["v1", "hybrid"], "the error for a memory limit that is too low for the init names limit and usage", async (c) => {
  for (const command of ["create", "run"]) {
    const bundle = c.bundle({ args: ["true"], config: ({ linux }) => (linux.resources.memory = { limit: 4096 }) });
    const { stderr } = await c.fails([command, "-b", bundle.directory, c.id], oom);
    if (isTsrunc)
      assert.match(
        stderr,
        new RegExp(`^${command} "${c.id}": ${oom.source}: limit 4096 bytes, current usage \\d+ bytes(, peak usage \\d+ bytes)?\n$`),
      );
  }
});

test("whatever the memory limit, a container either runs or says that it is too low", async (c) => {
  for (let pages = 1; pages <= 160; pages += pages < 40 ? 3 : 20) {
    const bundle = c.bundle({ args: ["true"], config: ({ linux }) => (linux.resources.memory = { limit: 4096 * pages }) });
    const id = c.otherId(String(pages));
    const result = await c.runtime(["run", "-b", bundle.directory, id]);
    // 137: the program itself was killed.
    if (result.status !== 0 && result.status !== 137) assert.match(result.stderr, tooLow, describe(result));
  }
});

test("the error for a full key quota names --no-new-keyring", async (c) => {
  const filler = await c.helper("fillkeys", [String(base)]);
  await until("the quota is full", () => filler.output().includes("full"));
  const bundle = mappedBundle(c, { args: ["true"] });
  const { stderr } = await c.fails(["run", "-b", bundle.directory, c.id], /disk quota exceeded/);
  if (isTsrunc)
    assert.equal(
      stderr,
      `run "${c.id}": join a new session keyring: EDQUOT (disk quota exceeded); the user has all the keys that /proc/sys/kernel/keys allows, with --no-new-keyring the container makes none\n`,
    );
  await c.ok(["run", "--no-new-keyring", "-b", bundle.directory, c.id]);
});

/** Runs the runtime as a plain user. */
async function asUser(c: Context, args: readonly string[], env: Record<string, string> = {}): Promise<Result> {
  const ids = ["--reuid", String(base), "--regid", String(base), "--clear-groups"];
  return (await c.spawn("/usr/bin/setpriv", [...ids, c.program, ...args], { env })).wait();
}

test("the error for a state root that the caller may not write to names --root and XDG_RUNTIME_DIR", async (c) => {
  const bundle = mappedBundle(c, { args: ["true"] });
  mkdirSync(`${c.directory}/of-root`, { mode: 0o700 });
  const env = { XDG_RUNTIME_DIR: `${c.directory}/of-root` };
  for (const [args, who] of [
    [["create", "-b", bundle.directory, c.id], `create "${c.id}"`],
    [["state", c.id], `state "${c.id}"`],
    [["delete", c.id], `delete "${c.id}"`],
    [["list"], "list"],
  ] as const) {
    const { status, stderr } = await asUser(c, args, env);
    assert.equal(status, 1);
    assert.match(stderr, /permission denied/);
    if (isTsrunc)
      assert.equal(
        stderr,
        `${who}: open state root "${c.directory}/of-root/tsrunc": EACCES (permission denied); name a directory that you may write to with --root or in XDG_RUNTIME_DIR\n`,
      );
  }
});

test("a cgroup that the caller may not make is an error that explains delegation", async (c) => {
  const bundle = mappedBundle(c, {
    args: ["true"],
    config: ({ linux }) => {
      linux.uidMappings = [{ containerID: 0, hostID: base, size: 1 }];
      linux.gidMappings = linux.uidMappings;
      linux.cgroupsPath = `/${c.id}`;
    },
  });
  const state = c.folder("state");
  chownSync(state, base, base);
  const result = await asUser(c, ["--root", state, "run", "-b", bundle.directory, c.id]);
  assert.equal(result.status, 1, describe(result));
  if (isTsrunc)
    assert.match(
      result.stderr,
      /^run ".+": make cgroup ".+": EACCES \(permission denied\); without root this takes a cgroup that is delegated to the user and that the user is in, as by: systemd-run --user --scope -p Delegate=yes\n$/,
    );
});

testOn(["v1", "hybrid"], "unified without cgroup v2 says which version the host has", async (c) => {
  const bundle = c.bundle({ config: (config) => (config.linux.resources.unified = { "memory.max": "10000000" }) });
  const { stderr } = await c.fails(["create", "-b", bundle.directory, c.id], /cannot use unified on cgroup v1/);
  if (!isTsrunc) return;
  const where = hierarchies().some(({ controllers }) => controllers.length === 0)
    ? '/memory.max: invalid configuration: cannot use unified on cgroup v1, where this host has the controller "memory"'
    : ": invalid configuration: cannot use unified on cgroup v1, and this host has no other";
  assert.equal(stderr, `create "${c.id}": /linux/resources/unified${where}\n`);
});

test("the error for a detached terminal without a console socket names --console-socket", async (c) => {
  const bundle = c.bundle({ args: ["true"], config: (config) => (config.process.terminal = true) });
  const { stderr } = await c.fails(["run", "-d", "-b", bundle.directory, c.id], /without setting console socket/);
  if (isTsrunc) assert.match(stderr, /: name one with --console-socket, or set \/process\/terminal to false\n$/);
});

test("help says what create and delete do", async (c) => {
  const help = async (command: string): Promise<string> => (await c.ok([command, "--help"])).stdout.replaceAll(/\s+/g, " ");
  if (!isTsrunc) return;
  assert.match(await help("delete"), /Any other, also one that was created and never started, is refused without --force\./);
  assert.match(await help("create"), /A missing program fails here already; a missing working directory is made\./);
  const bundle = c.bundle({ args: ["pwd"], config: (config) => (config.process.cwd = "/made/for/it") });
  assert.equal((await c.run(bundle)).stdout, "/made/for/it\n");
});
