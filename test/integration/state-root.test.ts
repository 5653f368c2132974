/**
 * The directory of states: who may have written it, and what becomes of containers when it is full.
 */
import assert from "node:assert/strict";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { test } from "./harness/suite.js";
import { describe } from "./harness/execute.js";
import { mountOnHost } from "./harness/mounting.js";
import type { Context } from "./harness/context.js";

/** What somebody else could do to a path of the state root. Returns how to take it back. */
const meddlings: Record<string, (path: string) => () => void> = {
  "is writable for its group": (path) => changeMode(path, 0o020),
  "is writable for all": (path) => changeMode(path, 0o002),
  "is sticky and writable for all": (path) => changeMode(path, 0o1002),
  "belongs to another user": (path) => {
    chownSync(path, 12345, 0);
    return () => chownSync(path, 0, 0);
  },
};

function changeMode(path: string, bits: number): () => void {
  const mode = statSync(path).mode & 0o7777;
  chmodSync(path, mode | bits);
  return () => chmodSync(path, mode);
}

/** Every command that reads the state of a container. */
function commandsOn(c: Context): string[][] {
  return [
    ["state", c.id],
    ["start", c.id],
    ["kill", c.id, "KILL"],
    ["kill", "--all", c.id, "KILL"],
    ["delete", c.id],
    ["delete", "--force", c.id],
  ];
}

for (const [meddling, meddle] of Object.entries(meddlings)) {
  test(`a state root, a container's directory or a state.json that ${meddling} is refused by every command, and by name`, async (c) => {
    const [bundle, other] = [c.bundle(), c.otherId("second")];
    await c.create(bundle);
    for (const path of [c.root, `${c.root}/${c.id}`, `${c.root}/${c.id}/state.json`]) {
      const restore = meddle(path);
      const refusal = new RegExp(`trust "${path}": (it belongs to user 12345|others may write to it \\(mode \\d{4}\\))`);
      for (const args of commandsOn(c)) await c.fails(args, refusal);
      if (path === c.root) {
        for (const args of [["list"], ["list", "-q"]]) await c.fails(args, refusal);
        for (const command of ["create", "run"]) await c.fails([command, "-b", bundle.directory, other], refusal);
      } else {
        const list = await c.ok(["list", "-f", "json"]);
        assert.match(list.stderr, refusal, "a warning");
        assert.equal(list.stdout, "[]\n");
      }
      restore();
      assert.deepEqual(readdirSync(c.root), [c.id]);
      assert.equal((await c.state()).status, "created");
    }
  });
}

test("hooks and an undo list that another user wrote are not carried out", async (c) => {
  const mark = `${c.directory}/mark`;
  await c.create(c.bundle());
  const file = `${c.root}/${c.id}/state.json`;
  const own = readFileSync(file, "utf8");
  const state = JSON.parse(own) as { poststop: object[] };
  state.poststop = [{ path: "/bin/touch", args: ["touch", mark], env: [], timeoutSeconds: null, pointer: "" }];
  writeFileSync(file, JSON.stringify(state));
  chownSync(file, 12345, 12345);
  await c.fails(["delete", "--force", c.id], /it belongs to user 12345, who is neither the caller nor root/);
  assert.equal(existsSync(mark), false);
  chownSync(file, 0, 0);
  writeFileSync(file, own);
});

test("a state root of the caller's below a directory that all may write, as /tmp, is used", async (c) => {
  const shared = c.folder("shared");
  chmodSync(shared, 0o1777);
  for (const root of [`${shared}/new`, `${shared}/made`]) {
    if (root.endsWith("made")) mkdirSync(root, { mode: 0o755 });
    const result = await c.spawn(c.program, ["--root", root, "run", "-b", c.bundle({ args: ["true"] }).directory, c.id]);
    const end = await result.wait();
    assert.equal(end.status, 0, describe(end));
  }
});

/** Gives the test's state root a small file system of its own. Returns what fills it. */
function smallRoot(c: Context): () => void {
  mkdirSync(c.root, { mode: 0o700 });
  mountOnHost(c, "-t", "tmpfs", "-o", "size=64k,nr_inodes=64,mode=0700", "tmpfs", c.root);
  const filler = (index: number): string => `${c.root}/filler${index}`;
  return () => {
    assert.throws(() => {
      for (let index = 0; ; index++) writeFileSync(filler(index), "x".repeat(4096));
    }, /ENOSPC/);
    // Now there is no room for a byte; take the inodes too.
    assert.throws(() => {
      for (let index = 1000; ; index++) writeFileSync(filler(index), "");
    }, /ENOSPC/);
  };
}

test("a state root that became full after create lets start, state, kill and delete go on, and poststart hooks run", async (c) => {
  const fill = smallRoot(c);
  const mark = `${c.directory}/mark`;
  const bundle = c.bundle({ config: (config) => (config.hooks = { poststart: [{ path: "/bin/touch", args: ["touch", mark] }] }) });
  await c.create(bundle);
  fill();
  const result = await c.ok(["start", c.id]);
  assert.equal(result.stdout + result.stderr, "");
  assert.ok(existsSync(mark), "the poststart hook ran");
  assert.equal((await c.state()).status, "running");
  assert.match((await c.ok(["list"])).stdout, /running/);
  await c.fails(["start", c.id], /cannot start an already running container/);
  await c.fails(["delete", c.id], /that is not stopped: running/);
  await c.ok(["kill", c.id, "KILL"]);
  await c.status("stopped");
  await c.ok(["delete", c.id]);
  assert.equal(existsSync(`${c.root}/${c.id}`), false);
});

test("a state root that became full while startContainer hooks run lets run go on", async (c) => {
  const fill = smallRoot(c);
  const fifo = `${c.directory}/go`;
  const bundle = c.bundle({
    config: (config) => {
      config.hooks = { startContainer: [{ path: "/bin/sh", args: ["sh", "-c", `echo here >>${c.directory}/mark; read -r _ <${fifo}`] }] };
      config.mounts.push({ destination: c.directory, type: "bind", source: c.directory, options: ["bind"] });
    },
  });
  assert.equal(spawnSync("mkfifo", [fifo]).status, 0);
  c.deleteLater();
  const run = await c.startRuntime(["run", "-d", "-b", bundle.directory, c.id]);
  await c.fileText(`${c.directory}/mark`);
  fill();
  writeFileSync(fifo, "go\n");
  const result = await run.wait();
  assert.equal(result.status, 0, describe(result));
  assert.equal((await c.state()).status, "running");
});

test("run and create fail on a state root without space for a container, and leave nothing", async (c) => {
  const fill = smallRoot(c);
  fill();
  const before = readdirSync(c.root);
  for (const command of ["create", "run"]) await c.fails([command, "-b", c.bundle().directory, c.id], /no space left on device/i);
  assert.deepEqual(readdirSync(c.root), before);
});
