/**
 * Under real managers: podman with conmon, and Docker with its stock shim. Both know the same commands.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { test } from "./harness/suite.js";
import { describe } from "./harness/execute.js";
import { startDocker, startPodman } from "./harness/managers.js";
import { Terminal } from "./harness/terminal.js";
import type { Manager } from "./harness/managers.js";
import type { Result } from "./harness/execute.js";

/** What a container printed; it must end with 0. */
async function printed(result: Promise<Result>): Promise<string> {
  const ended = await result;
  assert.equal(ended.status, 0, describe(ended));
  return ended.stdout;
}

/** The exit status of `run`, which says `message` if that is given. */
async function statusOf(result: Promise<Result>, message = /(?:)/): Promise<number | null> {
  const ended = await result;
  assert.match(ended.stderr, message, describe(ended));
  return ended.status;
}

for (const [name, start] of [
  ["podman", startPodman],
  ["docker", startDocker],
] as const) {
  test(`${name} run: output, exit status, and a program that cannot be run`, async (c) => {
    const manager: Manager = await start(c);
    const result = await manager.run(["--rm", "--env", "A=b"], "sh", "-c", "echo out $A; echo problem >&2; exit 23");
    assert.equal(result.status, 23, describe(result));
    assert.equal(result.stdout, "out b\n");
    assert.match(result.stderr, /problem/);
    assert.equal(await statusOf(manager.run(["--rm"], "nosuch"), /executable file.* not found in \$PATH/), 127);
    assert.equal(await statusOf(manager.run(["--rm"], "/no/such"), /no such file or directory/), 127);
    assert.equal(await statusOf(manager.run(["--rm"], "/etc/passwd"), /permission denied/), 126);
    assert.equal(await statusOf(manager.run(["--rm"], "/etc"), /permission denied/), 126);
  });

  test(`${name}: a detached container goes through its life`, async (c) => {
    const manager = await start(c);
    await printed(manager.run(["--detach", "--name", c.id], "probe", "wait"));
    const status = (): Promise<string> => printed(manager.call("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", c.id));
    assert.equal(await status(), "running 0\n");
    await printed(manager.call("kill", "--signal", "INT", c.id));
    assert.equal(await printed(manager.call("wait", c.id)), "3\n"); // probe wait ends with 3 on INT
    assert.equal(await status(), "exited 3\n");
    await printed(manager.call("start", c.id));
    await printed(manager.call("kill", c.id));
    assert.equal(await printed(manager.call("wait", c.id)), "137\n");
    assert.equal(await status(), "exited 137\n");
    await printed(manager.call("start", c.id));
    await printed(manager.call("rm", "--force", c.id));
  });

  test(`${name}: devices, limits, mounts, user and attributes`, async (c) => {
    const manager = await start(c);
    const source = c.folder("source");
    chmodSync(source, 0o755);
    writeFileSync(`${source}/f`, "bound\n");
    const flags = [
      ...["--rm", "--hostname", "inside", "--user", "1000:1001", "--group-add", "7", "--cap-drop", "ALL", "--read-only"],
      ...["--security-opt", "no-new-privileges", "--oom-score-adj", "500", "--ulimit", "core=0:0", "--shm-size", "1m"],
      ...["--device", "/dev/zero:/dev/nothing", "--mount", `type=bind,src=${source},dst=/home,ro`],
      ...[
        "--tmpfs",
        "/mnt:size=64k",
        "--memory",
        "64m",
        "--memory-swap",
        "64m",
        "--cpus",
        "0.5",
        "--pids-limit",
        "20",
        "--cpu-shares",
        "100",
      ],
    ];
    const line = `hostname; id -u; id -G; cat /proc/self/oom_score_adj /home/f; grep -E 'CapBnd|NoNewPrivs' /proc/self/status; ulimit -c;
      stat -c '%a %F %t:%T' /dev/nothing; df -k /dev/shm | tail -1 | awk '{print $2}'; touch /x 2>&1; touch /home/x 2>&1`;
    const seen = await printed(manager.run(flags, "sh", "-c", `${line}; true`));
    assert.deepEqual(seen.replaceAll("\t", " ").trim().split("\n"), [
      ...["inside", "1000", "1001 7", "500", "bound", "CapBnd: 0000000000000000", "NoNewPrivs: 1", "0"],
      ...["666 character special file 1:5", "1024", "touch: /x: Read-only file system", "touch: /home/x: Read-only file system"],
    ]);
  });

  test(`${name} run with a terminal`, async (c) => {
    const manager = await start(c);
    const [program, ...args] = manager.runCommand(["--rm", "-it"], "sh", "-c", "echo on $(tty); read line; echo got $line; exit 9");
    const terminal = new Terminal(c, program, args);
    await terminal.shows(/on \/dev\/(pts\/0|console)\s/);
    terminal.type("typed\r");
    await terminal.shows("got typed");
    assert.equal(await terminal.end(), "exited 9");
  });
}

test("podman run in a user namespace", async (c) => {
  const { rootfs } = c.bundle();
  assert.equal(spawnSync("chown", ["-R", "100000:100000", rootfs]).status, 0);
  const manager = await startPodman(c, rootfs);
  const flags = ["--rm", "--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"];
  assert.match(await printed(manager.run(flags, "cat", "/proc/self/uid_map")), /^\s+0\s+100000\s+65536$/m);
});
