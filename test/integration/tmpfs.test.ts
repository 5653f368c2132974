/**
 * File systems of type tmpfs: whose mode their top has (mount(8); runtime-spec, config.md#mounts).
 */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, symlinkSync } from "node:fs";
import { test } from "./harness/suite.js";
import { describe } from "./harness/execute.js";
import { setNamespace } from "./harness/config.js";
import type { BundleOptions, Context } from "./harness/context.js";
import type { Mount } from "./harness/config.js";

const tmpfs = (destination: string, ...options: string[]): Mount => ({ destination, type: "tmpfs", source: "tmpfs", options });

/** The modes of `paths` in a container with these mounts. */
async function modes(c: Context, paths: string[], mounts: Mount[], prepare: (rootfs: string) => void = () => undefined): Promise<string> {
  const options: BundleOptions = { args: ["stat", "-c", "%n %a", ...paths], config: (config) => config.mounts.push(...mounts) };
  const bundle = c.bundle(options);
  prepare(bundle.rootfs);
  const result = await c.run(bundle);
  assert.equal(result.status, 0, describe(result));
  return result.stdout.trim();
}

test("a tmpfs takes over the mode of the folder below it", async (c) => {
  const seen = await modes(c, ["/private", "/tmp", "/plain"], [tmpfs("/private"), tmpfs("/tmp"), tmpfs("/plain", "size=1m")], (rootfs) => {
    mkdirSync(`${rootfs}/private`, { mode: 0o710 });
    mkdirSync(`${rootfs}/plain`, { mode: 0o755 });
  });
  assert.equal(seen, "/private 710\n/tmp 1777\n/plain 755");
});

test("a tmpfs on a folder that is not there can be written to by everybody", async (c) => {
  const places = ["/new", "/new-parent/and/child", "/dev/deep/place", "/read-only", "/copied", "/nosuid"];
  const mounts = [tmpfs(places[0] ?? ""), tmpfs(places[1] ?? ""), tmpfs(places[2] ?? "", "size=64k"), tmpfs("/read-only", "ro")];
  const seen = await modes(c, places, [...mounts, tmpfs("/copied", "tmpcopyup"), tmpfs("/nosuid", "nosuid", "nr_inodes=100")]);
  assert.equal(seen, places.map((place) => `${place} 1777`).join("\n"));
});

test("a tmpfs where a link of the image leads nowhere yet can be written to by everybody", async (c) => {
  const seen = await modes(c, ["/link/", "/var/place"], [tmpfs("/link")], (rootfs) => symlinkSync("/var/place", `${rootfs}/link`));
  assert.equal(seen, "/link/ 1777\n/var/place 1777");
});

test("a plain user of a user namespace writes to a tmpfs on a folder that is not there", async (c) => {
  const seen = await c.shell("echo text >/new/file; cat /new/file; stat -c %a /new", (config) => {
    config.mounts.push(tmpfs("/new"));
    config.process.user = { uid: 1000, gid: 1000 };
    setNamespace(config, "user");
    config.linux.uidMappings = config.linux.gidMappings = [{ containerID: 0, hostID: 0, size: 65536 }];
  });
  assert.equal(seen, "text\n1777");
});

test("a second tmpfs takes over the mode of the first", async (c) => {
  assert.equal(await modes(c, ["/a", "/b"], [tmpfs("/a"), tmpfs("/a"), tmpfs("/b", "mode=700"), tmpfs("/b")]), "/a 1777\n/b 700");
});

test("the mode that a tmpfs is given counts, on a folder that is there and on one that is not", async (c) => {
  const seen = await modes(
    c,
    ["/there", "/new", "/one-string"],
    [tmpfs("/there", "mode=0711"), tmpfs("/new", "size=1m", "mode=750"), tmpfs("/one-string", "size=64k,mode=755,nr_inodes=100")],
    (rootfs) => {
      mkdirSync(`${rootfs}/there`);
      mkdirSync(`${rootfs}/one-string`);
      chmodSync(`${rootfs}/one-string`, 0o700);
    },
  );
  assert.equal(seen, "/there 711\n/new 750\n/one-string 755");
});
