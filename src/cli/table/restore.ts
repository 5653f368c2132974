import type { Grammar, Manual } from "../table.js";
import { containerId, criuFlagTexts, criuFlags } from "./shared.js";

export function grammar(): Grammar {
  return {
    arguments: [containerId()],
    flags: [
      { name: "bundle", short: "b", value: "DIR" },
      { name: "detach", short: "d" },
      { name: "console-socket", value: "SOCKET" },
      { name: "pid-file", value: "FILE" },
      { name: "no-subreaper" },
      { name: "no-pivot" },
      ...criuFlags(),
      { name: "lsm-profile", value: "TYPE:NAME" },
      { name: "lsm-mount-context", value: "CONTEXT" },
    ],
  };
}

export function manual(): Manual {
  return {
    summary: "bring a container back from files",
    description: `
      Restores, by CRIU, the processes that checkpoint saved, as a container with the cgroups, limits, mounts and hooks of the
      bundle. Hooks of the kinds prestart and createRuntime run once the namespaces are made. Without --detach the caller stays
      with the container as with run. When anything fails, it is undone as by create; what CRIU did is in restore.log.`,
    flags: {
      ...criuFlagTexts(),
      bundle: "Directory with config.json. Default: the working directory.",
      detach: "Leave the container once it runs.",
      "console-socket": "Unix socket that gets the master of the terminal.",
      "pid-file": "File that gets the pid of the first process.",
      "no-subreaper": "Do not adopt orphans of the container while waiting for it.",
      "no-pivot": "Without effect: CRIU sets the root.",
      "work-path": "Directory for the log and for other files of CRIU. Default: that of the images.",
      "lazy-pages": "Get memory from CRIU's lazy-pages daemon when it is used.",
      "lsm-profile": "Security profile in place of the saved one: apparmor:NAME or selinux:LABEL.",
      "lsm-mount-context": "SELinux context of mounts in place of the saved one.",
    },
    exitStatus: [
      "The status of the program, or 128 and the number of the signal that ended it.",
      "0  with --detach",
      "1  failure; the reason is on standard error",
    ],
    example: ["tsrunc restore --detach --bundle /containers/web --image-path /var/lib/images/web web"],
  };
}
