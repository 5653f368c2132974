/**
 * Debian's podman as an unprivileged user, in a user namespace with mappings from newuidmap.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { describe, until } from "../integration/harness/execute.js";
import { sharing } from "../integration/harness/suite.js";
import { image, imageArchive } from "../integration/harness/image.js";
import { Engine, makeUser, publicFolder } from "./engine.js";
import type { Context } from "../integration/harness/context.js";

const uid = 902;

async function start(c: Context): Promise<Engine> {
  const podman = "/usr/bin/podman";
  if (!existsSync(podman)) c.skip(`${podman} is missing: scripts/bootstrap clients`);
  makeUser("rootless", uid);
  const config = c.file(
    "containers.conf",
    `[containers]\nnetns = "none"\n[engine]\nlock_type = "file"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "tested"\n` +
      `[engine.runtimes]\ntested = ["${c.program}"]\n`,
  );
  const home = publicFolder(c, "home");
  const runtimeDirectory = `/run/user/${uid}`; // with a longer path, podman waits 20 s whenever a container ends
  mkdirSync(runtimeDirectory, { recursive: true });
  c.defer(() => rmSync(runtimeDirectory, { recursive: true, force: true }));
  const temporary = c.folder("tmp");
  const archive = imageArchive(c);
  for (const path of [home, runtimeDirectory, temporary, archive]) assert.equal(spawnSync("chown", [`${uid}:${uid}`, path]).status, 0);
  const user = ["/usr/bin/setpriv", "--reuid", String(uid), "--regid", String(uid), "--clear-groups", "--"];
  const storage = ["--storage-driver", "vfs"];
  const engine = new Engine({
    name: "podman",
    program: [...user, podman, ...storage],
    env: {
      PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
      HOME: home,
      TMPDIR: temporary,
      XDG_RUNTIME_DIR: runtimeDirectory,
      CONTAINERS_CONF: config,
    },
    runFlags: ["--ulimit", "nofile=1024:4096", "--ulimit", "nproc=1000:1000"],
    removeFlags: ["--time", "0"],
  });
  const e = engine.in(c);
  // Stops podman's pause process, which keeps the user namespace alive between calls.
  c.defer(() => e.ok("system", "migrate"));
  await e.ok("load", "--input", archive);
  return engine;
}

sharing("rootless podman", start, (test) => {
  test("rootless: run prints the output and returns the exit status", async (c, engine) => {
    const result = await engine.in(c).run(["--env", "A=b"], "sh", "-c", "echo out $A $(id -u); echo problem >&2; exit 23");
    assert.equal(result.stdout, "out b 0\n", describe(result));
    assert.match(result.stderr, /problem/);
    assert.equal(result.status, 23);
  });

  test("rootless: root of the container is the user, others are of /etc/subuid", async (c, engine) => {
    const lines = await engine.in(c).lines([], "cat /proc/self/uid_map");
    assert.deepEqual(
      lines.map((line) => line.trim().split(/\s+/)),
      [
        ["0", String(uid), "1"],
        ["1", "200000", "65536"],
      ],
    );
  });

  test("rootless: --userns keep-id keeps the user's id", async (c, engine) => {
    assert.deepEqual(await engine.in(c).lines(["--userns", "keep-id"], "id -u; touch /tmp/x && echo written"), [String(uid), "written"]);
  });

  test("rootless: exec in a container with --userns keep-id is the user, too", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached(["--userns", "keep-id"], "probe", "wait");
    assert.equal(await e.ok("exec", name, "sh", "-c", "id -u; touch /tmp/y && echo written"), `${uid}\nwritten`);
    assert.equal(await e.ok("exec", "--user", "0", name, "id", "-u"), "0");
  });

  test("rootless: --userns auto takes ids that no other container has", async (c, engine) => {
    const e = engine.in(c);
    const maps: string[] = [];
    // Start them one after another: each start of podman briefly removes other processes' access to its store, with any runtime.
    for (const size of ["1000", "2000"]) {
      const name = await e.detached(["--userns", `auto:size=${size}`], "probe", "wait");
      maps.push(await e.ok("exec", name, "cat", "/proc/self/uid_map"));
    }
    const starts = maps.map((map) => map.trim().split(/\s+/)[1]);
    assert.equal(new Set(starts).size, 2, maps.join("\n"));
  });

  test("rootless: a pod's containers share its namespaces, and it is stopped and removed", async (c, engine) => {
    const e = engine.in(c);
    const pod = c.id;
    c.defer(async () => e.call(["pod", "rm", "--force", "--time", "0", pod]));
    await e.ok("pod", "create", "--name", pod, "--network", "none", "--share", "ipc,net,uts");
    const names = [e.removeLater(), e.removeLater()];
    for (const name of names)
      await e.ok("run", "--detach", "--pod", pod, "--name", name, ...engine.commandLine.runFlags, image, "probe", "wait");
    const namespaces = (name: string): Promise<string> =>
      e.ok("exec", name, "sh", "-c", "for n in ipc net uts user; do readlink /proc/self/ns/$n; done");
    assert.equal(await namespaces(names[0] ?? ""), await namespaces(names[1] ?? ""));
    await e.ok("pod", "stop", pod);
    assert.equal(await e.inspect(names[1] ?? "", "{{.State.Status}} {{.State.ExitCode}}"), "exited 0");
    await e.ok("pod", "rm", pod);
  });

  test("rootless: a health check by exec makes the container healthy, then unhealthy", async (c, engine) => {
    const e = engine.in(c);
    const flags = ["--health-cmd", "test ! -e /tmp/ill", "--health-interval", "disable", "--health-retries", "1"];
    const name = await e.detached(flags, "probe", "wait");
    assert.equal((await e.call(["healthcheck", "run", name])).status, 0);
    assert.equal(await e.inspect(name, "{{.State.Health.Status}}"), "healthy");
    await e.ok("exec", name, "touch", "/tmp/ill");
    assert.equal((await e.call(["healthcheck", "run", name])).status, 1);
    assert.equal(await e.inspect(name, "{{.State.Health.Status}}"), "unhealthy");
  });

  test("rootless: run returns 127, 126 and 137, --init, --ulimit and a seccomp profile", async (c, engine) => {
    const e = engine.in(c);
    assert.equal((await e.run([], "nosuch")).status, 127);
    assert.equal((await e.run([], "/etc/passwd")).status, 126);
    assert.equal((await e.run(["--init"], "sh", "-c", "kill -KILL $$")).status, 137);
    const profile = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 95 }],
    };
    const file = c.file("profile.json", JSON.stringify(profile));
    const flags = ["--ulimit", "nofile=512:1024", "--security-opt", `seccomp=${file}`, "--security-opt", "no-new-privileges"];
    const lines = await e.lines(flags, "ulimit -n; mkdir /tmp/x 2>&1; grep NoNewPrivs /proc/self/status");
    assert.deepEqual([lines[0], lines[2]], ["512", "NoNewPrivs: 1"]);
    assert.match(lines[1] ?? "", /[Nn]ot supported/);
  });

  test("rootless: --user, --cap-drop, --read-only, --tmpfs and a volume", async (c, engine) => {
    const source = publicFolder(c, "source");
    const flags = ["--user", "1000:1001", "--cap-drop", "ALL", "--read-only", "--tmpfs", "/mnt", "--volume", `${source}:/srv:ro`];
    const lines = await engine
      .in(c)
      .lines(flags, "id -u; id -g; grep CapBnd /proc/self/status; touch /mnt/x && echo written; touch /x 2>&1; touch /srv/x 2>&1; true");
    assert.deepEqual(lines.slice(0, 4), ["1000", "1001", "CapBnd: 0000000000000000", "written"]);
    for (const line of lines.slice(4)) assert.match(line, /Read-only file system/);
  });

  test("rootless: a detached container is stopped, started again, killed and removed", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached([], "probe", "wait");
    await e.ok("stop", name);
    assert.equal(await e.inspect(name, "{{.State.ExitCode}}"), "0");
    await e.ok("start", name);
    await e.ok("kill", name);
    assert.equal(await e.ok("wait", name), "137");
    await until("the log is complete", async () => (await e.ok("logs", name)).includes("signal 15"));
  });

  test("rootless: exec prints the output and returns the exit status", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached(["--env", "A=b"], "probe", "wait");
    const result = await e.call(["exec", "--env", "C=d", name, "sh", "-c", "echo out $A $C $(id -u); exit 23"]);
    assert.equal(result.stdout, "out b d 0\n", describe(result));
    assert.equal(result.status, 23);
    assert.equal(await e.ok("exec", "--user", "1000", name, "id", "-u"), "1000");
    const namespaces = (pid: string): Promise<string> =>
      e.ok("exec", name, "sh", "-c", `for n in user pid mnt uts ipc; do readlink /proc/${pid}/ns/$n; done`);
    assert.equal(await namespaces("self"), await namespaces("1"));
  });

  test("rootless: run -it and exec -it give a terminal", async (c, engine) => {
    const e = engine.in(c);
    const run = e.runTerminal([], "sh", "-c", "echo on $(tty); read line; echo got $line; exit 9");
    await run.shows(/on \/dev\/(pts\/0|console)\s/);
    run.type("typed\r");
    await run.shows("got typed");
    assert.equal(await run.end(), "exited 9");
    const name = await e.detached([], "probe", "wait");
    const exec = e.terminal("exec", "-it", name, "sh", "-c", "echo on $(tty); exit 8");
    await exec.shows(/on \/dev\/pts\/\d+\s/);
    assert.equal(await exec.end(), "exited 8");
  });

  test("rootless: top lists the container's processes", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached([], "sh", "-c", "sleep 1000 & probe wait");
    await until("all processes run", async () => /probe wait[^]*sleep 1000|sleep 1000[^]*probe wait/.test(await e.ok("top", name)));
  });
});
