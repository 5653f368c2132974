/** The commands and their flags, as data. Nothing is built before it is asked for: every command starts here. */

/** A flag of a command. */
export interface Flag {
  name: string;
  /** One letter. */
  short?: string;
  /** What its value is called in the help; a flag without a value is a switch. */
  value?: string;
}

/** The arguments that a command takes beside its flags. */
export interface CommandArguments {
  /** What they are called in errors, in their order. */
  names: readonly string[];
  /** How many of them must be given. */
  required: number;
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

export function commandArguments(command: string): CommandArguments {
  switch (command) {
    case "features":
    case "list":
    case "spec":
      return { names: [], required: 0 };
    case "help":
      return { names: ["command"], required: 0 };
    case "kill":
      return { names: ["container ID", "signal"], required: 1 };
    default:
      return { names: ["container ID"], required: 1 };
  }
}
