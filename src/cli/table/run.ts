import type { Grammar, Manual } from "../table.js";
import { createFlagTexts, createFlags, newContainerId } from "./shared.js";

export function grammar(): Grammar {
  return {
    arguments: [newContainerId()],
    flags: [...createFlags(), { name: "detach", short: "d" }, { name: "keep" }, { name: "no-subreaper" }],
  };
}

export function manual(): Manual {
  return {
    summary: "make a container, start it and wait for it",
    description: `
      Creates and starts a container. In the foreground, which is the default, it forwards signals, gives the terminal to the
      container if the configuration asks for one, and deletes the container when its program has ended. A caller without a
      terminal is then refused.

      Where standard input is redirected, it is what the container's terminal reads: keys stay with the caller's terminal, so
      that ctrl-C is a signal. Where standard output is redirected, lines end with LF alone.`,
    flags: {
      ...createFlagTexts(),
      detach: "Leave the container once its program runs.",
      "no-subreaper": "Do not adopt orphans of the container while waiting for it.",
      keep: "Do not delete the container when its program has ended.",
    },
    exitStatus: [
      "The status of the program, or 128 and the number of the signal that ended it.",
      "1  failure; the reason is on standard error",
    ],
    example: ["cd /containers/web", "tsrunc run web"],
  };
}
