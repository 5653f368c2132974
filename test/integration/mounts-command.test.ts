/**
 * `mounts add` and `mounts remove`: the mounts of a container change while it runs (crun's command).
 */
import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { test } from "./harness/suite.js";
import { describe } from "./harness/execute.js";
import { statusesInside } from "./harness/inside.js";
import { parseMountinfo } from "./harness/mountinfo.js";
import { mappedBundle } from "./harness/user-namespace.js";
import type { Bundle, Context } from "./harness/context.js";
import type { Mount } from "./harness/config.js";

const kinds: { kind: string; make: (c: Context) => Bundle }[] = [
  { kind: "", make: (c) => c.bundle({}) },
  { kind: " in a user namespace", make: (c) => mappedBundle(c, {}) },
];

async function change(c: Context, verb: "add" | "remove", mounts: Mount[]): Promise<{ status: number | null; stderr: string }> {
  return c.runtime(["mounts", verb, c.id, c.file("mounts.json", JSON.stringify(mounts))]);
}

/** What the container has mounted below /mnt. */
async function seen(c: Context): Promise<{ target: string; type: string; options: string[] }[]> {
  const { pid } = await c.state();
  return parseMountinfo(readFileSync(`/proc/${pid}/mountinfo`, "utf8")).filter(({ target }) => target.startsWith("/mnt"));
}

