import type { Grammar, Manual } from "../table.js";
import { containerId, criuFlagTexts, criuFlags } from "./shared.js";

export function grammar(): Grammar {
  return {
    arguments: [containerId()],
    flags: [
      ...criuFlags(),
      { name: "parent-path", value: "DIR" },
      { name: "pre-dump" },
      { name: "leave-running" },
      { name: "tcp-skip-in-flight" },
      { name: "link-remap" },
      { name: "page-server", value: "ADDRESS:PORT" },
      { name: "status-fd", value: "N" },
    ],
  };
}

export function manual(): Manual {
  return {
    summary: "save a running container to files",
    description: `
      Saves the processes of a container to a directory by CRIU, version 3.17 or newer, from which restore brings them back.
      Then the container is gone, unless --leave-running or --pre-dump is given. When CRIU fails the container runs on; what it
      did is in dump.log, in the directory of --work-path or of the images.

      What exec has brought into the container is not saved: it belongs to whoever brought it in. A container without a pid
      namespace of its own can only be restored where its pids are free. Of a container with a user namespace, the directory of
      the images, where it is new, can be passed through by the group of the container's root, which must reach them for a restore.

      The file /etc/criu/tsrunc.conf, or /etc/criu/runc.conf where there is none, configures CRIU beyond these flags; the
      annotation org.criu.config names another one, or none if it is empty.`,
    flags: {
      ...criuFlagTexts(),
      "work-path": "Directory for the log and for other files of CRIU. Default: that of the images.",
      "lazy-pages": "Send memory to those who ask for it at --page-server, which it needs, instead of writing it to the images.",
      "parent-path": "Directory of an earlier --pre-dump, relative to that of the images: only what has changed since then is saved.",
      "pre-dump": "Save memory alone and let the container run, for a checkpoint to come that has less to save.",
      "leave-running": "Let the container run on.",
      "tcp-skip-in-flight": "Leave out TCP connections that are not established yet.",
      "link-remap": "Allow open files whose names were removed: CRIU gives them new ones.",
      "page-server": "Send memory to the page server of CRIU that listens there.",
      "status-fd": "With --lazy-pages, write a zero byte to this descriptor once memory can be asked for.",
    },
    example: [
      "tsrunc checkpoint --image-path /var/lib/images/web web",
      "tsrunc restore -d -b /containers/web --image-path /var/lib/images/web web",
    ],
  };
}
