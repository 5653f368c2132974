/** Wrong calls of `exec` for the table of bad-input.cases.ts: its flags, and files with a process. */
import { mkdirSync, writeFileSync } from "node:fs";
import { hierarchyOf } from "./harness/cgroups.js";
import type { BadInput } from "./bad-input.cases.js";

/** A call on a running container; `{dir}` in an argument stands for the test's directory. */
function exec(
  name: string,
  message: string,
  { flags = [], args = ["true"], status = 255 }: { flags?: string[]; args?: string[]; status?: number },
): BadInput {
  return {
    name: `exec: ${name}`,
    message,
    status,
    prepare: async (c) => {
      await c.createAndStart(c.bundle());
      mkdirSync(`${c.directory}/folder`);
      return { args: ["exec", ...flags.map((flag) => flag.replace("{dir}", c.directory)), c.id, ...args] };
    },
  };
}

/** A flag whose value is none: nothing else is looked at. */
function flag(value: string[], message: string): BadInput {
  return exec(value.map((part) => part || '""').join(" "), `exec: flag ${message}`, { flags: value, status: 1 });
}

/** A file with a process. */
function file(name: string, message: string, text: string): BadInput {
  const { prepare, ...call } = exec(name, `exec failed: {dir}/process.json: ${message}`, {
    flags: ["--process", "{dir}/process.json"],
    args: [],
  });
  return {
    ...call,
    prepare: async (c) => {
      const prepared = await prepare(c);
      writeFileSync(`${c.directory}/process.json`, text);
      return prepared;
    },
  };
}

const ids = "takes numbers from 0 to 4294967294";
const onV1 = hierarchyOf("cpu") !== undefined;

export const badExecs: BadInput[] = [
  flag(["--user", "root"], `"--user" ${ids}, not "root"`),
  flag(["--user", "1000:"], `"--user" ${ids}, not "1000:"`),
  flag(["--user", ""], `"--user" ${ids}, not ""`),
  flag(["--user", "-1"], `"--user" ${ids}, not "-1"`),
  flag(["--user", "4294967295"], `"--user" ${ids}, not "4294967295"`),
  flag(["--user", " 5"], `"--user" ${ids}, not " 5"`),
  flag(["--user", "1:2:3"], '"--user" is UID or UID:GID, not "1:2:3"'),
  flag(["--additional-gids", "5,6"], `"--additional-gids" ${ids}, not "5,6"`),
  flag(["--env", "=x"], '"--env" is NAME=VALUE with a name, not "=x"'),
  flag(["--env", "PATH"], '"--env" is NAME=VALUE with a name, not "PATH"'),
  flag(["--cwd", "tmp"], '"--cwd" is an absolute path, not "tmp"'),
  flag(["--preserve-fds", "x"], '"--preserve-fds" is a number up to 1048576, not "x"'),
  exec("no program", "exec: missing the program to execute, or --process", { args: [], status: 1 }),
  exec("an unknown capability", 'exec failed: give the capability "CAP_NOSUCH": unknown', { flags: ["--cap", "CAP_NOSUCH"] }),
  exec("a capability in lower case", 'exec failed: give the capability "cap_kill": unknown', { flags: ["--cap", "cap_kill"] }),
  exec(
    "a terminal without a console socket",
    "exec failed: cannot allocate tty if tsrunc will detach without setting console socket: name one with --console-socket, or leave --tty out",
    {
      flags: ["--detach", "--tty"],
    },
  ),
  exec(
    "a console socket without a terminal",
    "exec failed: cannot use console socket if tsrunc will not detach or allocate tty: --console-socket is for --detach with --tty",
    {
      flags: ["--console-socket", "{dir}/none"],
    },
  ),
  exec("a cgroup above the container's", 'exec failed: use the cgroup "a/../../b": bad sub cgroup path: ".." is not allowed', {
    flags: ["--cgroup", "a/../../b"],
  }),
  ...(onV1
    ? [
        exec(
          "a cgroup of a controller that is none",
          'exec failed: use the cgroup "nosuch:a": unknown controller: the container has no cgroup with "nosuch"',
          {
            flags: ["--cgroup", "nosuch:a"],
          },
        ),
        exec("two cgroups for a controller", 'exec failed: use the cgroup "cpu:b": the controller "cpu" has two cgroups', {
          flags: ["--cgroup", "cpu:a", "--cgroup", "cpu:b"],
        }),
      ]
    : []),
  exec("a file that is not there", 'exec failed: read "{dir}/nosuch": ENOENT (no such file or directory)', {
    flags: ["--process", "{dir}/nosuch"],
    args: [],
  }),
  exec("a folder for a file", 'exec failed: read "{dir}/folder": EISDIR (is a directory)', {
    flags: ["--process", "{dir}/folder"],
    args: [],
  }),
  file(
    "a process with faults",
    '2 faults:\n  /cwd: found "tmp", allowed: an absolute path\n  /user/gid: found -4, allowed: at least 0',
    '{"args":["true"],"cwd":"tmp","user":{"uid":3,"gid":-4}}',
  ),
  file(
    "a process without a program",
    "/args: found nothing, allowed: at least the name of a program",
    '{"cwd":"/","user":{"uid":0,"gid":0}}',
  ),
  exec(
    "a working directory that is not there",
    'exec failed: unable to start container process: chdir to cwd ("/nosuch") set in config.json failed: no such file or directory',
    {
      flags: ["--cwd", "/nosuch"],
    },
  ),
];
