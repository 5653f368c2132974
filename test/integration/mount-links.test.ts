/**
 * Mount options of crun about symbolic links and owners: copy-symlink, src-nofollow, dest-nofollow, idmap=... (crun(1)). Debian's crun and runc
 * are too old for the first three.
 */
import assert from "node:assert/strict";
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { test } from "./harness/suite.js";
import { describe } from "./harness/execute.js";
import { mountOnHost } from "./harness/mounting.js";
import { base, mappedBundle } from "./harness/user-namespace.js";
import type { Config, Mount } from "./harness/config.js";
import type { Bundle, Context } from "./harness/context.js";

/** A bundle with a mount, with and without a user namespace: there the runtime makes the binds outside. */
const kinds: { kind: string; make: (c: Context, args: string[], mount: Mount) => Bundle }[] = [
  { kind: "", make: (c, args, mount) => c.bundle({ args, config: (config) => config.mounts.push(mount) }) },
  { kind: " in a user namespace", make: (c, args, mount) => mappedBundle(c, { args, config: (config) => config.mounts.push(mount) }) },
];

for (const { kind, make } of kinds) {
  test(`copy-symlink makes the link of the source and mounts nothing${kind}`, async (c) => {
    symlinkSync("../somewhere/else", `${c.directory}/link`);
    const options = ["bind", "copy-symlink", "ro"];
    const bundle = make(c, ["sh", "-c", "readlink /etc/new/link; grep -c /etc/new /proc/self/mountinfo"], {
      destination: "/etc/new/link",
      source: `${c.directory}/link`,
      options,
    });
    const result = await c.run(bundle);
    assert.equal(result.stdout, "../somewhere/else\n0\n", describe(result));
    // The link that is there now says the same.
    assert.equal((await c.runtime(["run", "-b", bundle.directory, c.otherId("again")])).stdout, result.stdout);
  });

  test(`copy-symlink binds a source that is no link${kind}`, async (c) => {
    const source = c.file("source", "content\n");
    const bundle = make(c, ["cat", "/etc/file"], { destination: "/etc/file", source, options: ["bind", "copy-symlink"] });
    const result = await c.run(bundle);
    assert.equal(result.stdout, "content\n", describe(result));
  });

  test(`src-nofollow binds the link itself${kind}`, async (c) => {
    symlinkSync("/etc/group", `${c.directory}/link`);
    const bundle = make(c, ["sh", "-c", "readlink /etc/file; head -n 1 /etc/file"], {
      destination: "/etc/file",
      source: `${c.directory}/link`,
      options: ["bind", "src-nofollow"],
    });
    const result = await c.run(bundle);
    assert.equal(result.stdout, "/etc/group\nroot:x:0:\n", describe(result));
    assert.ok(lstatSync(`${bundle.rootfs}/etc/file`).isFile(), "the mount point is an empty file");
  });

  test(`dest-nofollow mounts on a link of the image, not on what it leads to${kind}`, async (c) => {
    const source = c.file("source", "mounted\n");
    const bundle = make(c, ["sh", "-c", "cat /etc/link; head -n 1 /etc/group"], {
      destination: "/etc/link",
      source,
      options: ["bind", "dest-nofollow"],
    });
    symlinkSync("group", `${bundle.rootfs}/etc/link`);
    const result = await c.run(bundle);
    assert.equal(result.stdout, "mounted\nroot:x:0:\n", describe(result));
    assert.equal(readlinkSync(`${bundle.rootfs}/etc/link`), "group");
  });
}

test("src-nofollow and dest-nofollow together put one link over another", async (c) => {
  symlinkSync("passwd", `${c.directory}/link`);
  const options = ["bind", "src-nofollow", "dest-nofollow"];
  const bundle = c.bundle({
    args: ["sh", "-c", "readlink /etc/link; head -n 1 /etc/link"],
    config: (config) => config.mounts.push({ destination: "/etc/link", source: `${c.directory}/link`, options }),
  });
  symlinkSync("group", `${bundle.rootfs}/etc/link`);
  const result = await c.run(bundle);
  assert.equal(result.stdout, "passwd\nroot:x:0:0:root:/root:/bin/sh\n", describe(result));
});

test("dest-nofollow makes what is missing, and follows links on the way", async (c) => {
  const source = c.folder("source");
  writeFileSync(`${source}/file`, "seen\n");
  const bundle = c.bundle({
    args: ["cat", "/etc/real/sub/file"],
    config: (config) => config.mounts.push({ destination: "/etc/alias/sub", source, options: ["bind", "dest-nofollow"] }),
  });
  mkdirSync(`${bundle.rootfs}/etc/real`);
  symlinkSync("/etc/real", `${bundle.rootfs}/etc/alias`);
  const result = await c.run(bundle);
  assert.equal(result.stdout, "seen\n", describe(result));
});

