import type { Grammar, Manual } from "../table.js";
import { containerId } from "./shared.js";

export function grammar(): Grammar {
  return {
    arguments: [containerId("created", "running"), { name: "program", placeholder: "PROGRAM", optional: true, repeatable: true }],
    flagsEndEarly: true,
    flags: [
      { name: "process", short: "p", value: "FILE" },
      { name: "detach", short: "d" },
      { name: "tty", short: "t" },
      { name: "console-socket", value: "SOCKET" },
      { name: "pidfd-socket", value: "SOCKET" },
      { name: "pid-file", value: "FILE" },
      { name: "cwd", value: "DIR" },
      { name: "env", short: "e", value: "NAME=VALUE", repeatable: true },
      { name: "user", short: "u", value: "UID[:GID]" },
      { name: "additional-gids", short: "g", value: "GID", repeatable: true },
      { name: "cap", short: "c", value: "CAP", repeatable: true },
      { name: "apparmor", value: "PROFILE" },
      { name: "process-label", value: "LABEL" },
      { name: "no-new-privs" },
      { name: "preserve-fds", value: "N" },
      { name: "cgroup", value: "CGROUP", repeatable: true },
      { name: "ignore-paused" },
    ],
  };
}

export function manual(): Manual {
  return {
    summary: "run another program in a container",
    description: `
      Runs a program in a container that has been created or runs: in its namespaces and cgroups, with the environment, user,
      capabilities, limits, labels and filter of system calls that the container's first process had when it was created. Flags
      change what --process or the container says. Unless detached, tsrunc stays, passes signals on, and ends with the status of
      the program.`,
    flags: {
      process: "File with a process as in config.json.",
      detach: "Leave the process once its program runs.",
      tty: "Give the process a terminal.",
      "console-socket": "Unix socket that gets the master of the terminal; needed with --detach and --tty.",
      "pidfd-socket": "Unix socket that gets a pidfd of the process.",
      "pid-file": "File that gets the pid of the process.",
      cwd: "Working directory in the container, an absolute path.",
      env: "Set a variable of the environment.",
      user: "Ids of user and group. Default: those of the container.",
      "additional-gids": "Add a supplementary group.",
      cap: "Add a capability, such as CAP_NET_RAW. It is never inheritable.",
      apparmor: "AppArmor profile of the process.",
      "process-label": "SELinux label of the process.",
      "no-new-privs": "The process cannot gain privileges.",
      "preserve-fds": "Pass this many descriptors, from 3 on, to the program.",
      cgroup: "Cgroup below the container's own, on cgroup v1 as CONTROLLER[,CONTROLLER]:PATH.",
      "ignore-paused": "Also in a paused container: the program begins when it is resumed.",
    },
    exitStatus: [
      "N    the status of the program, or 128 + the number of the signal that ended it",
      "255  the program could not be started",
    ],
    example: ["tsrunc exec web ps -ef", "tsrunc exec --tty --user 1000 --env TERM=xterm web sh"],
  };
}
