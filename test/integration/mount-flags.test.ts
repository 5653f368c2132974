/**
 * The flags of a bind mount, by those of its source and its options. As with mount(2) a bind that names any flag has those that it names
 * and none of its source's; the access times alone stay until one of their options is set. Flags that a user namespace locks stay.
 */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { test } from "./harness/suite.js";
import { isTsrunc } from "./harness/environment.js";
import { setNamespace } from "./harness/config.js";
import { mountAt } from "./harness/mountinfo.js";
import { mountOnHost, mountsOf } from "./harness/mounting.js";
import type { Config, Mount } from "./harness/config.js";
import type { Context } from "./harness/context.js";

/** A mount of the host with these flags, and another one in its folder "sub". */
function sourceWith(c: Context, flags: string): string {
  const source = c.folder("source");
  mountOnHost(c, "-t", "tmpfs", "-o", "mode=755", "tmpfs", source);
  mkdirSync(`${source}/sub`);
  mountOnHost(c, "-t", "tmpfs", "-o", "mode=755", "tmpfs", `${source}/sub`);
  for (const folder of [source, `${source}/sub`]) assert.equal(spawnSync("mount", ["-o", `remount,bind,${flags}`, folder]).status, 0);
  return source;
}

/** One of a table: options of a bind, and the flags in mountinfo that come of them. */
type Row = readonly [options: string, flags: string];

const placeOf = (index: number): string => `/mnt/${index}`;

/** Binds `source` once for each row; all places are made in a tmpfs. */
function bindsOf(source: string, rows: readonly Row[]): Mount[] {
  const binds = rows.map(([options], index): Mount => {
    return {
      destination: placeOf(index),
      type: "bind",
      source,
      options: ["rbind", ...options.split(",").filter((option) => option !== "")],
    };
  });
  return [{ destination: "/mnt", type: "tmpfs", source: "tmpfs" }, ...binds];
}

/** Compares the flags that mountinfo shows with the tables, which are by the flags of the source. */
async function check(
  c: Context,
  tables: { readonly [flags: string]: readonly Row[] },
  config?: (config: Config) => void,
  below = "",
): Promise<void> {
  for (const [flags, rows] of Object.entries(tables)) {
    const mounts = await mountsOf(c, (of) => {
      of.mounts.push(...bindsOf(sourceWith(c, flags), rows));
      config?.(of);
    });
    const seen = rows.map(([options], index) => `${flags} + ${options}: ${mountAt(mounts, placeOf(index) + below).options.join()}`);
    assert.deepEqual(
      seen,
      rows.map(([options, expected]) => `${flags} + ${options}: ${expected}`),
    );
  }
}

test("a bind that names a flag has none of its source's others", async (c) => {
  await check(c, {
    "nosuid,nodev,noexec,relatime": [
      ["ro", "ro,relatime"],
      ["nosuid", "rw,nosuid,relatime"],
      ["nosuid,nodev", "rw,nosuid,nodev,relatime"],
      ["noexec,ro", "ro,noexec,relatime"],
      ["noatime", "rw,noatime"],
      ["relatime", "rw,relatime"],
      ["sync", "rw,relatime"],
      ["ro,exec", "ro,relatime"],
    ],
    "ro,relatime": [
      ["nosuid,nodev", "rw,nosuid,nodev,relatime"],
      ["noatime", "rw,noatime"],
      ["ro", "ro,relatime"],
      ["dirsync", "rw,relatime"],
    ],
    "nosymfollow,relatime": [
      ["nosuid", "rw,nosuid,relatime"],
      ["ro", "ro,relatime"],
    ],
  });
});

test("a bind that names no flag has those of its source", async (c) => {
  const of = (flags: string): Row[] => ["", "rprivate", "rshared", "defaults"].map((options) => [options, flags] as const);
  await check(c, {
    "ro,nosuid,nodev,noexec,noatime,nodiratime": of("ro,nosuid,nodev,noexec,noatime,nodiratime"),
    strictatime: of("rw"),
    "relatime,nosymfollow": of("rw,relatime,nosymfollow"),
  });
});

test("a bind has the access times of its source until one of their options is set", async (c) => {
  await check(c, {
    noatime: [
      ["ro,dev,exec,suid,atime", "ro,noatime"],
      ["nosuid", "rw,nosuid,noatime"],
      ["nosuid,norelatime,nostrictatime,diratime", "rw,nosuid,noatime"],
      ["relatime", "rw,relatime"],
      ["strictatime", "rw"],
      ["nodiratime", "rw,nodiratime,relatime"],
    ],
    "noatime,nodiratime": [
      ["ro,diratime", "ro,noatime,nodiratime"],
      ["noatime", "rw,noatime"],
      ["relatime", "rw,relatime"],
      ["nodiratime,noatime", "rw,noatime,nodiratime"],
    ],
    strictatime: [
      ["ro,atime", "ro"],
      ["nodiratime", "rw,nodiratime,relatime"],
      ["nodiratime,strictatime", "rw,nodiratime"],
    ],
  });
});

test("a bind that only clears flags has none of its source's", async (c) => {
  const clearing = ["rw", "dev", "dev,exec,suid,atime", "symfollow", "norelatime", "diratime", "async"];
  await check(c, {
    "ro,nosuid,nodev,noexec,noatime": clearing.map((options): Row => [options, "rw,noatime"]),
    "nosuid,nodev,relatime": clearing.map((options): Row => [options, "rw,relatime"]),
  });
});