test("a destination with dest-nofollow does not leave the rootfs through a link on the way, nor reach /proc", async (c) => {
  const outside = c.folder("outside");
  const source = c.file("source", "");
  const bundle = c.bundle({
    args: ["true"],
    config: (config) => config.mounts.push({ destination: "/etc/way/file", source, options: ["bind", "dest-nofollow"] }),
  });
  symlinkSync(`../../..${outside}`, `${bundle.rootfs}/etc/way`);
  const result = await c.run(bundle);
  assert.equal(result.status, 0, describe(result));
  assert.ok(!existsSync(`${outside}/file`));
  assert.ok(existsSync(`${bundle.rootfs}${outside}/file`));
  const other = c.bundle({
    args: ["true"],
    config: (config) => config.mounts.push({ destination: "/etc/way/uptime", source, options: ["bind", "dest-nofollow"] }),
  });
  symlinkSync("/proc", `${other.rootfs}/etc/way`);
  await c.fails(["create", "-b", other.directory, c.otherId("proc")], /open "\/etc\/way\/uptime" in the rootfs: it leads into \/proc/);
});

test("a link that is copied and says something else than the one of the image is an error", async (c) => {
  symlinkSync("new", `${c.directory}/link`);
  const bundle = c.bundle({
    args: ["true"],
    config: (config) => config.mounts.push({ destination: "/etc/link", source: `${c.directory}/link`, options: ["rbind", "copy-symlink"] }),
  });
  symlinkSync("old", `${bundle.rootfs}/etc/link`);
  await c.fails(["create", "-b", bundle.directory, c.id], /a symbolic link to "old" is there/);
  assert.equal(readlinkSync(`${bundle.rootfs}/etc/link`), "old");
});

test("a copied link leads where it says in the container, for the mounts after it too", async (c) => {
  symlinkSync("/etc/real", `${c.directory}/link`);
  const source = c.file("source", "through the link\n");
  const bundle = c.bundle({
    args: ["cat", "/etc/real/file"],
    config: (config) => {
      config.mounts.push({ destination: "/etc/link", source: `${c.directory}/link`, options: ["bind", "copy-symlink"] });
      config.mounts.push({ destination: "/etc/link/file", source, options: ["bind"] });
    },
  });
  const result = await c.run(bundle);
  assert.equal(result.stdout, "through the link\n", describe(result));
});

const owners = ["sh", "-c", "stat -c %u:%g /target/root /target/other"];

/** A folder with files of root and of 1000:1000. */
function ownedFolder(c: Context): string {
  const source = c.folder("source");
  chmodSync(source, 0o755);
  for (const name of ["root", "other"]) writeFileSync(`${source}/${name}`, "");
  chownSync(`${source}/other`, 1000, 1000);
  return source;
}

function withTarget(source: string, ...options: string[]): (config: Config) => void {
  return (config) => config.mounts.push({ destination: "/target", type: "bind", source, options });
}

test("idmap with mappings of its own shows the files by them", async (c) => {
  const source = ownedFolder(c);
  const option = "idmap=uids=0-1000-10#1000-5-10;gids=0-2000-10#1000-7-1";
  assert.equal((await c.run(c.bundle({ args: owners, config: withTarget(source, "bind", option) }))).stdout, "1000:2000\n5:7\n");
});

test("idmap with @ means ids of the container", async (c) => {
  const source = ownedFolder(c);
  // One range by ids of the container, one by those of the host.
  const option = `idmap=uids=@0-3-1#@1000-1000-1;gids=@0-0-1#1000-${base + 8}-1`;
  const result = await c.run(mappedBundle(c, { args: owners, config: withTarget(source, "bind", option) }));
  assert.equal(result.stdout, "3:0\n1000:8\n", describe(result));
});

test("ridmap with mappings maps the mounts below too, idmap the top alone", async (c) => {
  const source = c.folder("source");
  mkdirSync(`${source}/sub`);
  mountOnHost(c, "-t", "tmpfs", "-o", "mode=755", "tmpfs", `${source}/sub`);
  chmodSync(source, 0o755);
  for (const file of ["root", "sub/file"]) writeFileSync(`${source}/${file}`, "");
  const seen = async (option: string): Promise<string> => {
    const bundle = c.bundle({
      args: ["stat", "-c", "%u", "/target/root", "/target/sub/file"],
      config: withTarget(source, "rbind", option),
    });
    return (await c.runtime(["run", "-b", bundle.directory, c.otherId(option.slice(0, 5))])).stdout;
  };
  assert.equal(await seen("idmap=uids=0-1000-1;gids=0-1000-1"), "1000\n0\n");
  assert.equal(await seen("ridmap=uids=0-1000-1;gids=0-1000-1"), "1000\n1000\n");
});

test("features names the options about links and owners", async (c) => {
  const features = JSON.parse((await c.runtime(["features"])).stdout) as { mountOptions: string[] };
  for (const name of ["copy-symlink", "src-nofollow", "dest-nofollow", "idmap", "ridmap"])
    assert.ok(features.mountOptions.includes(name), name);
});
