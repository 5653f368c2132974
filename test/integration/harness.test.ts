/**
 * The harness itself: that it sees what a test leaves behind.
 */
import assert from "node:assert/strict";
import { mkdirSync, rmSync, rmdirSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { Skip } from "./harness/context.js";
import { test, tryUpTo } from "./harness/suite.js";
import { hierarchies } from "./harness/cgroups.js";
import { until } from "./harness/execute.js";
import { differences, snapshot } from "./harness/leaks.js";

test("a mount that is left is seen, and one that is gone", async (c) => {
  const target = c.folder("mounted");
  const before = snapshot();
  assert.equal(spawnSync("mount", ["-t", "tmpfs", "tmpfs", target]).status, 0);
  const mounted = snapshot();
  assert.match(differences(before, mounted).join(), new RegExp(`mount left: .*${target}`));
  assert.equal(spawnSync("mount", ["--make-shared", target]).status, 0);
  assert.match(differences(mounted, snapshot()).join(), /mount changed: /);
  assert.equal(spawnSync("umount", [target]).status, 0);
  assert.match(differences(mounted, snapshot()).join(), new RegExp(`mount gone: .*${target}`));
  assert.deepEqual(differences(before, snapshot()), []);
});

test("a cgroup that is left is seen in every hierarchy", async (c) => {
  for (const { mountPoint } of hierarchies()) {
    const before = snapshot();
    mkdirSync(`${mountPoint}/${c.id}`);
    assert.deepEqual(differences(before, snapshot()), [`cgroup left: ${mountPoint}/${c.id}`]);
    rmdirSync(`${mountPoint}/${c.id}`);
  }
});

test("a process that is left is seen, although its parent has ended", async (c) => {
  const before = snapshot();
  const shell = await c.spawn("/bin/sh", ["-c", "setsid sleep 50 >/dev/null 2>&1 & echo $!"]);
  const { stdout } = await shell.wait();
  const pid = Number(stdout);
  await until("the process is seen", () => differences(before, snapshot()).join().includes(`process left: ${pid} sleep 50`));
  process.kill(pid, "SIGKILL");
  await c.exitOf(pid);
  assert.deepEqual(differences(before, snapshot()), []);
});

test("a socket and a file that are left are seen", async (c) => {
  const before = snapshot();
  const listener = await c.helper("notifysocket", [`${c.directory}/socket`]);
  await c.printed(listener, "listening");
  assert.match(differences(before, snapshot()).join("\n"), new RegExp(`^socket left: ${c.directory}/socket$`, "m"));
  const file = `/run/${c.id}`;
  writeFileSync(file, "");
  assert.match(differences(before, snapshot()).join("\n"), new RegExp(`^file left: ${file}$`, "m"));
  rmSync(file);
});

test("the exit status of an orphan is known", async (c) => {
  const shell = await c.spawn("/bin/sh", ["-c", "(sleep 0.1; exit 7) & echo $!"]);
  assert.equal(await c.exitOf(Number((await shell.wait()).stdout)), 7);
});

test("what races is tried again until it passes, is skipped or has failed too often", async () => {
  const outcomes = (...errors: unknown[][]) => tryUpTo(3, () => Promise.resolve(errors.shift() ?? assert.fail("one try too many")));
  assert.deepEqual(await outcomes([]), { errors: [], failures: [] });
  assert.deepEqual(await outcomes(["a", "b"], []), { errors: [], failures: [["a", "b"]] });
  assert.deepEqual(await outcomes(["a"], ["b"], ["c"]), { errors: ["c"], failures: [["a"], ["b"]] });
  const skip = new Skip("for want of it");
  assert.deepEqual(await outcomes(["a"], [skip]), { errors: [skip], failures: [["a"]] });
});
