/** Wrong inputs of checkpoint and restore, for the table of bad-input.cases.ts. */
import { mkdirSync, writeFileSync } from "node:fs";
import type { BadInput } from "./bad-input.cases.js";
import type { Context } from "./harness/context.js";

function call(name: string, message: string, ...args: string[]): BadInput {
  return { name, message, prepare: (c) => ({ args: args.map((arg) => arg.replace("{id}", c.id).replace("{dir}", c.directory)) }) };
}

/** A restore from a folder with this descriptors.json, if any. */
function restore(name: string, message: string, descriptors: string | undefined, ...flags: string[]): BadInput {
  const prepare = (c: Context) => {
    const images = `${c.directory}/images`;
    mkdirSync(images);
    if (descriptors !== undefined) writeFileSync(`${images}/descriptors.json`, descriptors);
    const bundle = c.bundle();
    return { args: ["restore", "-b", bundle.directory, "--image-path", images, ...flags, c.id], bundle };
  };
  return { name, message, prepare };
}

const noList = 'restore "{id}": read "{dir}/images/descriptors.json": it is no list of up to 3 descriptors';
const modes = "soft or full or strict or ignore";

export const badCheckpoints: BadInput[] = [
  call("a checkpoint of nothing", "checkpoint: missing container ID", "checkpoint"),
  call("a restore of nothing", "restore: missing container ID", "restore"),
  call("a checkpoint of a container that is not there", 'checkpoint "{id}": container does not exist', "checkpoint", "{id}"),
  call(
    "a checkpoint into a directory without a name",
    'checkpoint: flag "--image-path" is empty',
    "checkpoint",
    "--image-path",
    "",
    "{id}",
  ),
  call(
    "parent images by an absolute path",
    'checkpoint: flag "--parent-path" must be relative to the images, not "/p"',
    "checkpoint",
    "--parent-path",
    "/p",
    "{id}",
  ),
  ...["host", "host:", ":27", "host:0", "host:65536", "::1:27", "host:port"].map((server) =>
    call(
      `the page server ${JSON.stringify(server)}`,
      `checkpoint: flag "--page-server" is ADDRESS:PORT, not ${JSON.stringify(server)}`,
      "checkpoint",
      "--page-server",
      server,
      "{id}",
    ),
  ),
  call("memory on demand from nowhere", 'checkpoint: flag "--lazy-pages" needs "--page-server"', "checkpoint", "--lazy-pages", "{id}"),
  ...["-1", "x", "1.5"].map((number) =>
    call(
      `--status-fd ${number}`,
      `checkpoint: flag "--status-fd" is the number of a descriptor, not ${JSON.stringify(number)}`,
      "checkpoint",
      `--status-fd=${number}`,
      "{id}",
    ),
  ),
  ...["checkpoint", "restore"].flatMap((command) => [
    call(
      `${command} with a cgroup mode that is none`,
      `${command}: flag "--manage-cgroups-mode" is ${modes}, not "hard"`,
      command,
      "--manage-cgroups-mode",
      "hard",
      "{id}",
    ),
    call(
      `${command} with an empty namespace that CRIU cannot make`,
      `${command}: flag "--empty-ns" is network, not "pid"`,
      command,
      "--empty-ns",
      "pid",
      "{id}",
    ),
  ]),
  ...["name", "apparmor:", "smack:x"].map((profile) =>
    call(
      `the security profile ${JSON.stringify(profile)}`,
      `restore: flag "--lsm-profile" is apparmor:NAME or selinux:LABEL, not ${JSON.stringify(profile)}`,
      "restore",
      "--lsm-profile",
      profile,
      "{id}",
    ),
  ),
  restore(
    "a restore from a directory without images",
    'restore "{id}": read "{dir}/images/descriptors.json": ENOENT (no such file or directory)',
    undefined,
  ),
  ...["{", "[1]", '["","","",""]', "null"].map((text) => restore(`a descriptors.json that says ${text}`, noList, text)),
  restore(
    "a restore with a console socket and no terminal",
    'restore "{id}": cannot use console socket if tsrunc will not detach or allocate tty: --console-socket is for create or --detach, with /process/terminal',
    "[]",
    "-d",
    "--console-socket",
    "/none",
  ),
  {
    name: "a restore from a directory that is not there",
    message: 'restore "{id}": open directory "{dir}/none": ENOENT (no such file or directory)',
    prepare: (c) => {
      const bundle = c.bundle();
      return { args: ["restore", "-b", bundle.directory, "--image-path", `${c.directory}/none`, c.id], bundle };
    },
  },
  {
    name: "a checkpoint of a created container",
    message: 'checkpoint "{id}": container cannot be checkpointed in created state',
    prepare: async (c) => {
      await c.create(c.bundle());
      return { args: ["checkpoint", "--image-path", `${c.directory}/images`, c.id] };
    },
  },
  {
    name: "a --status-fd that is not open",
    message: 'checkpoint "{id}": use file descriptor 77: EBADF (bad file descriptor)',
    prepare: async (c) => {
      await c.createAndStart(c.bundle());
      return { args: ["checkpoint", "--status-fd", "77", "--image-path", `${c.directory}/images`, c.id] };
    },
  },
];
