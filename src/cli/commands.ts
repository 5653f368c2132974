/** The commands and their flags, as data. Nothing is built before it is asked for: every command starts here. */

/** A flag of a command. */
export interface Flag {
  name: string;
  /** One letter. */
  short?: string;
  /** What its value is called in the help; a flag without a value is a switch. */
  value?: string;
}

/** How many arguments beside its flags a command takes. */
export interface Arity {
  least: number;
  most: number;
}

/** Modules below src/cli/commands, one for each. */
export function commandNames(): string[] {
  return ["create", "delete", "features", "help", "kill", "list", "run", "spec", "start", "state"];
}

export function globalFlags(): Flag[] {
  return [
    { name: "root", value: "DIR" },
    { name: "log", value: "FILE" },
    { name: "log-format", value: "FORMAT" },
    { name: "rootless", value: "WHEN" },
    { name: "debug" },
    { name: "systemd-cgroup" },
    { name: "help", short: "h" },
    { name: "version", short: "v" },
  ];
}

/** The flags of a command; every one has `help`. */
export function commandFlags(command: string): Flag[] {
  return [...ownFlags(command), { name: "help", short: "h" }];
}

function ownFlags(command: string): Flag[] {
  switch (command) {
    case "create":
      return createFlags();
    case "run":
      return [...createFlags(), { name: "detach", short: "d" }, { name: "keep" }, { name: "no-subreaper" }];
    case "delete":
      return [{ name: "force", short: "f" }];
    case "kill":
      return [{ name: "all", short: "a" }];
    case "list":
      return [
        { name: "format", short: "f", value: "FORMAT" },
        { name: "quiet", short: "q" },
      ];
    case "spec":
      return [{ name: "bundle", short: "b", value: "DIR" }, { name: "rootless" }];
    default:
      return [];
  }
}

function createFlags(): Flag[] {
  return [
    { name: "bundle", short: "b", value: "DIR" },
    { name: "console-socket", value: "SOCKET" },
    { name: "pidfd-socket", value: "SOCKET" },
    { name: "pid-file", value: "FILE" },
    { name: "no-pivot" },
    { name: "no-new-keyring" },
    { name: "preserve-fds", value: "N" },
  ];
}

export function commandArity(command: string): Arity {
  switch (command) {
    case "features":
    case "list":
    case "spec":
      return { least: 0, most: 0 };
    case "help":
      return { least: 0, most: 1 };
    case "kill":
      return { least: 1, most: 2 };
    default:
      return { least: 1, most: 1 };
  }
}