test("a recursive option changes what it names, here and below", async (c) => {
  const tables = {
    "nosuid,nodev,noexec,noatime": [
      ["rro", "ro,nosuid,nodev,noexec,noatime"],
      ["rexec,rsuid", "rw,nodev,noatime"],
      ["rrelatime", "rw,nosuid,nodev,noexec,relatime"],
      ["rnodiratime", "rw,nosuid,nodev,noexec,noatime,nodiratime"],
    ],
    "ro,nodev,strictatime": [
      ["rrw", "rw,nodev"],
      ["rnosuid,rnoatime", "ro,nosuid,nodev,noatime"],
    ],
  } as const;
  await check(c, tables);
  await check(c, tables, undefined, "/sub");
});

test("a recursive option beside a plain one changes the top after it", async (c) => {
  const flags = "nosuid,nodev,noexec,relatime";
  await check(c, { [flags]: [["ro,rnoexec", "ro,noexec,relatime"]] });
  await check(c, { [flags]: [["ro,rnoexec", "rw,nosuid,nodev,noexec,relatime"]] }, undefined, "/sub");
});

test("a remount has the flags that it names, and the access times of before until one of their options is set", async (c) => {
  for (const [options, flags] of [
    ["remount", "rw,noatime"],
    ["remount,bind,ro", "ro,noatime"],
    ["remount,nosuid,atime", "rw,nosuid,noatime"],
    ["remount,bind,nodiratime", "rw,nodiratime,relatime"],
    ["remount,bind,relatime,noexec", "rw,noexec,relatime"],
  ] as const) {
    const mounts = await mountsOf(c, (config) => {
      config.mounts.push({ destination: "/mnt", type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev", "noexec", "noatime"] });
      config.mounts.push({ destination: "/mnt", type: "none", source: "/", options: options.split(",") });
    });
    assert.equal(mountAt(mounts, "/mnt").options.join(), flags, options);
  }
});

/** A user namespace of its own, whose root owns what the tests bind. */
function inUserNamespace(config: Config): void {
  setNamespace(config, "user");
  config.linux.uidMappings = config.linux.gidMappings = [{ containerID: 0, hostID: 0, size: 65536 }];
}

test("in a user namespace a bind keeps the flags that are locked, whatever it names", async (c) => {
  await check(
    c,
    {
      "nosuid,nodev,noexec,relatime": [
        ["ro", "ro,nosuid,nodev,noexec,relatime"],
        ["nosuid", "rw,nosuid,nodev,noexec,relatime"],
        ["ro,relatime", "ro,nosuid,nodev,noexec,relatime"],
        ["ro,atime,norelatime", "ro,nosuid,nodev,noexec,relatime"],
        ["rro", "ro,nosuid,nodev,noexec,relatime"],
      ],
      "ro,noatime,nodiratime": [
        ["nosuid,nodev", "ro,nosuid,nodev,noatime,nodiratime"],
        ["nosuid,noatime", "ro,nosuid,noatime,nodiratime"],
        ["rnoexec", "ro,noexec,noatime,nodiratime"],
      ],
      noatime: [
        ["nosuid,dev,exec,atime", "rw,nosuid,noatime"],
        ["ro", "ro,noatime"],
      ],
    },
    inUserNamespace,
  );
});

test("in a user namespace an option that would take back a locked flag is refused, and the error names the flag", async (c) => {
  for (const [flags, options, name] of [
    ["nosuid,nodev,noexec,relatime", "dev", "nodev"],
    ["nosuid,nodev,noexec,relatime", "ro,exec", "noexec"],
    ["nosuid,nodev,relatime", "noatime", "relatime"],
    ["nosuid,nodev,relatime", "strictatime", "relatime"],
    ["nosuid,nodev,relatime", "nodiratime", "diratime"],
    ["nosuid,relatime", "nodiratime,noatime", "relatime"],
    ["noatime", "relatime", "noatime"],
    ["noatime,ro", "strictatime", "noatime"],
    ["strictatime,nodev", "noatime", "strictatime"],
    ["strictatime,nodev", "relatime", "strictatime"],
    ["noatime,nodiratime", "ro,diratime,noatime", "nodiratime"],
    ["ro,relatime", "rrw", "ro"],
    ["relatime,nodev", "rnoatime", "relatime"],
    ["relatime,nodev", "rnosuid,rdev", "nodev"],
    ["noatime", "ratime", "noatime"],
  ] as const) {
    const bundle = c.bundle({
      config: (config) => {
        config.mounts.push(...bindsOf(sourceWith(c, flags), [[options, ""]]));
        inUserNamespace(config);
      },
    });
    const result = await c.fails(["create", "-b", bundle.directory, c.id], /EPERM|operation not permitted/);
    if (isTsrunc) assert.match(result.stderr, new RegExp(`locks "${name}" of the mount it came from`), `${flags} + ${options}`);
  }
});

test("in a user namespace a flag that is locked below the top alone is named too", async (c) => {
  const source = sourceWith(c, "relatime");
  assert.equal(spawnSync("mount", ["-o", "remount,bind,ro,relatime", `${source}/sub`]).status, 0);
  const bundle = c.bundle({
    config: (config) => {
      config.mounts.push({ destination: "/mnt", type: "bind", source, options: ["rbind", "rrw"] });
      inUserNamespace(config);
    },
  });
  await c.fails(["create", "-b", bundle.directory, c.id], isTsrunc ? /locks "ro" of the mount it came from/ : /operation not permitted/);
});
