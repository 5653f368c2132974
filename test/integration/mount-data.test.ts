/**
 * Options and sources of file systems that are long or hold commas: mount(2) takes a page of options, fsconfig(2) 255 bytes in each.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { test } from "./harness/suite.js";
import { isTsrunc } from "./harness/environment.js";
import { setNamespace } from "./harness/config.js";
import { mountAt } from "./harness/mountinfo.js";
import { mountOnHost, mountsOf } from "./harness/mounting.js";
import type { Config, Mount } from "./harness/config.js";
import type { Context } from "./harness/context.js";
import type { MountRecord } from "./harness/mountinfo.js";

const mountOf = (type: string, options: string[], source = type): Mount => ({ destination: "/target", type, source, options });
const long = (character: string): string => character.repeat(150);

/** Folders on a file system that an overlay may have as its upper layer. Each holds one file, which is named after its place: f0, f1, ... */
function folders(c: Context, paths: readonly string[]): string[] {
  const disk = c.folder("disk");
  mountOnHost(c, "-t", "tmpfs", "-o", "mode=777", "tmpfs", disk);
  return paths.map((path, index) => {
    mkdirSync(`${disk}/${path}`, { recursive: true });
    writeFileSync(`${disk}/${path}/f${index}`, "");
    return `${disk}/${path}`;
  });
}

/** The same as lower layers, with an upper layer and its work folder. */
function layers(c: Context, paths: readonly string[]): { lowerdir: string; upper: string[]; upperFolder: string } {
  const [upper = "", work = "", ...lower] = folders(c, ["upper/u", "work/w", ...paths]);
  return { lowerdir: `lowerdir=${lower.map(escaped).join(":")}`, upper: [`upperdir=${upper}`, `workdir=${work}`], upperFolder: upper };
}

/** Whether the kernel has the options `lowerdir+` and `datadir+` (Linux 6.8). */
function takesSingleLayers(): boolean {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  return major > 6 || (major === 6 && minor >= 8);
}

/** A path with backslashes before what has a meaning in the options of an overlay. */
function escaped(path: string): string {
  return path.replace(/[,:\\]/g, (character) => `\\${character}`);
}

/** The files in /target of a container with this mount, after one more was made there. */
async function filesOf(c: Context, mount: Mount, config?: (config: Config) => void): Promise<string[]> {
  const seen = await c.shell("touch /target/made && ls /target", (of) => {
    of.mounts.push(mount);
    config?.(of);
  });
  return seen.split("\n").sort();
}

const filesOfLayers = (count: number): string[] => ["f0", ...[...Array(count).keys()].map((index) => `f${index + 2}`), "made"].sort();

test("an overlay takes five layers whose paths are long", async (c) => {
  const { lowerdir, upper, upperFolder } = layers(c, [..."abcde"].map(long));
  assert.ok(lowerdir.length > 750);
  assert.deepEqual(await filesOf(c, mountOf("overlay", [lowerdir, ...upper])), filesOfLayers(5));
  assert.equal(readFileSync(`${upperFolder}/made`, "utf8"), "");
});

test("an overlay takes its options in one string, however long", async (c) => {
  const { lowerdir, upper } = layers(c, [..."abcde"].map(long));
  assert.deepEqual(await filesOf(c, mountOf("overlay", [[...upper, lowerdir].join(",")])), filesOfLayers(5));
  const short = layers(c, ["a", "b"]);
  assert.deepEqual(await filesOf(c, mountOf("overlay", [[short.lowerdir, ...short.upper].join(",")])), filesOfLayers(2));
});

test("an overlay takes layers with commas, colons and backslashes in their paths", async (c) => {
  for (const tail of ["", long("x")]) {
    const { lowerdir, upper } = layers(c, [`a,b:c${tail}`, `d\\e${tail}`, `1,2${tail}`, `,${tail}:`]);
    assert.deepEqual(await filesOf(c, mountOf("overlay", [lowerdir, ...upper])), filesOfLayers(4));
    assert.deepEqual(await filesOf(c, mountOf("overlay", [[lowerdir, ...upper].join()])), filesOfLayers(4));
  }
});

test("an overlay takes a single layer and an upper layer whose paths are long", async (c) => {
  const deep = (name: string): string => `${long(name)}/${long(name)}`;
  const [upper = "", work = "", lower = ""] = folders(c, [deep("u"), deep("w"), deep("l")]);
  const options = [`lowerdir=${lower}`, `upperdir=${upper}`, `workdir=${work}`, "nosuid", "noatime"];
  assert.deepEqual(await filesOf(c, mountOf("overlay", options)), filesOfLayers(1));
  const mounts = await mountsOf(c, (config) => config.mounts.push(mountOf("overlay", [...options, "ro"])));
  assert.deepEqual(mountAt(mounts, "/target").options, ["ro", "nosuid", "noatime"]);
});

test("an overlay takes more layers than a page has room for, one by one", async (c) => {
  const { lowerdir, upper } = layers(
    c,
    [...Array(100).keys()].map((index) => `${index}${"x".repeat(100)}`),
  );
  const mount = mountOf("overlay", [lowerdir, ...upper]);
  if (takesSingleLayers()) return assert.deepEqual(await filesOf(c, mount), filesOfLayers(100));
  const bundle = c.bundle({ config: (config) => config.mounts.push(mount) });
  await c.fails(["create", "-b", bundle.directory, c.id], /hand options to mount\(2\): \d+ bytes, of which it takes 4095/);
});

