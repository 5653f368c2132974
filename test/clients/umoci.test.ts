/**
 * Unpacks bundles from an image with Debian's umoci, and runs them with the runtime's own command line.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { describe } from "../integration/harness/execute.js";
import { test } from "../integration/harness/suite.js";
import { image, imageArchive } from "../integration/harness/image.js";
import { makeUser } from "./engine.js";
import type { Context } from "../integration/harness/context.js";
import type { Config } from "../integration/harness/config.js";

const umoci = "/usr/bin/umoci";

/** Makes an OCI image layout with the tests' image. Returns its name for umoci. */
function layout(c: Context): string {
  if (!existsSync(umoci)) c.skip(`${umoci} is missing: scripts/bootstrap clients`);
  const folder = `${c.directory}/image`;
  mkdirSync(folder);
  assert.equal(spawnSync("tar", ["-C", folder, "-xf", imageArchive(c)]).status, 0);
  rmSync(`${folder}/manifest.json`); // only for `docker load`
  return `${folder}:${image}`;
}

/** Unpacks the image as a bundle and changes its configuration. */
async function unpack(
  c: Context,
  change: (config: Config) => void,
  flags: readonly string[] = [],
): Promise<{ directory: string; rootfs: string }> {
  const directory = `${c.directory}/bundle`;
  const unpacked = await (await c.spawn(umoci, ["unpack", ...flags, "--image", layout(c), directory])).wait();
  assert.equal(unpacked.status, 0, describe(unpacked));
  const config = JSON.parse(readFileSync(`${directory}/config.json`, "utf8")) as Config;
  config.process.terminal = false;
  config.linux.cgroupsPath = `/${c.id}`;
  change(config);
  writeFileSync(`${directory}/config.json`, JSON.stringify(config));
  return { directory, rootfs: `${directory}/rootfs` };
}

test("run of a bundle from umoci unpack", async (c) => {
  const bundle = await unpack(c, (config) => (config.process.args = ["sh", "-c", "echo $FROM_IMAGE $(pwd) $(id -u); exit 23"]));
  const result = await c.run(bundle);
  assert.equal(result.stdout, "yes /home/worker 0\n", describe(result));
  assert.equal(result.status, 23);
});

test("exec in a bundle from umoci unpack", async (c) => {
  const bundle = await unpack(c, (config) => (config.process.args = ["probe", "wait"]));
  await c.createAndStart(bundle);
  const result = await c.runtime(["exec", c.id, "sh", "-c", "echo $FROM_IMAGE $(pwd); exit 23"]);
  assert.equal(result.stdout, "yes /home/worker\n", describe(result));
  assert.equal(result.status, 23);
});

test("what a container wrote is in the next layer of umoci repack", async (c) => {
  const bundle = await unpack(c, (config) => (config.process.args = ["sh", "-c", "echo kept >/home/file"]));
  assert.equal((await c.run(bundle)).status, 0);
  const repacked = await (await c.spawn(umoci, ["repack", "--image", `${c.directory}/image:next`, bundle.directory])).wait();
  assert.equal(repacked.status, 0, describe(repacked));
  const unpacked = await (await c.spawn(umoci, ["unpack", "--image", `${c.directory}/image:next`, `${c.directory}/next`])).wait();
  assert.equal(unpacked.status, 0, describe(unpacked));
  assert.equal(readFileSync(`${c.directory}/next/rootfs/home/file`, "utf8"), "kept\n");
});

test("run of a rootless bundle from umoci unpack by a plain user", async (c) => {
  makeUser("plain", 901);
  const archive = layout(c);
  const folders = [c.folder("home"), c.folder("run"), c.folder("unpacked")];
  assert.equal(spawnSync("chown", ["-R", "901:901", ...folders, archive.slice(0, archive.lastIndexOf("/image:") + 6)]).status, 0);
  const [home = "", run = "", unpacked = ""] = folders;
  const as = ["/usr/bin/setpriv", "--reuid", "901", "--regid", "901", "--clear-groups"];
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: home, XDG_RUNTIME_DIR: run };
  const [setpriv = "", ...flags] = as;
  const unpack = await (
    await c.spawn(setpriv, [...flags, umoci, "unpack", "--rootless", "--image", archive, `${unpacked}/bundle`], { env })
  ).wait();
  assert.equal(unpack.status, 0, describe(unpack));
  const config = JSON.parse(readFileSync(`${unpacked}/bundle/config.json`, "utf8")) as Config;
  config.process.terminal = false;
  config.process.args = ["sh", "-c", "echo $FROM_IMAGE $(id -u); exit 23"];
  writeFileSync(`${unpacked}/bundle/config.json`, JSON.stringify(config));
  const result = await (await c.spawn(setpriv, [...flags, c.program, "run", "--bundle", `${unpacked}/bundle`, c.id], { env })).wait();
  assert.equal(result.stdout, "yes 0\n", describe(result));
  assert.equal(result.status, 23);
});
