/** Wrong calls of `mounts add` and `mounts remove` for the table of bad-input.cases.ts. */
import { mkdirSync, symlinkSync } from "node:fs";
import { setNamespace, withoutNamespaces } from "./harness/config.js";
import { isTsrunc } from "./harness/environment.js";
import type { BundleOptions, Context } from "./harness/context.js";
import type { BadInput, Prepared } from "./bad-input.cases.js";

type Verb = "add" | "remove";

const FILE = "{dir}/mounts.json";

/** A file with this text, for a container that was created. */
function content(verb: Verb, name: string, message: string, text: string, options: BundleOptions = {}): BadInput {
  return {
    name: `mounts ${verb}: ${name}`,
    message: `mounts ${verb} "{id}": ${message}`,
    prepare: async (c) => {
      const bundle = c.bundle(options);
      // A link of the image out of it.
      symlinkSync("../../../../..", `${bundle.rootfs}/out`);
      await c.create(bundle);
      return { args: ["mounts", verb, c.id, c.file("mounts.json", text)] };
    },
  };
}

/** A file with one mount. */
function mount(verb: Verb, name: string, message: string, entry: object, options?: BundleOptions): BadInput {
  return content(verb, name, message, JSON.stringify([entry]), options);
}

/** A fault of the file. */
function fault(name: string, message: string, entry: object, options?: BundleOptions): BadInput {
  return mount("add", name, `${FILE}: ${message}`, entry, options);
}

/** A call that needs no container, or one in some status. */
function called(name: string, message: string, prepare: (c: Context) => Prepared | Promise<Prepared>): BadInput {
  return { name: `mounts: ${name}`, message, prepare };
}

const none = (c: Context): string => c.file("mounts.json", '[{"destination":"/mnt","type":"tmpfs"}]');

async function inStatus(c: Context, verb: Verb, status: "stopped" | "paused"): Promise<Prepared> {
  await c.createAndStart(c.bundle({ args: status === "stopped" ? ["true"] : ["probe", "wait"] }));
  if (status === "paused") await c.ok(["pause", c.id]);
  await c.status(status);
  return { args: ["mounts", verb, c.id, none(c)] };
}

const tmpfs = { type: "tmpfs", source: "tmpfs" };
const both: readonly Verb[] = ["add", "remove"];

const callsOf: BadInput[] = [
  called("neither add nor remove", 'mounts: what to do is add or remove, not "change"', (c) => ({
    args: ["mounts", "change", c.id, none(c)],
  })),
  called("nothing to do", "mounts: missing what to do", () => ({ args: ["mounts"] })),
  called("no container", "mounts: missing container ID", () => ({ args: ["mounts", "add"] })),
  called("no file", "mounts: missing file", (c) => ({ args: ["mounts", "add", c.id] })),
  called("two files", 'mounts: unexpected argument "b"', (c) => ({ args: ["mounts", "add", c.id, "a", "b"] })),
  called("a flag that does not exist", 'mounts: unknown flag "--force"', (c) => ({ args: ["mounts", "remove", "--force", c.id, none(c)] })),
  called(
    "an id that is none",
    'mounts add "a/b": use the id "a/b": invalid container ID format: allowed are 1 to 240 letters, digits and the characters _ + - . (but not "." and "..")',
    (c) => ({ args: ["mounts", "add", "a/b", none(c)] }),
  ),
  ...both.flatMap((verb) => [
    called(`${verb} in a container that does not exist`, `mounts ${verb} "{id}": container does not exist`, (c) => ({
      args: ["mounts", verb, c.id, none(c)],
    })),
    called(`${verb} in a stopped container`, `mounts ${verb} "{id}": container not running`, (c) => inStatus(c, verb, "stopped")),
    called(`${verb} in a paused container`, `mounts ${verb} "{id}": cannot change the mounts of a paused container`, (c) =>
      inStatus(c, verb, "paused"),
    ),
  ]),
  called("a file that is not there", 'mounts add "{id}": read "{dir}/none.json": ENOENT (no such file or directory)', async (c) => {
    await c.create(c.bundle());
    return { args: ["mounts", "add", c.id, `${c.directory}/none.json`] };
  }),
  called("a directory for a file", 'mounts remove "{id}": read "{dir}/folder": EISDIR (is a directory)', async (c) => {
    await c.create(c.bundle());
    mkdirSync(`${c.directory}/folder`);
    return { args: ["mounts", "remove", c.id, `${c.directory}/folder`] };
  }),
];

