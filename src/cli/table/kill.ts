import type { Grammar, Manual } from "../table.js";
import { containerId, regexText } from "./shared.js";

export function grammar(): Grammar {
  return {
    arguments: [containerId("created", "running", "paused"), { name: "signal", placeholder: "SIGNAL", optional: true }],
    flags: [
      { name: "all", short: "a" },
      { name: "regex", short: "r" },
    ],
  };
}

export function manual(): Manual {
  return {
    summary: "send a signal to a container",
    description: `
      Sends a signal, TERM when none is named, to the container's first process. A signal is a number or a name, with or
      without SIG, such as 15, TERM, SIGTERM or RTMIN+3. KILL ends all processes of a container that has no pid namespace of
      its own.`,
    flags: {
      all: "Signal every process of the container, also those that one without a pid namespace of its own has left behind. It is no error when there are none.",
      regex: regexText(),
    },
    example: ["tsrunc kill web HUP"],
  };
}
