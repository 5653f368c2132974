/**
 * Debian's Docker 20.10. Its daemon starts its own containerd and uses the stock shim, with the runtime as BinaryName.
 */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { describe, until } from "../integration/harness/execute.js";
import { sharing } from "../integration/harness/suite.js";
import { image, imageArchive } from "../integration/harness/image.js";
import { cacheDirectory } from "../integration/harness/environment.js";
import { Engine, stopLater, environmentOf, makeParentCgroups, makeUser, checkStateRootLater } from "./engine.js";
import { engineSteps } from "./engine-steps.js";
import type { Context } from "../integration/harness/context.js";

async function startDocker(c: Context, flags: readonly string[] = []): Promise<Engine> {
  const unpacked = `${cacheDirectory}/docker`;
  if (!existsSync(`${unpacked}/usr/sbin/dockerd`)) c.skip(`${unpacked} has no Docker: test/integration/prepare`);
  makeParentCgroups(c);
  const env = {
    ...environmentOf(c, `${unpacked}/usr/bin`, `${unpacked}/usr/sbin`, `${cacheDirectory}/containerd/usr/bin`),
    LD_LIBRARY_PATH: `${unpacked}/usr/lib/x86_64-linux-gnu:${unpacked}/lib/x86_64-linux-gnu`,
  };
  const socket = `unix://${c.directory}/docker.sock`;
  const folders = ["--data-root", c.folder("data"), "--exec-root", "/run/docker", "--pidfile", `${c.directory}/docker.pid`];
  const network = ["--iptables=false", "--ip6tables=false", "--bridge=none"];
  const cgroups = ["--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", `/${c.id}`];
  checkStateRootLater(c, "/run/docker/runtime-tested/moby");
  const daemon = await c.spawn(
    `${unpacked}/usr/sbin/dockerd`,
    [
      "-H",
      socket,
      "--init-path",
      `${cacheDirectory}/tini/usr/bin/tini-static`,
      ...folders,
      ...network,
      ...cgroups,
      "--add-runtime",
      `tested=${c.program}`,
      "--default-runtime",
      "tested",
      ...flags,
    ],
    { env },
  );
  stopLater(c, daemon);
  const engine = new Engine({
    name: "docker",
    program: [`${unpacked}/usr/bin/docker`, "-H", socket],
    env,
    runFlags: ["--network", "none"],
    removeFlags: [],
  });
  const e = engine.in(c);
  await until(
    "dockerd answers",
    async () => {
      assert.equal(daemon.process.exitCode, null, daemon.errors().slice(-2000));
      return (await e.call(["version"])).status === 0;
    },
    30,
  );
  await e.ok("load", "--input", imageArchive(c));
  return engine;
}

sharing("docker", startDocker, (test) => {
  engineSteps(test);

  test("docker run --runtime names one of --add-runtime, and an unknown one is refused", async (c, engine) => {
    const e = engine.in(c);
    assert.match(await e.ok("info", "--format", "{{json .Runtimes}}"), new RegExp(`"tested":{"path":"${c.program}"`));
    const name = await e.detached(["--runtime", "tested"], "probe", "wait");
    assert.equal(await e.inspect(name, "{{.HostConfig.Runtime}}"), "tested");
    assert.equal((await e.run(["--runtime", "nosuch"], "true")).status, 125);
  });

  test("docker events tells of an exec, a pause, an update and an OOM", async (c, engine) => {
    const e = engine.in(c);
    const events = await e.start(["events", "--format", "{{.Action}}", "--filter", `container=${c.id}-1`]);
    c.defer(() => events.process.kill("SIGTERM"));
    const name = await e.detached(["--memory", "16m", "--memory-swap", "16m"], "probe", "wait");
    await e.ok("pause", name);
    await e.ok("unpause", name);
    await e.ok("exec", name, "true");
    await e.ok("update", "--cpu-shares", "200", name);
    assert.equal((await e.call(["exec", name, "tail", "/dev/zero"])).status, 137);
    const seen = (): string[] => events.output().trim().split("\n");
    for (const action of ["create", "start", "pause", "unpause", "exec_create: true ", "exec_start: true ", "exec_die", "update", "oom"])
      await until(`the event ${action}`, () => seen().includes(action));
    await e.ok("kill", name);
    await until("the container has ended", () => seen().includes("die"));
    events.process.kill("SIGTERM");
    await events.wait();
  });

  test("a container that ran out of memory is marked as OOM-killed", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached(["--memory", "16m", "--memory-swap", "16m"], "tail", "/dev/zero");
    assert.equal(await e.ok("wait", name), "137");
    await until("the daemon knows", async () => (await e.inspect(name, "{{.State.OOMKilled}}")) === "true");
  });

  test("docker build runs commands in its containers", async (c, engine) => {
    const e = engine.in(c);
    const folder = c.folder("build");
    writeFileSync(
      `${folder}/Dockerfile`,
      `FROM ${image}\nRUN echo built >/home/file && id -u\nUSER worker\nRUN id -u >/tmp/user\nCMD cat /home/file /tmp/user\n`,
    );
    const tag = `example.org/built:${c.id}`;
    await e.ok("build", "--network", "none", "--tag", tag, folder);
    c.defer(() => e.ok("rmi", tag));
    const result = await e.call(["run", "--rm", ...e.commandLine.runFlags, tag]);
    assert.equal(result.stdout, "built\n1000\n", describe(result));
  });

  test("a build whose command fails returns its exit status", async (c, engine) => {
    const e = engine.in(c);
    const folder = c.folder("build");
    writeFileSync(`${folder}/Dockerfile`, `FROM ${image}\nRUN exit 7\n`);
    await e.fails(["build", "--rm", "--force-rm", "--network", "none", folder], /returned a non-zero code: 7/);
  });
});

const startWithUserNamespace = (c: Context): Promise<Engine> => {
  makeUser("remapped", 900);
  return startDocker(c, ["--userns-remap", "remapped"]);
};

sharing("docker --userns-remap", startWithUserNamespace, (test) => {
  test("with --userns-remap root of a container is a plain user of the host", async (c, engine) => {
    const e = engine.in(c);
    assert.deepEqual(await e.lines([], "cat /proc/self/uid_map; id -u; touch /root/x && echo written"), [
      "0     200000      65536",
      ...["0", "written"],
    ]);
  });

  test("with --userns-remap exec joins the user namespace", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached([], "probe", "wait");
    const namespaces = (pid: string): Promise<string> => e.ok("exec", name, "readlink", `/proc/${pid}/ns/user`);
    assert.equal(await namespaces("self"), await namespaces("1"));
    assert.equal((await e.call(["exec", name, "sh", "-c", "exit 5"])).status, 5);
    assert.equal((await e.call(["exec", "--user", "1000", name, "sh", "-c", "exit $(id -u | cut -c1)"])).status, 1);
  });

  test("with --userns-remap a terminal, a tmpfs and limits", async (c, engine) => {
    const e = engine.in(c);
    const terminal = e.runTerminal(
      ["--tmpfs", "/mnt", "--memory", "64m"],
      "sh",
      "-c",
      "echo on $(tty); touch /mnt/x && echo written; exit 9",
    );
    await terminal.shows("written");
    assert.equal(await terminal.end(), "exited 9");
  });

  test("with --userns-remap --userns host is the host's", async (c, engine) => {
    assert.match((await engine.in(c).lines(["--userns", "host"], "cat /proc/self/uid_map")).join(), /^0\s+0\s+4294967295$/);
  });
});
