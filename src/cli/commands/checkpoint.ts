/** `checkpoint ID`: saves a running container. */

import { checkpointContainer } from "../../runtime/operations/checkpoint.js";
import type { CriuPageServer } from "../../runtime/generated/plan.js";
import type { CommandCall } from "../command.js";
import { criuOptions, noEmptyPaths } from "../criu-options.js";
import { EXIT_STATUS } from "../exit-status.js";
import { usageError } from "../usage.js";

export function run(call: CommandCall): number {
  const { args, switches, values } = call;
  noEmptyPaths("checkpoint", call, ["image-path", "work-path", "parent-path"]);
  // With port 0 CRIU would wait forever on a port that nobody knows.
  if (switches.has("lazy-pages") && values["page-server"] === undefined)
    throw usageError("checkpoint", 'flag "--lazy-pages" needs "--page-server"');
  checkpointContainer(call.context(), args[0] ?? "", {
    ...criuOptions(call),
    parentPath: parentPath(values["parent-path"]),
    preDump: switches.has("pre-dump"),
    leaveRunning: switches.has("leave-running"),
    tcpSkipInFlight: switches.has("tcp-skip-in-flight"),
    linkRemap: switches.has("link-remap"),
    pageServer: pageServer(values["page-server"]),
    statusFd: statusFd(values["status-fd"]),
  });
  return EXIT_STATUS.success;
}

function parentPath(value: string | undefined): string | undefined {
  if (value?.startsWith("/"))
    throw usageError("checkpoint", `flag "--parent-path" must be relative to the images, not ${JSON.stringify(value)}`);
  return value;
}

/** `127.0.0.1:27`, `[::1]:27` */
function pageServer(value: string | undefined): CriuPageServer | undefined {
  if (value === undefined) return undefined;
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(value) ?? [];
  const address = bracketed ?? plain;
  const number = Number(port);
  if (address === undefined || !(number >= 1 && number <= 65_535))
    throw usageError("checkpoint", `flag "--page-server" is ADDRESS:PORT, not ${JSON.stringify(value)}`);
  return { address, port: number };
}

function statusFd(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (!/^[0-9]{1,9}$/.test(value))
    throw usageError("checkpoint", `flag "--status-fd" is the number of a descriptor, not ${JSON.stringify(value)}`);
  return Number(value);
}
