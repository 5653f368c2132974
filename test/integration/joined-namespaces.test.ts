/**
 * Namespaces that are joined by path beside a user namespace, whoever owns them (runtime-spec, config-linux.md#namespaces). setns(2) asks for
 * CAP_SYS_ADMIN in the user namespace that owns the other one, so the order in which the container's process joins them matters.
 */
import assert from "node:assert/strict";
import { readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { test } from "./harness/suite.js";
import { describe, until } from "./harness/execute.js";
import { setNamespace } from "./harness/config.js";
import { isTsrunc } from "./harness/environment.js";
import { mappedBundle, mapping } from "./harness/user-namespace.js";
import type { Config } from "./harness/config.js";
import type { Bundle, Context } from "./harness/context.js";

/** Type in config.json -> name in /proc/PID/ns. */
const files = { network: "net", ipc: "ipc", uts: "uts", pid: "pid", mount: "mnt", cgroup: "cgroup", time: "time" } as const;
type Type = keyof typeof files;
const types = Object.keys(files) as Type[];

/** A process in new namespaces of every type; with `user` they belong to a user namespace with the usual mapping. */
async function holder(c: Context, options: { user: boolean }): Promise<number> {
  const flags = ["--net", "--ipc", "--uts", "--pid", "--mount", "--cgroup", "--time", ...(options.user ? ["--user"] : [])];
  const started = await c.companion("/usr/bin/unshare", [...flags, "--fork", "--kill-child", "sh", "-c", "echo up; exec sleep 1000"]);
  await c.printed(started, "up");
  const children = `/proc/${started.pid}/task/${started.pid}/children`;
  const pid = await until("unshare has its child", () => Number(readFileSync(children, "utf8").split(" ")[0]) || undefined);
  if (options.user) for (const map of ["uid_map", "gid_map"]) writeFileSync(`/proc/${pid}/${map}`, "0 100000 65536\n");
  return pid;
}

const linkOf = (pid: number, file: string): string => readlinkSync(`/proc/${pid}/ns/${file}`);

interface Case {
  user: "new" | "joined";
  /** Who owns the namespace that is joined: the caller's user namespace or one with a mapping (the one that is joined, if one is). */
  owner: "host" | "mapped";
}

async function prepare(
  c: Context,
  { user, owner }: Case,
  joined: readonly Type[],
): Promise<{ bundle: Bundle; holders: Record<"host" | "mapped", number> }> {
  const holders = { host: await holder(c, { user: false }), mapped: await holder(c, { user: true }) };
  const bundle = mappedBundle(c, {
    config: (config: Config) => {
      // A procfs, sysfs or mqueue of a namespace is only for those with privilege over its owner.
      config.mounts = [
        { destination: "/proc", type: "bind", source: "/proc", options: ["rbind"] },
        { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
      ];
      if (user === "joined") setNamespace(config, "user", `/proc/${holders.mapped}/ns/user`);
      for (const type of joined) {
        if (type === "uts") delete config.hostname;
        setNamespace(config, type, `/proc/${holders[owner]}/ns/${files[type]}`);
      }
    },
  });
  return { bundle, holders };
}

/** Proves that the container is in the namespaces that it was to join, in the right user namespace, and in no other ones of the holder's. */
async function assertJoined(c: Context, one: Case, joined: readonly Type[]): Promise<void> {
  const { bundle, holders } = await prepare(c, one, joined);
  await c.createAndStart(bundle);
  const { pid } = await c.state();
  for (const type of types) {
    const isSame = linkOf(pid, files[type]) === linkOf(holders[one.owner], files[type]);
    assert.equal(isSame, joined.includes(type), type);
  }
  assert.equal(linkOf(pid, "user") === linkOf(holders.mapped, "user"), one.user === "joined");
  assert.notEqual(linkOf(pid, "user"), linkOf(process.pid, "user"));
  assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), new RegExp(`^Uid:\t${mapping[0]?.hostID}\t`, "m"));
}

for (const user of ["new", "joined"] as const) {
  for (const owner of ["host", "mapped"] as const) {
    const whose = owner === "host" ? "of the host's" : user === "joined" ? "of its own" : "of another user namespace's";
    for (const type of types) {
      // Nobody but the owner of a mount namespace may mount in it.
      if (type === "mount" && (user === "new" || owner === "host")) {
        test(`a container with a ${user} user namespace and a mount namespace ${whose} is refused`, async (c) => {
          const { bundle, holders } = await prepare(c, { user, owner }, ["mount"]);
          const { stderr } = await c.fails(["create", "-b", bundle.directory, c.id], /./);
          if (isTsrunc)
            assert.match(
              stderr,
              new RegExp(
                `open namespace "/proc/${holders[owner]}/ns/mnt" \\(/linux/namespaces/\\d/path\\): it does not belong to the container's user namespace, which may mount nothing in it\n$`,
              ),
            );
        });
        continue;
      }
      test(`a container with a ${user} user namespace joins ${type === "ipc" ? "an" : "a"} ${type} namespace ${whose}`, (c) =>
        assertJoined(c, { user, owner }, [type]));
    }
    test(`a container with a ${user} user namespace joins several namespaces ${whose} at once`, (c) =>
      assertJoined(
        c,
        { user, owner },
        types.filter((type) => type !== "mount" && type !== "time"),
      ));
  }
}

test("a namespace of the host's that the caller may not join either is named, and nothing is left", async (c) => {
  const { bundle } = await prepare(c, { user: "new", owner: "host" }, ["network"]);
  const withoutPrivilege = ["/usr/bin/setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"] as const;
  const result = await (await c.startBelow(withoutPrivilege, ["--rootless", "true", "create", "-b", bundle.directory, c.id])).wait();
  assert.equal(result.status, 1, describe(result));
  assert.match(result.stderr, /join network namespace: EPERM|net namespace: Operation not permitted|operation not permitted/);
});