test("who changes the mounts has all privilege, and is never seen in the container", async (c) => {
  await c.createAndStart(c.bundle());
  const { pid } = await c.state();
  const namespace = readlinkSync(`/proc/${pid}/ns/pid`);
  const mounts = Array.from({ length: 100 }, (_, number) => ({ destination: `/mnt/${number}`, type: "tmpfs", source: "tmpfs" }));
  const file = c.file("mounts.json", JSON.stringify(mounts));
  for (const verb of ["add", "remove"]) {
    const started = await c.startRuntime(["mounts", verb, c.id, file]);
    const end = started.wait();
    const watch = { ended: false };
    void end.finally(() => (watch.ended = true));
    while (!watch.ended) {
      assert.deepEqual(statusesInside(namespace, pid), []);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const result = await end;
    assert.equal(result.status, 0, describe(result));
  }
  assert.deepEqual(await seen(c), []);
});

for (const { kind, make } of kinds) {
  test(`mounts are added to a container that runs, and removed again${kind}`, async (c) => {
    const source = c.folder("source");
    writeFileSync(`${source}/file`, "from the host\n");
    await c.createAndStart(make(c));
    const mounts: Mount[] = [
      { destination: "/mnt/bind", source, options: ["bind", "ro"] },
      { destination: "/mnt/tmpfs", type: "tmpfs", source: "tmpfs", options: ["nosuid", "size=1m"] },
      { destination: "/mnt/bind-of-file", source: c.file("one", "a file\n"), options: ["bind"] },
      { destination: "/mnt/tmpfs/proc", type: "proc", source: "proc" },
    ];
    const added = await change(c, "add", mounts);
    assert.equal(added.status, 0, added.stderr);
    const { pid } = await c.state();
    assert.deepEqual(
      (await seen(c)).map(({ target, type }) => `${target} ${type === "ext4" ? "bind" : type}`).filter((line) => !line.includes("bind")),
      ["/mnt/tmpfs tmpfs", "/mnt/tmpfs/proc proc"],
    );
    assert.equal(readFileSync(`/proc/${pid}/root/mnt/bind/file`, "utf8"), "from the host\n");
    assert.equal(readFileSync(`/proc/${pid}/root/mnt/bind-of-file`, "utf8"), "a file\n");
    assert.match(readFileSync(`/proc/${pid}/root/mnt/tmpfs/proc/1/status`, "utf8"), /^Name:\tprobe$/m);
    assert.throws(() => writeFileSync(`/proc/${pid}/root/mnt/bind/new`, ""), /EROFS/);
    const removed = await change(c, "remove", mounts.toReversed());
    assert.equal(removed.status, 0, removed.stderr);
    assert.deepEqual(await seen(c), []);
  });

  test(`when one mount fails, none is added${kind}`, async (c) => {
    await c.createAndStart(make(c));
    const failed = await change(c, "add", [
      { destination: "/mnt/a", type: "tmpfs", source: "tmpfs" },
      { destination: "/mnt/file", source: c.file("one", ""), options: ["bind"] },
      { destination: "/mnt/a/below", type: "tmpfs", source: "tmpfs" },
      { destination: "/mnt/c", type: "tmpfs", source: "tmpfs", options: ["nosuchoption=1"] },
    ]);
    assert.equal(failed.status, 1);
    assert.match(failed.stderr, /mount "tmpfs" on "\/mnt\/c" \(\/3\): set "nosuchoption=1": EINVAL/);
    assert.deepEqual(await seen(c), []);
  });
}

test("when one cannot be removed, all stay", async (c) => {
  await c.createAndStart(c.bundle({}));
  const mounts: Mount[] = [{ destination: "/mnt/a", type: "tmpfs", source: "tmpfs" }];
  assert.equal((await change(c, "add", mounts)).status, 0);
  const failed = await change(c, "remove", [...mounts, { destination: "/tmp", type: "tmpfs" }]);
  assert.equal(failed.status, 1);
  assert.match(failed.stderr, /unmount "\/tmp" \(\/1\): nothing is mounted there/);
  assert.deepEqual(
    (await seen(c)).map(({ target }) => target),
    ["/mnt/a"],
  );
});

test("what was unmounted before one fails is mounted again, with its files, its flags and what is below it", async (c) => {
  await c.createAndStart(c.bundle({}));
  const mounts: Mount[] = [
    { destination: "/mnt/a", type: "tmpfs", source: "tmpfs", options: ["nosuid", "noexec"] },
    { destination: "/mnt/a/below", type: "tmpfs", source: "tmpfs" },
    { destination: "/mnt/b", type: "tmpfs", source: "tmpfs" },
  ];
  assert.equal((await change(c, "add", mounts)).status, 0);
  const { pid } = await c.state();
  const files = ["a/file", "a/below/file"].map((file) => `/proc/${pid}/root/mnt/${file}`);
  for (const file of files) writeFileSync(file, "kept\n");
  const before = await seen(c);
  // Of two mounts at one place there is only one: that is seen when the others are unmounted already.
  const failed = await change(c, "remove", [...mounts, { destination: "/mnt/b", type: "tmpfs" }]);
  assert.equal(failed.stderr, `mounts remove "${c.id}": unmount "/mnt/b" (/3): nothing is mounted there\n`);
  const inOrder = (list: typeof before): typeof before => list.toSorted((a, b) => (a.target < b.target ? -1 : 1));
  assert.deepEqual(inOrder(await seen(c)), inOrder(before));
  for (const file of files) assert.equal(readFileSync(file, "utf8"), "kept\n");
});

test("mounts on each other are removed in the order of the file that added them, one for each line", async (c) => {
  await c.createAndStart(c.bundle({}));
  const mounts: Mount[] = ["/mnt", "/mnt/a", "/mnt/a", "/mnt/a/below"].map((destination) => ({
    destination,
    type: "tmpfs",
    source: "tmpfs",
  }));
  assert.equal((await change(c, "add", mounts)).status, 0);
  assert.equal((await seen(c)).length, 4);
  const removed = await change(c, "remove", mounts);
  assert.equal(removed.status, 0, removed.stderr);
  assert.deepEqual(await seen(c), []);
});

test("what a mount asks for and cannot have is a warning, and a destination may be relative to the root", async (c) => {
  await c.createAndStart(c.bundle({}));
  const result = await change(c, "add", [{ destination: "mnt/new", source: "/etc", options: ["bind", "nosuidd"] }]);
  const file = `${c.directory}/mounts.json`;
  const warnings = [
    `warning: ${file}: /0/destination: "mnt/new" is taken as relative to "/": a destination should be an absolute path`,
    `warning: ${file}: /0/options/1: "nosuidd" is left out: a bind mount has no data; did you mean "nosuid"?`,
  ];
  assert.deepEqual(result, { ...result, status: 0, stderr: `${warnings.join("\n")}\n` });
  assert.deepEqual(
    (await seen(c)).map(({ target }) => target),
    ["/mnt/new"],
  );
  assert.equal((await c.runtime(["mounts", "remove", c.id, c.file("only.json", '[{"destination":"mnt/new"}]')])).status, 0);
  assert.deepEqual(await seen(c), []);
});

test("idmap=@ of a mount that is added means ids of the container", async (c) => {
  const source = c.folder("source");
  writeFileSync(`${source}/file`, "");
  chmodSync(source, 0o755);
  await c.createAndStart(mappedBundle(c, {}));
  const added = await change(c, "add", [{ destination: "/mnt/new", source, options: ["bind", "idmap=uids=@0-3-10;gids=@0-5-10"] }]);
  assert.equal(added.status, 0, added.stderr);
  const { stdout } = await c.ok(["exec", c.id, "stat", "-c", "%u:%g", "/mnt/new/file"]);
  assert.equal(stdout, "3:5\n");
});

test("a destination stays in the container, whatever its links say, and a source is the host's", async (c) => {
  const source = c.folder("source");
  writeFileSync(`${source}/file`, "the host's\n");
  const bundle = c.bundle({});
  symlinkSync(`../../../..${c.directory}`, `${bundle.rootfs}/mnt`);
  await c.createAndStart(bundle);
  const added = await change(c, "add", [{ destination: "/mnt/new", source, options: ["bind"] }]);
  assert.equal(added.status, 0, added.stderr);
  assert.ok(!existsSync(`${c.directory}/new`));
  const { pid } = await c.state();
  assert.equal(readFileSync(`/proc/${pid}/root${c.directory}/new/file`, "utf8"), "the host's\n");
});

test("a container that has stopped, or is paused, gets no mounts", async (c) => {
  const mounts: Mount[] = [{ destination: "/mnt", type: "tmpfs", source: "tmpfs" }];
  await c.createAndStart(c.bundle({}));
  const paused = await c.runtime(["pause", c.id]);
  assert.equal(paused.status, 0, describe(paused));
  assert.match((await change(c, "add", mounts)).stderr, /cannot change the mounts of a paused container/);
  assert.equal((await c.runtime(["resume", c.id])).status, 0);
  assert.equal((await c.runtime(["kill", c.id, "KILL"])).status, 0);
  await c.status("stopped");
  assert.match((await change(c, "add", mounts)).stderr, /container not running/);
});

test("a file of mounts is checked as config.json is, with its own pointers", async (c) => {
  await c.createAndStart(c.bundle({}));
  const faults = await change(c, "add", [
    { destination: "/", type: "tmpfs" },
    { destination: "/mnt", source: "/etc", options: ["bind", "idmap"] },
  ]);
  assert.match(
    faults.stderr,
    /mounts\.json: 2 faults:\n {2}\/0\/destination: found "\/", allowed: a path below \/\n {2}\/1\/options\/1: found "idmap"/,
  );
});