const added: BadInput[] = [
  // Both verbs read the file alike.
  mount(
    "add",
    "a container in the host's mount namespace",
    "the container has no mount namespace of its own",
    { destination: "/mnt", ...tmpfs },
    {
      config: (config) => {
        withoutNamespaces(config, "mount");
        delete config.linux.maskedPaths;
        delete config.linux.readonlyPaths;
        config.mounts = [];
      },
    },
  ),
  content("add", "no JSON", `parse "${FILE}": line 1, column 2: expected a value or "]", found the end of the file`, "["),
  content("add", "an empty file", `parse "${FILE}": line 1, column 1: expected a JSON array, found the end of the file`, ""),
  content(
    "add",
    "one mount that is in no list",
    `${FILE}: the whole document: found an object, allowed: an array`,
    '{"destination":"/mnt"}',
  ),
  content("add", "a list of no mounts", `${FILE}: /0: found "/mnt", allowed: an object`, '["/mnt"]'),
  mount("add", "no destination", `${FILE}: /0/destination: found nothing, allowed: a value: it is required`, { ...tmpfs }),
  mount("add", "the root", `${FILE}: /0/destination: found "/mnt/..", allowed: a path below /`, { destination: "/mnt/..", ...tmpfs }),
  fault("a bind without a source", "/0/source: found nothing, allowed: the path to bind", { destination: "/mnt", options: ["bind"] }),
  mount("add", "a source that is not there", 'clone bind source "/no/such" (/0): ENOENT (no such file or directory)', {
    destination: "/mnt",
    source: "/no/such",
    options: ["bind"],
  }),
  mount("add", "an unknown type", 'mount "nosuchfs" on "/mnt" (/0): open file system "nosuchfs": ENODEV (no such device)', {
    destination: "/mnt",
    type: "nosuchfs",
  }),
  fault("no type", '/0/type: found nothing, allowed: a filesystem, or the option "bind" or "rbind"', { destination: "/mnt" }),
  mount(
    "add",
    "an unknown option of a file system",
    `mount "tmpfs" on "/mnt" (/0): set "nosuch": EINVAL (invalid argument): tmpfs: Unknown parameter 'nosuch'`,
    { destination: "/mnt", ...tmpfs, options: ["nosuch"] },
  ),
  fault(
    "a mistyped option of a bind",
    '/0/options/1: found "nosuidd", allowed: flags alone on a bind mount, which has no data; did you mean "nosuid"?',
    { destination: "/mnt", type: "bind", source: "/etc", options: ["bind", "nosuidd"] },
  ),
  fault("a remount", '/0/options/0: found "remount", allowed: mounts that are new', {
    destination: "/mnt",
    ...tmpfs,
    options: ["remount"],
  }),
  ...["cgroup", "cgroup2"].map((type) =>
    fault(`the type ${type}`, `/0/type: found "${type}", allowed: any type but cgroup and cgroup2`, { destination: "/mnt", type }),
  ),
  fault(
    "idmap without mappings and user namespace",
    '/0/options/1: found "idmap", allowed: uidMappings and gidMappings beside it, or an entry of type "user" in /linux/namespaces',
    { destination: "/mnt", source: "/etc", options: ["bind", "idmap"] },
  ),
  fault(
    "idmap=@ without a user namespace",
    '/0/options/1: found "idmap=uids=@0-0-1;gids=@0-0-1", allowed: after "@" ids that one line of /linux/uidMappings maps',
    { destination: "/mnt", source: "/etc", options: ["bind", "idmap=uids=@0-0-1;gids=@0-0-1"] },
  ),
  fault(
    "idmap=@ beyond the container's ids",
    '/0/options/1: found "idmap=uids=@0-65535-2;gids=@0-0-1", allowed: after "@" ids that one line of /linux/uidMappings maps',
    { destination: "/mnt", source: "/etc", options: ["bind", "idmap=uids=@0-65535-2;gids=@0-0-1"] },
    {
      config: (config) => {
        setNamespace(config, "user");
        config.linux.uidMappings = config.linux.gidMappings = [{ containerID: 0, hostID: 0, size: 65_536 }];
      },
    },
  ),
  fault(
    "a file of /proc that confines",
    '/0/destination: found "/proc/self/attr/exec", allowed: of the files in /proc only cpuinfo, diskstats, loadavg, meminfo, slabinfo, stat, swaps, uptime, sys/crypto/fips_enabled, sys/kernel/ns_last_pid',
    { destination: "/proc/self/attr/exec", source: "/etc/hostname", options: ["bind"] },
  ),
  mount("add", "a link that leads to the root", 'mount "tmpfs" on "/out" (/0): open "/out" in the rootfs: it leads to /', {
    destination: "/out",
    ...tmpfs,
  }),
  mount("add", "a file on a directory", 'mount "/etc/hostname" on "/tmp" (/0): open "/tmp" in the rootfs: ENOTDIR (not a directory)', {
    destination: "/tmp",
    source: "/etc/hostname",
    options: ["bind"],
  }),
  content(
    "add",
    "two faults",
    `${FILE}: 2 faults:\n  /0/destination: found "/", allowed: a path below /\n  /1/type: found 5, allowed: a string`,
    '[{"destination":"/","type":"tmpfs"},{"destination":"/mnt","type":5}]',
  ),
];

const removed: BadInput[] = [
  mount("remove", "no destination", `${FILE}: /0/destination: found nothing, allowed: a value: it is required`, { ...tmpfs }),
  mount("remove", "a place that is not there", 'unmount "/no/such" (/0): ENOENT (no such file or directory)', { destination: "/no/such" }),
  mount("remove", "a place without a mount", 'unmount "/tmp" (/0): nothing is mounted there', { destination: "/tmp" }),
  mount("remove", "a link that leads to the root", 'unmount "/out" (/0): EINVAL (invalid argument)', { destination: "/out" }),
];

// No other runtime here has the command.
export const badMounts: BadInput[] = isTsrunc ? [...callsOf, ...added, ...removed] : [];
