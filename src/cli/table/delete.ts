import type { Grammar, Manual } from "../table.js";
import { containerId, regexText } from "./shared.js";

export function grammar(): Grammar {
  return {
    arguments: [containerId()],
    flags: [
      { name: "force", short: "f" },
      { name: "regex", short: "r" },
    ],
  };
}

export function manual(): Manual {
  return {
    summary: "take a container down and forget it",
    description: `
      Removes the cgroups and the state of a container that has stopped, then runs its poststop hooks. Any other, also one
      that was created and never started, is refused without --force.`,
    flags: {
      force: "Kill the container's processes first if it has not stopped. An id that does not exist is no error.",
      regex: regexText(),
    },
    example: ["tsrunc delete --force web"],
  };
}
