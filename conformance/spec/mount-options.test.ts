/**
 * config.md, Linux mount options: each option that a runtime must support has its effect according to mount(8).
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { configRefused } from "./black-box.js";
import { sentence } from "./sentence.js";
import { mountOnHost, mountsOf } from "../../test/integration/harness/mounting.js";
import { mountAt } from "../../test/integration/harness/mountinfo.js";
import type { Context } from "../../test/integration/harness/context.js";
import type { Mount } from "../../test/integration/harness/config.js";
import type { MountRecord } from "../../test/integration/harness/mountinfo.js";

const section = "config.md > Linux mount options";

/** The mount at `/mnt` in a container with these additional mounts. */
async function mounted(c: Context, ...mounts: Mount[]): Promise<MountRecord> {
  return mountAt(await mountsOf(c, (spec) => spec.mounts.push(...mounts)), "/mnt");
}

const tmpfs = (...options: string[]): Mount => ({ destination: "/mnt", type: "tmpfs", source: "tmpfs", options });

type Check = (c: Context) => Promise<void>;

/** The option sets `flag` on the mount, or on its file system. */
const sets =
  (option: string, flag = option): Check =>
  async (c) => {
    const { options, superOptions } = await mounted(c, tmpfs(option));
    assert.ok([...options, ...superOptions].includes(flag), `${flag} in ${options.join(",")} ${superOptions.join(",")}`);
  };

/** The option clears a flag that an earlier option sets. */
const clears =
  (option: string, earlier: string, flag = earlier): Check =>
  async (c) => {
    const { options, superOptions } = await mounted(c, tmpfs(earlier, option));
    assert.ok(![...options, ...superOptions].includes(flag), `no ${flag} in ${options.join(",")} ${superOptions.join(",")}`);
  };

/** The runtime accepts the option. The kernel does not show it, but a runtime that passes it on as file system data fails. */
const accepts =
  (option: string): Check =>
  async (c) => {
    assert.equal((await mounted(c, tmpfs(option))).type, "tmpfs");
  };

/** Makes a shared mount on the host with another mount below it, as the source of binds. */
function tree(c: Context): string {
  const top = c.folder("tree");
  mountOnHost(c, "-t", "tmpfs", "tree", top);
  mkdirSync(`${top}/below`);
  mountOnHost(c, "-t", "tmpfs", "below", `${top}/below`);
  assert.equal(spawnSync("mount", ["--make-rshared", top]).status, 0);
  return top;
}

/** The propagation of a recursive bind with the option: of the mounts at /mnt and below. */
async function propagation(c: Context, option: string): Promise<Record<string, string>> {
  const mounts = await mountsOf(c, (spec) => {
    // Managers set this too. Without it, a runtime may make all mounts of the container private.
    if (option.endsWith("shared")) spec.linux.rootfsPropagation = "shared";
    if (option.endsWith("slave")) spec.linux.rootfsPropagation = "slave";
    spec.mounts.push({ destination: "/mnt", source: tree(c), options: ["rbind", option] });
  });
  const word = ({ propagation: fields }: MountRecord): string => {
    const kinds = fields.map((field) => field.split(":")[0] ?? "").filter((kind) => kind !== "propagate_from");
    return kinds.join(" ") || "private";
  };
  return { top: word(mountAt(mounts, "/mnt")), below: word(mountAt(mounts, "/mnt/below")) };
}

const propagates =
  (option: string, top: string, below?: string): Check =>
  async (c) => {
    const found = await propagation(c, option);
    assert.equal(found["top"], top);
    if (below !== undefined) assert.equal(found["below"], below);
  };

const relatime: Check = async (c) => {
  // The default of every mount.
  const { options } = await mounted(c, tmpfs("strictatime", "relatime"));
  assert.ok(options.includes("relatime"), options.join(","));
};

