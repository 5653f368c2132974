/**
 * Root file systems and configurations as people have them: Debian, one static binary, overlayfs, what podman and containerd
 * write. The Debian tree is made by test/integration/prepare.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { test } from "./harness/suite.js";
import { debian, debianTree, overlay } from "./harness/debian.js";
import { fixture } from "./harness/environment.js";
import { describe } from "./harness/execute.js";
import { Terminal } from "./harness/terminal.js";
import { cgroupDirectory, hierarchyOf, readCgroup } from "./harness/cgroups.js";
import type { Bundle, Context } from "./harness/context.js";

test("Debian: apt-get --version", async (c) => {
  const result = await c.run(debian(c, { args: ["apt-get", "--version"] }));
  assert.equal(result.status, 0, describe(result));
  assert.match(result.stdout, /^apt \d/);
});

test("Debian: ps shows the container's processes only", async (c) => {
  const result = await c.run(debian(c, { args: ["bash", "-c", "sleep 10 & ps -eo pid,comm"] }));
  assert.equal(result.status, 0, describe(result));
  const rows = result.stdout
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/));
  assert.deepEqual(
    rows.map(([, command]) => command),
    ["bash", "sleep", "ps"],
  );
  assert.equal(rows[0]?.[0], "1");
});

test("Debian: dpkg works as root of the container, and what it writes stays in the upper layer", async (c) => {
  const bundle = debian(c, {
    args: [
      "bash",
      "-ec",
      "dpkg -l | grep -c ^ii; useradd -m somebody; su somebody -c 'id -un; touch ~/mine'; ls -l /home/somebody/mine | cut -d' ' -f3",
    ],
    config: (config) => {
      const capabilities = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_SETGID", "CAP_SETUID", "CAP_AUDIT_WRITE"];
      config.process.capabilities = { bounding: capabilities, permitted: capabilities, effective: capabilities };
    },
  });
  const result = await c.run(bundle);
  assert.equal(result.status, 0, describe(result));
  const [count, name, owner] = result.stdout.trim().split("\n").slice(-3);
  assert.ok(Number(count) > 50, result.stdout);
  assert.deepEqual([name, owner], ["somebody", "somebody"]);
  assert.equal(existsSync(`${debianTree}/home/somebody`), false);
});

test("Debian: a shell with a terminal", async (c) => {
  const bundle = debian(c, { args: ["bash", "--norc", "-i"], config: (config) => (config.process.terminal = true) });
  const terminal = new Terminal(c, c.program, ["--root", c.root, "run", "-b", bundle.directory, c.id]);
  await terminal.shows(/[#$] $/);
  terminal.type("echo $((6*7)) on $(tty)\r");
  await terminal.shows(/42 on \/dev\/(pts\/0|console)\r\n/);
  terminal.type("sleep 100\r");
  await new Promise((resolve) => setTimeout(resolve, 200));
  terminal.type("\x03");
  terminal.type("jobs; stty size; exit 17\r");
  await terminal.shows("24 80\r\n");
  assert.equal(await terminal.end(), "exited 17");
  assert.ok(!terminal.output.includes("no job control"), terminal.output);
});

test("Debian: two hundred processes", async (c) => {
  const bundle = debian(c, {
    args: [
      "bash",
      "-c",
      // The last child is still called bash for a moment.
      "for i in $(seq 200); do sleep 100 & done; until [ $(ps -e | grep -c sleep) = 200 ]; do :; done; kill $(jobs -p); wait; echo end",
    ],
    config: (config) => (config.linux.resources.pids = { limit: 300 }),
  });
  const result = await c.run(bundle);
  assert.equal(result.stdout, "end\n", describe(result));
});

test("Debian: delete -f ends two hundred processes", async (c) => {
  const bundle = debian(c, { args: ["bash", "-c", "for i in $(seq 200); do sleep 100 & done; echo up; wait"] });
  const started = await c.createAndStart(bundle);
  await c.printed(started, "up");
  await c.ok(["delete", "-f", c.id]);
});

test("Debian: a read-only root with a tmpfs on /tmp and /run", async (c) => {
  const bundle = debian(c, {
    args: ["bash", "-c", "touch /usr/x 2>&1; touch /tmp/x /run/x && echo written"],
    config: (config) => {
      config.root.readonly = true;
      for (const destination of ["/tmp", "/run"])
        config.mounts.push({ destination, type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev"] });
    },
  });
  const result = await c.run(bundle);
  assert.match(result.stdout, /Read-only file system\nwritten\n$/, describe(result));
});

test("a root file system with one static binary and nothing else", async (c) => {
  const bundle = c.bundle({ rootfs: "scratch", args: ["/probe", "exit", "12"] });
  const result = await c.run(bundle);
  assert.equal(result.status, 12, describe(result));
});

test("one static binary without any mount", async (c) => {
  const bundle = c.bundle({
    rootfs: "scratch",
    args: ["/probe", "report"],
    config: (config) => {
      config.mounts = [];
      config.linux.maskedPaths = [];
      config.linux.readonlyPaths = [];
      config.process.env = [];
    },
  });
  const result = await c.run(bundle);
  assert.equal(result.status, 0, describe(result));
  const report = JSON.parse(result.stdout);
  assert.equal(report.pid, 1);
  assert.equal(report.cwd, "/");
  assert.deepEqual(report.env, ["HOME=/"]);
});

test("one static binary in a read-only root", async (c) => {
  const bundle = c.bundle({
    rootfs: "scratch",
    args: ["/probe", "open", "w", "/probe"],
    config: (config) => (config.root.readonly = true),
  });
  const result = await c.run(bundle);
  assert.match(result.stdout, /^(EROFS|ETXTBSY)\n$/, describe(result));
});

test("overlayfs: two containers share a lower layer and see their own changes only", async (c) => {
  const lower = c.bundle({ rootfs: "busybox" }).rootfs;
  writeFileSync(`${lower}/shared`, "of the image\n");
  const second = c.otherId("second");
  const uppers: string[] = [];
  for (const id of [c.id, second]) {
    const bundle = c.bundle({
      rootfs: "empty",
      args: ["sh", "-c", `cat /shared; echo ${id} >/shared; rm /etc/group; cat /shared; exec probe wait`],
    });
    uppers.push(overlay(c, lower, bundle.rootfs));
    const started = await c.createAndStart(bundle, [], { id });
    await c.printed(started, "ready");
    assert.equal(started.output(), `of the image\n${id}\nready\n`);
  }
  assert.equal(readFileSync(`${lower}/shared`, "utf8"), "of the image\n");
  assert.deepEqual(
    uppers.map((upper) => readFileSync(`${upper}/shared`, "utf8")),
    [`${c.id}\n`, `${second}\n`],
  );
  assert.ok(existsSync(`${lower}/etc/group`));
  for (const id of [c.id, second]) await c.ok(["delete", "-f", id]);
});

/** A bundle with a configuration that a manager wrote. */
function captured(c: Context, file: string): Bundle {
  const bundle = c.bundle();
  const userdata = c.folder("userdata");
  for (const name of ["hostname", "hosts", ".containerenv"]) writeFileSync(`${userdata}/${name}`, `${name}\n`);
  mkdirSync(`${userdata}/shm`, { mode: 0o1777 });
  const text = fixture(`config/${file}`).replaceAll("{rootfs}", bundle.rootfs).replaceAll("{userdata}", userdata).replaceAll("{id}", c.id);
  writeFileSync(`${bundle.directory}/config.json`, text);
  return bundle;
}

