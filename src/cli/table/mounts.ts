import type { Grammar, Manual } from "../table.js";
import { containerId } from "./shared.js";

export function grammar(): Grammar {
  return {
    arguments: [
      { name: "what to do", placeholder: "add|remove", choices: ["add", "remove"] },
      containerId("created", "running"),
      { name: "file", placeholder: "FILE" },
    ],
    flags: [],
  };
}

export function manual(): Manual {
  return {
    summary: "add or remove mounts of a container",
    description: `
      Makes mounts in a container that is created or running, or unmounts there. FILE is a JSON array in the form of mounts in
      config.json; remove looks at the destinations alone, and unmounts what is on top at each, in any order. When one fails, no mount
      has changed. Files and directories that were made to mount on stay.
      A source is a path of the host. The types cgroup and cgroup2 and the option remount are refused.`,
    flags: {},
    example: [
      `echo '[{"destination":"/data","source":"/srv/data","options":["bind","ro"]}]' >data.json`,
      "tsrunc mounts add web data.json",
    ],
  };
}
