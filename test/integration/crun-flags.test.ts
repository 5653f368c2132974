/**
 * Flags that crun has and runc does not: `--regex`, `--config`, `--cgroup-manager`.
 */
import assert from "node:assert/strict";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { isTsrunc } from "./harness/environment.js";
import { describe } from "./harness/execute.js";
import { test } from "./harness/suite.js";
import type { Bundle, Context } from "./harness/context.js";
import type { Result } from "./harness/execute.js";

/** Containers with ids that end so, in the given status. */
async function containers(c: Context, status: "created" | "running", ...names: string[]): Promise<string[]> {
  const bundle = c.bundle();
  const ids = names.map((name) => c.otherId(name));
  for (const id of ids) {
    if (status === "created") await c.create(bundle, [], { id });
    else await c.createAndStart(bundle, [], { id });
  }
  return ids;
}

/** Makes config.json the file my.json of another folder. Returns the folder. */
function moveConfig(c: Context, { directory }: Bundle): string {
  const elsewhere = c.folder("elsewhere");
  renameSync(`${directory}/config.json`, `${elsewhere}/my.json`);
  return elsewhere;
}

/** The process's cgroup in every hierarchy, as /proc has it. */
function cgroups(pid: number | "self"): string {
  return readFileSync(`/proc/${pid}/cgroup`, "utf8");
}

