/** The texts of the manual pages; loaded by `help` alone. */

export interface Page {
  /** One line. */
  summary: string;
  /** What follows the command's name. */
  synopsis: string;
  description: readonly string[];
  /** Where it is not the common one. */
  exitStatus?: readonly string[];
  example: readonly string[];
}

/** By command. */
export const pages: Readonly<Record<string, Page>> = {
  create: {
    summary: "make a container that waits to be started",
    synopsis: "[OPTIONS] ID",
    description: [
      "Sets the container up completely - namespaces, mounts, cgroups, hooks - and stops",
      "before its program runs. A missing program fails here already; a missing working",
      "directory is made. When anything fails, everything is undone.",
    ],
    example: ["tsrunc create --bundle /containers/web --pid-file /run/web.pid web", "tsrunc start web"],
  },
  delete: {
    summary: "take a container down and forget it",
    synopsis: "[OPTIONS] ID",
    description: [
      "Removes the cgroups and the state of a container that has stopped, then runs its",
      "poststop hooks. Any other, also one that was created and never started, is refused",
      "without --force.",
    ],
    example: ["tsrunc delete --force web"],
  },
  features: {
    summary: "print what this runtime can do",
    synopsis: "",
    description: ["Prints the features structure of the OCI runtime specification as JSON."],
    example: ["tsrunc features"],
  },
  help: {
    summary: "print a manual page",
    synopsis: "[COMMAND]",
    description: ["Prints the page of a command, or of the program."],
    example: ["tsrunc help run"],
  },
  kill: {
    summary: "send a signal to a container",
    synopsis: "[OPTIONS] ID [SIGNAL]",
    description: [
      "Sends a signal, TERM when none is named, to the container's first process. A signal",
      "is a number or a name, with or without SIG, such as 15, TERM, SIGTERM or RTMIN+3.",
      "KILL ends all processes of a container that has no pid namespace of its own.",
    ],
    example: ["tsrunc kill web HUP"],
  },
  list: {
    summary: "print all containers",
    synopsis: "[OPTIONS]",
    description: ["Prints the containers whose states are below the directory that --root names."],
    example: ["tsrunc list --format json"],
  },
  run: {
    summary: "make a container, start it and wait for it",
    synopsis: "[OPTIONS] ID",
    description: [
      "Creates and starts a container. In the foreground, which is the default, it forwards",
      "signals, gives the terminal to the container if the configuration asks for one, and",
      "deletes the container when its program has ended. A caller without a terminal is then",
      "refused. Where standard input is redirected, it is what the container's terminal reads:",
      "keys stay with the caller's terminal, so that ctrl-C is a signal. Where standard output",
      "is redirected, lines end with LF alone.",
    ],
    exitStatus: [
      "The status of the program, or 128 and the number of the signal that ended it.",
      "1  failure; the reason is on standard error",
    ],
    example: ["cd /containers/web", "tsrunc run web"],
  },
  spec: {
    summary: "write a default config.json",
    synopsis: "[OPTIONS]",
    description: ["Writes a configuration that runs a shell in ./rootfs. An existing file is left alone."],
    example: ["tsrunc spec --rootless --bundle ~/bundle"],
  },
  start: {
    summary: "run the program of a created container",
    synopsis: "ID",
    description: ["Returns when the program runs, or says why it does not."],
    example: ["tsrunc start web"],
  },
  state: {
    summary: "print a container's state",
    synopsis: "ID",
    description: [
      "Prints JSON with the id, pid, status (creating, created, running, paused or stopped),",
      "bundle, root file system, time of creation, annotations and owner.",
    ],
    example: ["tsrunc state web"],
  },
};

/** What a flag does, in lines. @param command empty for the global flags */
export function flagDescription(command: string, flag: string): readonly string[] {
  return descriptions[`${command}/${flag}`] ?? descriptions[`/${flag}`] ?? descriptions[flag] ?? [];
}

/** `command/flag` where a flag means something else elsewhere, `/flag` for global ones, `flag` for the others. */
const descriptions: Readonly<Record<string, readonly string[]>> = {
  "/root": ["Directory with the states of containers. Default /run/tsrunc, or", "$XDG_RUNTIME_DIR/tsrunc for a caller who is not root."],
  "/log": ["File that messages are appended to, beside standard error."],
  "/log-format": ["Form of the lines in that file: text (default) or json."],
  "/debug": ["Log every request to the native layer too."],
  "/systemd-cgroup": [
    "The container's cgroup is a unit that systemd makes; cgroupsPath is",
    "slice:prefix:name. Without privilege by the caller's own service manager.",
  ],
  "spec/rootless": ["Write one for a caller without privilege: a user namespace that maps the", "caller to root."],
  "/rootless": ["Whether to do without privilege over cgroups and devices: true, false or", "auto (default: by the caller's privilege)."],
  "/version": ["Print the versions of program, source and specification."],
  help: ["Print this page."],
  bundle: ["Directory with config.json. Default: the working directory."],
  "console-socket": ["Unix socket that gets the terminal's master. Needed for a container with a", "terminal that is left alone."],
  "pidfd-socket": ["Unix socket that gets a pidfd of the container's first process."],
  "pid-file": ["File that gets the pid of the container's first process."],
  "no-pivot": ["Move the root mount instead of pivot_root(2). Only for a host whose root is", "an initramfs: it is less secure."],
  "no-new-keyring": ["Let the container keep the caller's session keyring."],
  "preserve-fds": ["Pass this many descriptors, from 3 on, to the program."],
  detach: ["Leave the container once its program runs."],
  keep: ["Do not delete the container when its program has ended."],
  "no-subreaper": ["Do not adopt orphans of the container while waiting for it."],
  force: ["Kill the container's processes first if it has not stopped. An id that does not", "exist is no error."],
  all: ["Signal every process of the container's cgroup."],
  format: ["table (default) or json."],
  quiet: ["Print ids alone."],
};