test("an overlay with more layers than the kernel accepts is an error that says so", async (c) => {
  const { lowerdir, upper } = layers(
    c,
    [...Array(501).keys()].map((index) => `l${index}`),
  );
  const bundle = c.bundle({ config: (config) => config.mounts.push(mountOf("overlay", [lowerdir, ...upper])) });
  // A kernel without options for single layers is asked by mount(2), which does not come to count them.
  await c.fails(
    ["create", "-b", bundle.directory, c.id],
    isTsrunc ? (takesSingleLayers() ? /too many lower/ : /of which it takes 4095/) : /mount/,
  );
});

test("the container's root makes an overlay of layers whose paths are long in a user namespace", async (c) => {
  const options = folders(c, [..."abc"].map(long));
  const seen = await c.shell("ls /mnt; cut -d' ' -f5 /proc/self/mountinfo | grep -e '^/mnt$' -e '^/tmp$'", (config) => {
    config.mounts.push({ ...mountOf("overlay", [`lowerdir=${options.join(":")}`]), destination: "/mnt" });
    config.mounts.push({ ...mountOf("tmpfs", [], long("a") + long("b")), destination: "/tmp" });
    setNamespace(config, "user");
    config.linux.uidMappings = config.linux.gidMappings = [{ containerID: 0, hostID: 0, size: 65536 }];
  });
  assert.equal(seen, "f0\nf1\nf2\n/mnt\n/tmp");
});

/** What mountinfo says of /target, where nothing else of the runtime may be left. */
async function recordOf(c: Context, ...mounts: Mount[]): Promise<MountRecord> {
  const before = await mountsOf(c, () => undefined);
  const after = await mountsOf(c, (config) => config.mounts.push(...mounts));
  assert.deepEqual(
    after.map(({ target }) => target).filter((target) => target !== "/target"),
    before.map(({ target }) => target),
  );
  return mountAt(after, "/target");
}

test("a source may be long", async (c) => {
  const source = long("s") + long("t");
  const options = ["sync", "dirsync", "lazytime", "size=1m", "nodev", "noexec", "nodiratime", "strictatime"];
  const seen = await recordOf(c, mountOf("tmpfs", options, source));
  assert.deepEqual([seen.type, seen.source], ["tmpfs", source]);
  assert.deepEqual(seen.options.sort(), ["nodev", "nodiratime", "noexec", "rw"]);
  for (const option of ["sync", "dirsync", "lazytime", "size=1024k"])
    assert.ok(seen.superOptions.includes(option), seen.superOptions.join());
});

test("options in one string are those of the list", async (c) => {
  const seen = await recordOf(c, mountOf("tmpfs", ["nodev", "size=1m,mode=0710,,nr_inodes=100,", "noexec", "uid=5,gid=6"]));
  assert.deepEqual(seen.options, ["rw", "nodev", "noexec", "relatime"]);
  assert.deepEqual(seen.superOptions, ["rw", "size=1024k", "nr_inodes=100", "mode=710", "uid=5", "gid=6"]);
});

test("a value without a key is left out", async (c) => {
  for (const options of [["size=1m", "="], ["=x,size=1m,=,"]]) {
    const seen = await recordOf(c, mountOf("tmpfs", options));
    assert.ok(seen.superOptions.includes("size=1024k"), seen.superOptions.join());
  }
});

test("a list of memory nodes keeps its comma", async (c) => {
  for (const options of [["mpol=bind:0,0", "size=1m"], ["size=1m,mpol=bind:0,0,nr_inodes=100"]]) {
    const seen = await recordOf(c, mountOf("tmpfs", options));
    for (const option of ["mpol=bind:0", "size=1024k"]) assert.ok(seen.superOptions.includes(option), seen.superOptions.join());
  }
});

test("a remount takes options in one string, however long", async (c) => {
  for (const options of ["size=3m,nr_inodes=100", `size=3m,nr_inodes=100${",size=2m".repeat(100)}`, `mpol=bind:0,0,size=2m`]) {
    const seen = await recordOf(c, mountOf("tmpfs", ["size=1m", "nodev"]), mountOf("tmpfs", ["remount", "nosuid", "ro", options]));
    assert.deepEqual(seen.options, ["ro", "nosuid", "relatime"]);
    assert.ok(!seen.superOptions.includes("size=1024k"), seen.superOptions.join());
    assert.ok(seen.superOptions.includes(options.includes("mpol") ? "mpol=bind:0" : "nr_inodes=100"), seen.superOptions.join());
  }
});

test("an option that the file system refuses is named, also beside long ones", async (c) => {
  const { lowerdir } = layers(c, [..."abc"].map(long));
  for (const [mount, message] of [
    [mountOf("overlay", [`${lowerdir},nosuchoption=1`]), /set "nosuchoption=1": EINVAL.*Unknown parameter/],
    [mountOf("overlay", [`${lowerdir}:/no/such/layer`]), /ENOENT/],
    [mountOf("tmpfs", ["size=1m,nosuchflag"]), /set "nosuchflag": EINVAL.*Unknown parameter/],
  ] as const) {
    const bundle = c.bundle({ config: (config) => config.mounts.push(mount) });
    await c.fails(["create", "-b", bundle.directory, c.id], isTsrunc ? message : /invalid argument|no such file/);
  }
});