if (isTsrunc) {
  test("kill --regex signals the containers whose ids match, and no others", async (c) => {
    const [a1 = "", a2 = "", b1 = ""] = await containers(c, "running", "a1", "a2", "b1");
    const result = await c.ok(["kill", "--regex", "a[[:digit:]]$", "KILL"]);
    assert.equal(result.stderr, "");
    await c.status("stopped", a1);
    await c.status("stopped", a2);
    assert.equal((await c.state(b1)).status, "running");
  });

  test("kill --regex warns of a container that cannot be signalled and signals the others", async (c) => {
    const [a1 = "", a2 = ""] = await containers(c, "running", "a1", "a2");
    await c.ok(["kill", a1, "KILL"]);
    await c.status("stopped", a1);
    const result = await c.ok(["kill", "-r", "[-]a.$", "KILL"]);
    assert.equal(result.stderr, `warning: kill "${a1}": container not running\n`);
    await c.status("stopped", a2);
    assert.equal((await c.ok(["kill", "--regex", "^nothing", "KILL"])).stderr, "");
  });

  test("delete --regex deletes the containers whose ids match, with --force also those that are not stopped", async (c) => {
    const [a1 = "", a2 = "", b1 = ""] = await containers(c, "created", "a1", "a2", "b1");
    const refused = await c.ok(["delete", "--regex", "[-]a"]);
    for (const id of [a1, a2])
      assert.ok(
        refused.stderr.includes(`warning: delete "${id}": cannot delete container ${id} that is not stopped: created\n`),
        refused.stderr,
      );
    assert.equal((await c.ok(["list", "-q"])).stdout, `${a1}\n${a2}\n${b1}\n`);
    assert.equal((await c.ok(["delete", "--force", "--regex", "[-]a"])).stderr, "");
    assert.equal((await c.ok(["list", "-q"])).stdout, `${b1}\n`);
  });

  test("create --config reads a configuration elsewhere, whose paths are relative to the bundle", async (c) => {
    const bundle = c.bundle({ args: ["echo", "from elsewhere"] });
    const elsewhere = moveConfig(c, bundle);
    c.deleteLater();
    const created = await c.startRuntime(["create", "-b", bundle.directory, "--config", "my.json", c.id], { cwd: elsewhere });
    assert.equal((await created.wait()).status, 0);
    const { bundle: recorded, rootfs } = await c.state();
    assert.deepEqual({ recorded, rootfs }, { recorded: bundle.directory, rootfs: bundle.rootfs });
    await c.ok(["start", c.id]);
    await c.printed(created, "from elsewhere");
  });

  test("run --config reads a pipe, of which every fault is told as well", async (c) => {
    const bundle = c.bundle({
      args: ["echo", "from a pipe"],
      config: (config) => (config.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW" }),
    });
    const file = `${bundle.directory}/config.json`;
    const runFromPipe = async (id: string): Promise<Result> =>
      (await c.startBelowShell(`cat ${file} | "$@"`, ["run", "-b", bundle.directory, "--config", "/dev/stdin", id])).wait();
    // The second time the filter of the profile is kept.
    for (const name of ["first", "second"]) {
      const result = await runFromPipe(`${c.id}-${name}`);
      assert.equal(result.stdout, "from a pipe\n", describe(result));
    }
    const config = readFileSync(file, "utf8");
    const faulty = config.replace(/"cwd": ?"\/"/, '"cwd":"tmp"');
    assert.notEqual(faulty, config);
    writeFileSync(file, faulty);
    const refused = await runFromPipe(c.id);
    assert.equal(refused.status, 1, describe(refused));
    assert.match(refused.stderr, /\/process\/cwd: found "tmp"/);
  });

  test("run --config reads a configuration elsewhere, whose paths are relative to the bundle", async (c) => {
    const bundle = c.bundle({ args: ["echo", "from elsewhere"] });
    const elsewhere = moveConfig(c, bundle);
    const result = await c.runtime(["run", "-b", bundle.directory, "-f", `${elsewhere}/my.json`, c.id]);
    assert.equal(result.stdout, "from elsewhere\n", describe(result));
  });

  test("--cgroup-manager cgroupfs makes the container's cgroup, as without the flag", async (c) => {
    c.deleteLater();
    const bundle = c.bundle({ config: (config) => (config.linux.cgroupsPath = `/${c.id}`) });
    const created = await (await c.startRuntime(["--cgroup-manager", "cgroupfs", "create", "-b", bundle.directory, c.id])).wait();
    assert.equal(created.status, 0, describe(created));
    assert.ok(cgroups((await c.state()).pid).includes(`/${c.id}\n`));
  });

  test("--cgroup-manager disabled makes no cgroup: the container is in its caller's, and all commands work", async (c) => {
    c.deleteLater();
    const bundle = c.bundle({ args: ["sh", "-c", "probe wait & probe wait"] });
    const created = await (await c.startRuntime(["--cgroup-manager=disabled", "create", "-b", bundle.directory, c.id])).wait();
    assert.equal(created.status, 0, describe(created));
    const { pid } = await c.state();
    assert.equal(cgroups(pid), cgroups("self"));
    await c.ok(["start", c.id]);
    await c.status("running");
    await c.ok(["kill", c.id, "KILL"]);
    await c.status("stopped");
    await c.ok(["delete", c.id]);
  });

  test("--cgroup-manager disabled: delete -f ends a container that shares the pid namespace", async (c) => {
    c.deleteLater();
    const bundle = c.bundle({
      config: (config) => (config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "pid")),
    });
    const created = await (await c.startRuntime(["--cgroup-manager=disabled", "create", "-b", bundle.directory, c.id])).wait();
    assert.equal(created.status, 0, describe(created));
    await c.ok(["start", c.id]);
    await c.ok(["delete", "-f", c.id]);
    assert.equal((await c.ok(["list", "-q"])).stdout, "");
  });

  test("--cgroup-manager disabled warns of what has no effect", async (c) => {
    const bundle = c.bundle({
      args: ["true"],
      config: (config) => {
        config.linux.cgroupsPath = "/somewhere";
        config.linux.resources = { devices: [{ allow: false, access: "rwm" }] };
      },
    });
    const result = await c.runtime(["--cgroup-manager", "disabled", "run", "-b", bundle.directory, c.id]);
    assert.equal(result.status, 0, describe(result));
    assert.equal(
      result.stderr,
      'warning: config.json: /linux/cgroupsPath: "/somewhere" has no effect: the cgroup manager is disabled\n' +
        "warning: config.json: /linux/resources/devices: they have no effect, and every device may be used: the cgroup manager is disabled\n",
    );
  });
}