const checks: Record<string, Check> = {
  async: clears("async", "sync"),
  atime: clears("atime", "noatime"),
  bind: async (c) => {
    const mounts = await mountsOf(c, (spec) => spec.mounts.push({ destination: "/mnt", source: tree(c), options: ["bind"] }));
    assert.equal(mountAt(mounts, "/mnt").source, "tree");
    assert.equal(
      mounts.find(({ target }) => target === "/mnt/below"),
      undefined,
    );
  },
  defaults: async (c) => {
    const { options } = await mounted(c, tmpfs("defaults"));
    assert.deepEqual(options.toSorted(), ["relatime", "rw"]);
  },
  dev: clears("dev", "nodev"),
  diratime: clears("diratime", "nodiratime"),
  dirsync: sets("dirsync"),
  exec: clears("exec", "noexec"),
  iversion: accepts("iversion"),
  lazytime: sets("lazytime"),
  loud: accepts("loud"),
  noatime: sets("noatime"),
  nodev: sets("nodev"),
  nodiratime: sets("nodiratime"),
  noexec: sets("noexec"),
  noiversion: accepts("noiversion"),
  nolazytime: clears("nolazytime", "lazytime"),
  norelatime: accepts("norelatime"),
  nostrictatime: accepts("nostrictatime"),
  nosuid: sets("nosuid"),
  private: propagates("private", "private"),
  rbind: async (c) => {
    const mounts = await mountsOf(c, (spec) => spec.mounts.push({ destination: "/mnt", source: tree(c), options: ["rbind"] }));
    assert.equal(mountAt(mounts, "/mnt/below").source, "below");
  },
  relatime,
  remount: async (c) => {
    const { options } = await mounted(c, tmpfs("rw"), { ...tmpfs("remount", "ro"), source: "tmpfs" });
    assert.ok(options.includes("ro"), options.join(","));
  },
  ro: sets("ro"),
  rprivate: propagates("rprivate", "private", "private"),
  rshared: async (c) => {
    for (const word of Object.values(await propagation(c, "rshared"))) assert.match(word, /^shared/);
  },
  rslave: propagates("rslave", "master", "master"),
  runbindable: propagates("runbindable", "unbindable", "unbindable"),
  rw: clears("rw", "ro"),
  shared: async (c) => assert.match((await propagation(c, "shared"))["top"] ?? "", /^shared/),
  silent: accepts("silent"),
  slave: propagates("slave", "master"),
  strictatime: async (c) => {
    const { options } = await mounted(c, tmpfs("strictatime"));
    assert.ok(!options.includes("relatime") && !options.includes("noatime"), options.join(","));
  },
  suid: clears("suid", "nosuid"),
  sync: sets("sync"),
  unbindable: propagates("unbindable", "unbindable"),
};
// The specification's table and the checks are both in alphabetical order. The first row is the second sentence of the section.
for (const [index, [option, check]] of Object.entries(checks).entries()) {
  sentence({ [section]: [index + 2] }, `the mount option ${option} has its effect`, check);
}

sentence({ [section]: [1, 47] }, "the options of mount(8) are flags and no data of a file system", async (c) => {
  // procfs refuses such data, so passing an option on as data would fail.
  const options = ["ro", "nosuid", "nodev", "noexec", "noatime", "sync", "silent", "loud", "norelatime"];
  const record = await mounted(c, { destination: "/mnt", type: "proc", source: "proc", options });
  for (const option of options.slice(0, 5)) assert.ok(record.options.includes(option), option);
});

for (const [option, bind, first] of [
  ["idmap", "bind", 39],
  ["ridmap", "rbind", 43],
] as const) {
  const source = (c: Context): Pick<Mount, "source" | "destination"> => ({ source: c.directory, destination: "/mnt" });

  sentence({ [section]: [first, first + 1] }, `${option} shows the files as the mappings of the mount say`, async (c) => {
    const mappings = [{ containerID: 0, hostID: 4711, size: 1 }];
    const line = await c.shell("stat -c %u:%g /mnt", (spec) =>
      spec.mounts.push({ ...source(c), options: [bind, option], uidMappings: mappings, gidMappings: mappings }),
    );
    assert.equal(line, "4711:4711");
  });

  sentence({ [section]: [first + 2, first + 3] }, `${option} without mappings and without a user namespace is refused`, async (c) => {
    await configRefused(c, (spec) => spec.mounts.push({ ...source(c), options: [bind, option] }));
  });
}
