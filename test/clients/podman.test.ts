/**
 * Debian's podman with conmon, as root, with the cgroupfs manager and its own image store.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe } from "../integration/harness/execute.js";
import { sharing } from "../integration/harness/suite.js";
import { image, imageArchive } from "../integration/harness/image.js";
import { runtimeName } from "../integration/harness/environment.js";
import { Engine, environmentOf, makeParentCgroups, makeUser, removeEmptyCgroupsLater, checkStateRootLater } from "./engine.js";
import { engineSteps } from "./engine-steps.js";
import type { Context } from "../integration/harness/context.js";

async function startPodman(c: Context): Promise<Engine> {
  const podman = "/usr/bin/podman";
  if (!existsSync(podman)) c.skip(`${podman} is missing: scripts/bootstrap clients`);
  makeParentCgroups(c);
  checkStateRootLater(c, `/run/${runtimeName}`);
  const config = c.file(
    "containers.conf",
    `[containers]\ncgroups = "no-conmon"\nnetns = "none"\n` +
      `[engine]\nlock_type = "file"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "tested"\n` +
      `[engine.runtimes]\ntested = ["${c.program}"]\n`,
  );
  // Without this option, podman sometimes bind-mounts its folder on itself, which the harness would report as a leak.
  const storage = ["--storage-driver", "overlay", "--storage-opt", "overlay.skip_mount_home=true"];
  const folders = ["--root", c.folder("root"), "--runroot", "/run/containers", "--tmpdir", c.folder("tmpdir"), ...storage];
  // Podman's default limits exceed what a caller without CAP_SYS_RESOURCE may set.
  const limits = ["--ulimit", "nofile=1024:4096", "--ulimit", "nproc=1000:1000"];
  const engine = new Engine({
    name: "podman",
    program: [podman, ...folders],
    env: { ...environmentOf(c), CONTAINERS_CONF: config },
    runFlags: ["--cgroup-parent", `/${c.id}`, ...limits],
    removeFlags: ["--time", "0"],
  });
  const loaded = await engine.in(c).call(["load", "--input", imageArchive(c)]);
  assert.equal(loaded.status, 0, describe(loaded));
  return engine;
}

sharing("podman", startPodman, (test) => {
  engineSteps(test);

  test("a pod's containers share its namespaces, and the pod stops and goes as one", async (c, engine) => {
    const e = engine.in(c);
    const pod = c.id;
    const parent = engine.commandLine.runFlags[1] ?? "";
    removeEmptyCgroupsLater(c, parent); // podman leaves the pod's cgroup in hierarchies that it does not know: named ones, and v2 on a hybrid host
    c.defer(async () => e.call(["pod", "rm", "--force", "--time", "0", pod]));
    await e.ok("pod", "create", "--name", pod, "--cgroup-parent", parent, "--network", "none", "--share", "ipc,net,uts");
    const names = [e.removeLater(), e.removeLater()];
    const limits = engine.commandLine.runFlags.slice(2);
    for (const name of names) await e.ok("run", "--detach", "--pod", pod, "--name", name, ...limits, image, "probe", "wait");
    const namespaces = (name: string): Promise<string> =>
      e.ok("exec", name, "sh", "-c", "for n in ipc net uts; do readlink /proc/self/ns/$n; done");
    assert.equal(await namespaces(names[0] ?? ""), await namespaces(names[1] ?? ""));
    await e.ok("pod", "pause", pod);
    assert.equal(await e.inspect(names[0] ?? "", "{{.State.Status}}"), "paused");
    await e.ok("pod", "unpause", pod);
    await e.ok("pod", "stop", pod);
    assert.equal(await e.inspect(names[1] ?? "", "{{.State.Status}} {{.State.ExitCode}}"), "exited 0");
    await e.ok("pod", "start", pod);
    assert.equal(await e.inspect(names[1] ?? "", "{{.State.Status}}"), "running");
    await e.ok("pod", "rm", "--force", "--time", "0", pod);
  });

  test("podman run --uidmap and exec in that user namespace", async (c, engine) => {
    const e = engine.in(c);
    const maps = ["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"];
    assert.deepEqual(await e.lines(maps, "cat /proc/self/uid_map; touch /root/x && echo written"), ["0     100000      65536", "written"]);
    const name = await e.detached(maps, "probe", "wait");
    const exec = await e.call(["exec", name, "sh", "-c", "cat /proc/self/uid_map; exit 5"]);
    assert.match(exec.stdout, /^\s+0\s+100000\s+65536\n$/, describe(exec));
    assert.equal(exec.status, 5);
  });

  test("podman run --userns auto takes ids that no other container has", async (c, engine) => {
    makeUser("containers", 903);
    const e = engine.in(c);
    const seen = await e.lines(["--userns", "auto"], "cat /proc/self/uid_map; id -u; touch /root/x && echo written");
    assert.match(seen[0] ?? "", /^0 +[1-9]\d* +\d+$/);
    assert.deepEqual(seen.slice(1), ["0", "written"]);
  });

  test("podman run --systemd=always gives a container that is ready for systemd", async (c, engine) => {
    const lines = await engine.in(c).lines(["--systemd", "always"], "grep -cE ' (/run|/tmp|/run/lock) ' /proc/mounts; echo $container");
    assert.deepEqual(lines, ["3", "podman"]);
  });
});
