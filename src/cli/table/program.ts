/** The program itself: the flags before the command. */

import { LOG_LEVELS } from "../log-level.js";
import type { Grammar, Manual } from "../table.js";

export function grammar(): Grammar {
  return {
    arguments: [
      { name: "command", placeholder: "COMMAND" },
      { name: "argument", placeholder: "ARGUMENT", optional: true, repeatable: true },
    ],
    flagsEndEarly: true,
    flags: [
      { name: "root", value: "DIR" },
      { name: "log", value: "FILE" },
      { name: "log-format", value: "FORMAT", choices: ["text", "json"] },
      { name: "log-level", value: "LEVEL", choices: LOG_LEVELS },
      { name: "rootless", value: "WHEN", choices: ["true", "false", "auto"] },
      { name: "debug" },
      { name: "systemd-cgroup" },
      { name: "cgroup-manager", value: "MANAGER", choices: ["cgroupfs", "systemd", "disabled"] },
      { name: "version", short: "v" },
    ],
  };
}

export function manual(): Manual {
  return {
    summary: "run containers from OCI bundles",
    description: `
      A bundle is a directory with a configuration, config.json, and usually a root file system, as the OCI runtime
      specification describes them. tsrunc makes a container of it and keeps the container's state below the directory that
      --root names.`,
    flags: {
      root: `
        Directory with the states of containers. Default: /run/tsrunc. If XDG_RUNTIME_DIR is set, it is $XDG_RUNTIME_DIR/tsrunc for a
        caller who is not root, and for the root of a user namespace unless USER is root.`,
      log: `
        File that messages are appended to, also spelled file:FILE; journald:NAME writes to the journal of systemd and syslog:NAME to
        syslog(3), under that name (tsrunc where it is empty). Errors are on standard error as well.`,
      "log-format": "Form of the messages in the log: text (default) or json.",
      "log-level": "Lowest level of messages that are logged: error, warning (default), info or debug, which is the same as --debug.",
      rootless: "Whether to do without privilege over cgroups and devices: true, false or auto (default: by the caller's privilege).",
      debug: "Log every request to the native layer too.",
      "systemd-cgroup": "The same as --cgroup-manager systemd.",
      "cgroup-manager": `
        Who makes the container's cgroup. With cgroupfs (default) it is tsrunc. With systemd it is a unit, and cgroupsPath is
        slice:prefix:name; for a caller without privilege the user's own service manager makes it. With disabled there is none: the
        container stays in the cgroups of its caller, a configuration with limits is refused, and rules for devices have no effect.`,
      version: "Print the versions of program, source and specification.",
    },
    exitStatus: [
      "0  success",
      "1  failure; the reason is on standard error",
      "tsrunc run and tsrunc exec end with the status of the program that they ran.",
    ],
    example: [
      "mkdir -p bundle/rootfs   # and put a root file system into it",
      "tsrunc spec --bundle bundle",
      "tsrunc run --bundle bundle c1",
    ],
  };
}
