/** Flags of checkpoint and restore: what CRIU saves or restores only when it is asked to, and who gets the memory. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { counter, counts, criu, isGone, keeper, restoreArgs, saved } from "./harness/checkpoints.js";
import { setNamespace, withoutNamespaces } from "./harness/config.js";
import { binaries } from "./harness/environment.js";
import { until } from "./harness/execute.js";
import type { Bundle, Context } from "./harness/context.js";
import type { Started } from "./harness/execute.js";

/** A checkpoint fails without `flag` and leaves the container running; with it the container is saved, and goes on after a restore with it. */
async function takes(c: Context, bundle: Bundle, flag: string, message: RegExp): Promise<void> {
  await c.createAndStart(bundle);
  await counts(bundle);
  await c.fails(["checkpoint", "--image-path", `${c.directory}/without`, c.id], message);
  const before = await counts(bundle);
  await c.ok(["checkpoint", flag, "--image-path", `${c.directory}/images`, c.id]);
  await isGone(c);
  await c.ok(restoreArgs(c, bundle, "-d", flag));
  await counts(bundle, before);
}

criu.test("--file-locks saves a lock and takes it again", async (c) => {
  const bundle = keeper(c, ["lock", "/lock"]);
  await takes(c, bundle, "--file-locks", /lock/i);
  assert.equal(spawnSync("flock", ["--nonblock", `${bundle.rootfs}/lock`, "true"]).status, 1);
});

criu.test("--link-remap saves an open file whose name was removed while it has another one", async (c) => {
  const script =
    "echo kept >/a; ln /a /b; exec >/dev/null 2>&1 3<>/a; rm /a; n=0; while sleep 0.1; do n=$((n+1)); ln -sfn $n /count.new; mv /count.new /count; done";
  const bundle = counter(c, undefined, script);
  await c.createAndStart(bundle);
  await counts(bundle);
  await c.fails(["checkpoint", "--image-path", `${c.directory}/without`, c.id], /link-remap/);
  const before = await counts(bundle);
  await c.ok(["checkpoint", "--link-remap", "--image-path", `${c.directory}/images`, c.id]);
  await c.ok(restoreArgs(c, bundle, "-d"));
  await counts(bundle, before);
  const { pid } = await c.state();
  assert.equal(statSync(`/proc/${pid}/fd/3`).ino, statSync(`${bundle.rootfs}/b`).ino);
});

criu.test("--ext-unix-sk saves a socket that is connected to a daemon of the host", async (c) => {
  // The daemon's socket has the same name in the container as outside: CRIU connects to it by the name that the daemon gave it.
  const shared = `${c.directory}/shared`;
  mkdirSync(shared);
  const daemon = await c.helper("datagrams", [`${shared}/socket`]);
  await c.printed(daemon, "listening");
  const bundle = keeper(c, ["datagram", `${shared}/socket`], (config) => {
    // CRIU finds the daemon among the sockets of the container's network namespace.
    withoutNamespaces(config, "network");
    config.mounts.push({ destination: shared, type: "bind", source: shared, options: ["bind", "rprivate"] });
  });
  await takes(c, bundle, "--ext-unix-sk", /ext-unix-sk|External socket|without peer/);
});

/** A network namespace with its loopback up. */
async function network(c: Context): Promise<{ path: string; inside(kind: string, port: string): Promise<Started> }> {
  const holder = await c.companion("unshare", ["--net", "sh", "-c", "ip link set lo up; echo up; exec sleep 1000"]);
  await c.printed(holder, "up");
  const path = `/proc/${holder.pid}/ns/net`;
  return { path, inside: (kind, port) => c.companion("nsenter", [`--net=${path}`, `${binaries}/keeps`, kind, port]) };
}

criu.test("--tcp-established saves a connection, which goes on after the restore", async (c) => {
  const { path, inside } = await network(c);
  await c.printed(await inside("echo", "27"), "listening");
  await takes(
    c,
    keeper(c, ["tcp", "27"], (config) => setNamespace(config, "network", path)),
    "--tcp-established",
    /[Cc]onnected TCP|tcp-established/,
  );
});

criu.test("--tcp-skip-in-flight saves a listening socket without the connections that it has not accepted", async (c) => {
  const { path, inside } = await network(c);
  const bundle = keeper(c, ["listen", "27"], (config) => setNamespace(config, "network", path));
  await c.createAndStart(bundle);
  await counts(bundle);
  await c.printed(await inside("connect", "27"), "connected");
  await c.fails(["checkpoint", "--image-path", `${c.directory}/without`, c.id], /[Ii]n-flight/);
  const before = await counts(bundle);
  await c.ok(["checkpoint", "--tcp-skip-in-flight", "--image-path", `${c.directory}/images`, c.id]);
  await c.ok(restoreArgs(c, bundle, "-d"));
  await counts(bundle, before);
});

