import type { Grammar, Manual } from "../table.js";
import { containerId } from "./shared.js";

export function grammar(): Grammar {
  return {
    arguments: [
      containerId("created", "running", "paused"),
      { name: "ps option", placeholder: "PS-OPTION", optional: true, repeatable: true },
    ],
    flags: [{ name: "format", short: "f", value: "FORMAT", choices: ["table", "json"] }],
    flagsEndEarly: true,
  };
}

export function manual(): Manual {
  return {
    summary: "print the processes of a container",
    description: `
      Runs ps(1) with the options that follow the ID, -ef without any, and prints what it says about the processes in the
      container's cgroup and in the cgroups below it. Its table needs a column called PID.`,
    flags: { format: "Form of the output: table (default) or json, which is an array of the pids alone." },
    example: ["tsrunc ps web", "tsrunc ps web -o pid,user,args", "tsrunc ps --format json web"],
  };
}