test("a configuration that podman wrote", async (c) => {
  const bundle = captured(c, "podman.json");
  const result = await c.run(bundle);
  assert.equal(result.status, 7, describe(result));
  assert.equal(result.stdout, "from podman\n");
  for (const file of ["etc/hosts", "run/.containerenv"]) assert.ok(statSync(`${bundle.rootfs}/${file}`).isFile(), file);
});

test("a configuration that podman wrote: its limits and mounts hold", async (c) => {
  const bundle = captured(c, "podman.json");
  const config = JSON.parse(readFileSync(`${bundle.directory}/config.json`, "utf8"));
  config.process.args = ["sh", "-c", "cat /etc/hostname; hostname; ulimit -n; echo x >/dev/shm/x; exec probe wait"];
  writeFileSync(`${bundle.directory}/config.json`, JSON.stringify(config));
  const started = await c.createAndStart(bundle);
  await c.printed(started, "ready");
  assert.equal(started.output(), "hostname\npod\n1024\nready\n");
  const { pid } = await c.state();
  const memory = hierarchyOf("memory")
    ? readCgroup(cgroupDirectory(pid, "memory"), "memory.limit_in_bytes")
    : readCgroup(cgroupDirectory(pid, ""), "memory.max");
  assert.equal(memory, "67108864");
  const shm = readdirSync(c.directory).find((name) => name.startsWith("userdata-")) ?? "";
  assert.deepEqual(readdirSync(`${c.directory}/${shm}/shm`), ["x"]);
});

test("a configuration that containerd wrote", async (c) => {
  const result = await c.run(captured(c, "containerd.json"));
  assert.equal(result.status, 5, describe(result));
  assert.equal(result.stdout, "hello\n");
});
