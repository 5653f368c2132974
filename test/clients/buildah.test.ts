/**
 * Debian's buildah, as root. It calls the runtime's create, start, kill and delete itself, without conmon.
 */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, existsSync, writeFileSync } from "node:fs";
import { describe } from "../integration/harness/execute.js";
import { sharing } from "../integration/harness/suite.js";
import { cgroupMode } from "../integration/harness/cgroups.js";
import { image, imageArchive } from "../integration/harness/image.js";
import { Terminal } from "../integration/harness/terminal.js";
import { runtimeName } from "../integration/harness/environment.js";
import { environmentOf, makeParentCgroups, publicFolder, checkStateRootLater } from "./engine.js";
import type { Context } from "../integration/harness/context.js";
import type { Result } from "../integration/harness/execute.js";

const buildah = "/usr/bin/buildah";

class Buildah {
  constructor(
    readonly c: Context,
    readonly env: Record<string, string>,
    readonly folders: readonly string[],
    /** The value of --cgroup-parent, which buildah uses as the container's own cgroup. */
    readonly cgroup: string,
  ) {}

  in(c: Context): Buildah {
    return new Buildah(c, this.env, this.folders, this.cgroup);
  }

  async call(...args: readonly string[]): Promise<Result> {
    const result = await (await this.c.spawn(buildah, [...this.folders, ...args], { env: this.env })).wait();
    assert.equal(result.timedOut, false, describe(result));
    return result;
  }

  async ok(...args: readonly string[]): Promise<string> {
    const result = await this.call(...args);
    assert.equal(result.status, 0, describe(result));
    return result.stdout.trim();
  }

  /** Makes a working container, and removes it after the test. */
  async from(flags: readonly string[] = []): Promise<string> {
    const name = await this.ok("from", "--cgroup-parent", this.cgroup, ...flags, image);
    this.c.defer(() => this.ok("rm", name));
    return name;
  }

  #runArguments(container: string, flags: readonly string[], command: readonly string[]): string[] {
    return ["run", "--isolation", "oci", "--runtime", this.c.program, ...flags, container, "--", ...command];
  }

  run(container: string, flags: readonly string[], ...command: readonly string[]): Promise<Result> {
    return this.call(...this.#runArguments(container, flags, command));
  }

  /** Runs a shell command line, which must exit with 0. Returns the lines of its output. */
  async lines(container: string, flags: readonly string[], line: string): Promise<string[]> {
    const result = await this.run(container, flags, "sh", "-c", line);
    assert.equal(result.status, 0, describe(result));
    return result.stdout.replaceAll("\t", " ").trim().split("\n");
  }

  runTerminal(container: string, ...command: readonly string[]): Terminal {
    const variables = Object.entries(this.env).map(([name, value]) => `${name}=${value}`);
    return new Terminal(this.c, "/usr/bin/env", [
      ...variables,
      buildah,
      ...this.folders,
      ...this.#runArguments(container, ["--tty"], command),
    ]);
  }

  /** Builds a Dockerfile with `bud`. The image is named after the test and removed after it. */
  async build(dockerfile: string, flags: readonly string[] = []): Promise<Result> {
    const folder = this.c.folder("build");
    writeFileSync(`${folder}/Dockerfile`, dockerfile);
    writeFileSync(`${folder}/file`, "copied\n");
    copyFileSync("/bin/busybox", `${folder}/busybox`);
    this.c.defer(() => this.call("rmi", "--force", this.c.id));
    const runtime = ["--isolation", "oci", "--runtime", this.c.program, "--cgroup-parent", this.cgroup];
    return this.call("bud", "--network", "none", ...runtime, ...flags, "--tag", this.c.id, folder);
  }
}

async function start(c: Context): Promise<Buildah> {
  if (!existsSync(buildah)) c.skip(`${buildah} is missing: scripts/bootstrap clients`);
  makeParentCgroups(c);
  checkStateRootLater(c, `/run/${runtimeName}`);
  const storage = ["--storage-driver", "overlay", "--storage-opt", "overlay.skip_mount_home=true"];
  // Buildah's default limits exceed what a caller without CAP_SYS_RESOURCE may set.
  const config = c.file("containers.conf", `[containers]\nnetns = "none"\ndefault_ulimits = ["nofile=1024:4096", "nproc=1000:1000"]\n`);
  const env = { ...environmentOf(c), CONTAINERS_CONF: config };
  const client = new Buildah(
    c,
    env,
    ["--root", publicFolder(c, "root"), "--runroot", publicFolder(c, "runroot"), ...storage],
    `/${c.id}/container`,
  );
  await client.ok("pull", `docker-archive:${imageArchive(c)}`);
  return client;
}

