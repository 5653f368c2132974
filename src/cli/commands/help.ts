/** `help [COMMAND]` and `--help`: a manual page for the program or for one command. */

import type { CommandCall } from "../command.js";
import { commandFlags, commandNames, globalFlags } from "../commands.js";
import type { Flag } from "../commands.js";
import { EXIT_STATUS } from "../exit-status.js";
import { flagDescription, pages } from "../manual.js";
import type { Page } from "../manual.js";
import { usageError } from "../usage.js";

export function run({ door, args }: CommandCall): number {
  const [command] = args;
  if (command !== undefined && !commandNames().includes(command)) throw usageError("help", `unknown command ${JSON.stringify(command)}`);
  door.write(1, command === undefined ? programPage() : commandPage(command));
  return EXIT_STATUS.success;
}

/** The page of the program itself. */
export function programPage(): string {
  const commands = commandNames().map((name) => `       ${name.padEnd(10)}${pages[name]?.summary ?? ""}`);
  return page([
    ["NAME", ["tsrunc - run containers from OCI bundles"]],
    ["SYNOPSIS", ["tsrunc [OPTIONS] COMMAND [ARGUMENTS]"]],
    [
      "DESCRIPTION",
      [
        "A bundle is a directory with a configuration, config.json, and usually a root file",
        "system, as the OCI runtime specification describes them. tsrunc makes a container",
        "of it and keeps the container's state below the directory that --root names.",
      ],
    ],
    ["COMMANDS", commands.map((line) => line.trimStart())],
    ["OPTIONS", options("", globalFlags())],
    [
      "EXIT STATUS",
      ["0  success", "1  failure; the reason is on standard error", "tsrunc run ends with the status of the container's program."],
    ],
    [
      "EXAMPLE",
      ["mkdir -p bundle/rootfs   # and put a root file system into it", "tsrunc spec --bundle bundle", "tsrunc run --bundle bundle c1"],
    ],
  ]);
}

/** The page of one command. */
export function commandPage(command: string): string {
  const { summary, synopsis, description, exitStatus, example } = pages[command] as Page;
  return page([
    ["NAME", [`tsrunc ${command} - ${summary}`]],
    ["SYNOPSIS", [`tsrunc ${command}${synopsis === "" ? "" : ` ${synopsis}`}`]],
    ["DESCRIPTION", description],
    ["OPTIONS", options(command, commandFlags(command))],
    ["EXIT STATUS", exitStatus ?? ["0  success", "1  failure; the reason is on standard error"]],
    ["EXAMPLE", example],
  ]);
}

type Section = readonly [title: string, lines: readonly string[]];

function page(sections: readonly Section[]): string {
  return sections.map(([title, lines]) => `${title}\n${lines.map((line) => `       ${line}\n`).join("")}`).join("\n");
}

function options(command: string, flags: readonly Flag[]): string[] {
  return flags.flatMap((flag) => {
    const { name, short, value } = flag;
    const spelled = `${short ? `-${short}, ` : ""}--${name}${value ? ` ${value}` : ""}`;
    return [spelled, ...flagDescription(command, name).map((line) => `       ${line}`)];
  });
}