criu.test("a network namespace is restored with its loopback alone, with --empty-ns and without", async (c) => {
  const bundle = counter(c, (config) => setNamespace(config, "network"));
  await c.createAndStart(bundle);
  for (const flags of [[], ["--empty-ns", "network"]]) {
    const before = await counts(bundle);
    await c.ok(["checkpoint", ...flags, "--image-path", `${c.directory}/images`, c.id]);
    await c.ok(restoreArgs(c, bundle, "-d", ...flags));
    await counts(bundle, before);
    const { pid } = await c.state();
    const links = spawnSync("nsenter", [`--net=/proc/${pid}/ns/net`, "ip", "-o", "addr"], { encoding: "utf8" }).stdout;
    assert.match(links, /\blo\b.*\b127\.0\.0\.1\b/, links);
    assert.doesNotMatch(links, /\beth0\b/);
  }
});

function blocks(directory: string): number {
  const pages = readdirSync(directory).filter((name) => name.startsWith("pages-"));
  assert.notEqual(pages.length, 0);
  return pages.reduce((sum, name) => sum + statSync(`${directory}/${name}`).blocks, 0);
}

criu.test("--auto-dedup removes from the parent images what was saved again, and from the images what was restored", async (c) => {
  const bundle = keeper(c, ["memory", "2"]);
  await c.createAndStart(bundle);
  await counts(bundle);
  await c.ok(["checkpoint", "--pre-dump", "--image-path", `${c.directory}/first`, c.id]);
  await counts(bundle, await counts(bundle));
  const parent = blocks(`${c.directory}/first`);
  await c.ok(["checkpoint", "--auto-dedup", "--parent-path", "../first", "--image-path", `${c.directory}/images`, c.id]);
  const less = blocks(`${c.directory}/first`);
  assert.ok(less < parent, `${less} < ${parent}`);
  await c.ok(restoreArgs(c, bundle, "-d", "--auto-dedup"));
  assert.ok(blocks(`${c.directory}/first`) < less);
});

/** CRIU's own server or daemon, until it has ended. */
async function criuDaemon(c: Context, ...args: string[]): Promise<Started> {
  const ready = `${c.directory}/${args[0]}.ready`;
  const daemon = await c.companion("sh", ["-c", `exec criu "$@" --status-fd 5 5>${ready}`, "sh", ...args]);
  await until(`criu ${args[0]} is ready`, () => (existsSync(ready) && statSync(ready).size > 0) || daemon.output().includes("Error"), 30);
  return daemon;
}

criu.test("--page-server sends memory to CRIU's page server, from whose images the container is restored", async (c) => {
  const bundle = keeper(c, ["memory", "1"]);
  const images = `${c.directory}/images`;
  mkdirSync(images);
  await c.createAndStart(bundle);
  const before = await counts(bundle);
  const server = await criuDaemon(c, "page-server", "--images-dir", images, "--address", "127.0.0.1", "--port", "2727");
  mkdirSync(`${c.directory}/metadata`);
  await c.ok(["checkpoint", "--page-server", "127.0.0.1:2727", "--image-path", `${c.directory}/metadata`, c.id]);
  assert.equal((await server.wait()).status, 0);
  assert.equal(existsSync(`${c.directory}/metadata/pages-1.img`), false);
  spawnSync("cp", ["-n", ...readdirSync(`${c.directory}/metadata`).map((name) => `${c.directory}/metadata/${name}`), images]);
  await c.ok(restoreArgs(c, bundle, "-d"));
  await counts(bundle, before);
});

criu.test("--lazy-pages leaves memory where it is until it is used, and --status-fd says when it can be had", async (c) => {
  const bundle = keeper(c, ["memory", "1"]);
  const images = `${c.directory}/images`;
  const work = `${c.directory}/work`;
  mkdirSync(work);
  await c.createAndStart(bundle);
  const before = await counts(bundle);
  const ready = `${c.directory}/ready`;
  const args = ["checkpoint", "--lazy-pages", "--page-server", "127.0.0.1:2728", "--status-fd", "5", "--image-path", images, c.id];
  const checkpoint = await c.startBelowShell(`exec "$@" 5>${ready}`, args);
  await until("memory can be asked for", () => existsSync(ready) && statSync(ready).size === 1, 30);
  assert.deepEqual([...readFileSync(ready)], [0]);
  const id = c.otherId("lazy");
  c.deleteLater(id);
  const daemon = await criuDaemon(
    c,
    ...["lazy-pages", "--page-server", "--address", "127.0.0.1", "--port", "2728", "--images-dir", images, "--work-dir", work],
  );
  const restore = ["restore", "-d", "-b", bundle.directory, "--lazy-pages", "--image-path", images, "--work-path", work, id];
  await c.ok(restore);
  await counts(bundle, before);
  assert.equal((await checkpoint.wait()).status, 0);
  assert.equal((await daemon.wait()).status, 0);
  await isGone(c);
});