sharing("buildah", start, (test) => {
  test("buildah run prints the output and returns the exit status", async (c, client) => {
    const b = client.in(c);
    const container = await b.from();
    const result = await b.run(container, [], "sh", "-c", "echo out $FROM_IMAGE $(pwd); echo problem >&2; exit 23");
    assert.equal(result.stdout, "out yes /home/worker\n", describe(result));
    assert.match(result.stderr, /problem/);
    assert.equal(result.status, 23);
  });

  test("buildah run keeps changes of the root file system from one run to the next", async (c, client) => {
    const b = client.in(c);
    const container = await b.from();
    await b.lines(container, [], "echo kept >/home/file");
    assert.deepEqual(await b.lines(container, [], "cat /home/file"), ["kept"]);
  });

  test("buildah run says that a program is missing", async (c, client) => {
    const b = client.in(c);
    const result = await b.run(await b.from(), [], "nosuch");
    assert.notEqual(result.status, 0);
    assert.match(result.stderr, /executable file.* not found in \$PATH/, describe(result));
  });

  test("buildah run --user, --workingdir, --env, --cap-drop, --hostname and --volume", async (c, client) => {
    const b = client.in(c);
    const source = c.folder("source");
    chmodSync(source, 0o755);
    writeFileSync(`${source}/f`, "bound\n");
    const flags = [
      "--user",
      "worker",
      "--workingdir",
      "/usr",
      "--env",
      "A=b",
      "--cap-drop",
      "ALL",
      "--hostname",
      "inside",
      "--volume",
      `${source}:/mnt:ro`,
    ];
    const line = "id -u; pwd; echo $A; hostname; cat /mnt/f; grep CapBnd /proc/self/status; touch /mnt/x 2>&1; true";
    const [...seen] = await b.lines(await b.from(), flags, line);
    assert.deepEqual(seen.slice(0, 6), ["1000", "/usr", "b", "inside", "bound", "CapBnd: 0000000000000000"]);
    assert.match(seen[6] ?? "", /Read-only file system/);
  });

  test("buildah run with limits of memory and processors", async (c, client) => {
    const b = client.in(c);
    const container = await b.from(["--memory", "64m", "--cpu-shares", "100"]);
    const files =
      cgroupMode() === "v2"
        ? [["", "memory.max"]]
        : [
            ["/memory", "memory.limit_in_bytes"],
            ["/cpu", "cpu.shares"],
          ];
    const read = files.map(([controller, file]) => `cat /host${controller}${b.cgroup}/${file}`).join("; ");
    const expected = cgroupMode() === "v2" ? ["67108864"] : ["67108864", "100"];
    assert.deepEqual(await b.lines(container, ["--volume", "/sys/fs/cgroup:/host:ro"], read), expected);
  });

  test("buildah run --tty gives a terminal", async (c, client) => {
    const b = client.in(c);
    const terminal = b.runTerminal(await b.from(), "sh", "-c", "echo on $(tty); read line; echo got $line; exit 9");
    await terminal.shows(/on \/dev\/(pts\/0|console)\s/);
    terminal.type("typed\r");
    await terminal.shows("got typed");
    assert.equal(await terminal.end(), "exited 9");
  });

  test("buildah run in a user namespace", async (c, client) => {
    const b = client.in(c);
    const maps = ["--userns-uid-map", "0:200000:65536", "--userns-gid-map", "0:200000:65536"];
    const seen = await b.lines(await b.from(maps), [], "cat /proc/self/uid_map; id -u; touch /root/x && echo written");
    assert.deepEqual(seen, ["0     200000      65536", "0", "written"]);
  });

  test("buildah bud runs the commands of a Dockerfile", async (c, client) => {
    const b = client.in(c);
    const dockerfile = `FROM ${image}\nCOPY file /home/file\nRUN cat /home/file >/home/other && test $(id -u) = 0\nUSER worker\nRUN test $(id -u) = 1000 && echo user >/tmp/user\n`;
    const built = await b.build(dockerfile);
    assert.equal(built.status, 0, describe(built));
    const container = await b.ok("from", "--cgroup-parent", b.cgroup, c.id);
    c.defer(() => b.ok("rm", container));
    assert.deepEqual(await b.lines(container, [], "cat /home/other /tmp/user"), ["copied", "user"]);
  });

  test("buildah bud fails with a command that fails", async (c, client) => {
    const built = await client.in(c).build(`FROM ${image}\nRUN exit 7\n`);
    assert.notEqual(built.status, 0);
    assert.match(built.stderr, /exit status 7/, describe(built));
  });

  test("buildah bud from scratch", async (c, client) => {
    const b = client.in(c);
    const built = await b.build(`FROM scratch\nCOPY busybox /bin/sh\nRUN ["/bin/sh", "-c", "echo $(id -u) >/seen"]\n`);
    assert.equal(built.status, 0, describe(built));
    const container = await b.ok("from", "--cgroup-parent", b.cgroup, c.id);
    c.defer(() => b.ok("rm", container));
    assert.deepEqual(await b.lines(container, [], "read seen </seen; echo $seen"), ["0"]);
  });
});