criu.test("--manage-cgroups-mode strict saves, and restores nothing: the container's cgroup is there already", async (c) => {
  const bundle = counter(c);
  const before = await saved(c, bundle, "--manage-cgroups-mode", "strict");
  await c.fails(restoreArgs(c, bundle, "-d", "--manage-cgroups-mode", "strict"), /criu failed/);
  await isGone(c);
  await c.ok(restoreArgs(c, bundle, "-d", "--manage-cgroups-mode", "soft"));
  await counts(bundle, before);
});

function loadProfile(c: Context, name: string): string {
  const profile = `${c.id}-${name}`;
  const file = c.file(
    `${name}.profile`,
    `abi <abi/3.0>,\nprofile ${profile} flags=(attach_disconnected) { file, capability, signal, ptrace, mount, network, unix, }\n`,
  );
  const parser = (option: string): void => assert.equal(spawnSync("apparmor_parser", [option, "-K", file]).status, 0);
  parser("--replace");
  c.defer(() => parser("--remove"));
  return profile;
}

if (existsSync("/sys/kernel/security/apparmor")) {
  criu.test("a restored program has its AppArmor profile, or that of --lsm-profile", async (c) => {
    const first = loadProfile(c, "first");
    const second = loadProfile(c, "second");
    const bundle = counter(c, (config) => (config.process.apparmorProfile = first));
    await saved(c, bundle);
    for (const [flags, profile] of [
      [[], first],
      [["--lsm-profile", `apparmor:${second}`], second],
    ] as const) {
      await c.ok(restoreArgs(c, bundle, "-d", ...flags));
      const { pid } = await c.state();
      assert.equal(readFileSync(`/proc/${pid}/attr/current`, "utf8").trim(), `${profile} (enforce)`);
      await c.ok(["delete", "-f", c.id]);
    }
  });
}

criu.test("--lsm-mount-context has no effect on mounts without a context", async (c) => {
  const bundle = counter(c);
  const before = await saved(c, bundle);
  await c.ok(restoreArgs(c, bundle, "-d", "--lsm-mount-context", "system_u:object_r:container_file_t:s0"));
  await counts(bundle, before);
});

/** Restores a container without a pid namespace and has it make an orphan. Returns the pids of the runtime and of who adopts the orphan. */
async function adopter(c: Context, ...flags: string[]): Promise<{ runtime: number; parent: number }> {
  const script = `exec >/dev/null 2>&1; trap "sh /make" USR1; ln -s 1 /count; while :; do sleep 0.1; done`;
  const bundle = counter(c, (config) => withoutNamespaces(config, "pid"), script);
  writeFileSync(`${bundle.rootfs}/make`, "sh /orphan $$ &\n");
  const orphan = "while [ -d /proc/$1 ]; do sleep 0.01; done\ngrep PPid: /proc/$$/status >/parent.new\nmv /parent.new /parent\n";
  writeFileSync(`${bundle.rootfs}/orphan`, orphan);
  await saved(c, bundle);
  const restored = await c.startRuntime(restoreArgs(c, bundle, ...flags));
  await until("it is restored", async () => (await c.runtime(["state", c.id])).stdout.includes('"running"'), 30);
  await c.ok(["kill", c.id, "USR1"]);
  const parent = /PPid:\s+(\d+)/.exec(await c.fileText(`${bundle.rootfs}/parent`))?.[1];
  await c.ok(["delete", "-f", c.id]);
  await restored.wait();
  return { runtime: restored.pid, parent: Number(parent) };
}

criu.test("a foreground restore adopts orphans of a container without a pid namespace", async (c) => {
  const { runtime, parent } = await adopter(c);
  assert.equal(parent, runtime);
});

criu.test("restore --no-subreaper leaves orphans to the next reaper, and --no-pivot changes nothing", async (c) => {
  const { runtime, parent } = await adopter(c, "--no-subreaper", "--no-pivot");
  assert.notEqual(parent, runtime);
});
