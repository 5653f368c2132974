/** `restore ID`: restores a container from the images of `checkpoint`. */

import { restoreContainer } from "../../runtime/operations/restore.js";
import type { CommandCall } from "../command.js";
import { criuOptions, noEmptyPaths } from "../criu-options.js";
import { usageError } from "../usage.js";

export function run(call: CommandCall): number {
  const { args, door, switches, values, global } = call;
  noEmptyPaths("restore", call, ["image-path", "work-path", "lsm-mount-context"]);
  return restoreContainer(call.context(), args[0] ?? "", {
    ...criuOptions(call),
    bundle: values["bundle"],
    consoleSocket: values["console-socket"],
    pidFile: values["pid-file"],
    detach: switches.has("detach"),
    subreaper: !switches.has("no-subreaper"),
    lsmProfile: lsmProfile(values["lsm-profile"]),
    lsmMountContext: values["lsm-mount-context"],
    cgroupManager: global.cgroupManager,
    runtimeDirectory: door.env["XDG_RUNTIME_DIR"],
    rootless: global.rootless,
  });
}

function lsmProfile(value: string | undefined): string | undefined {
  if (value !== undefined && !/^(apparmor|selinux):./.test(value))
    throw usageError("restore", `flag "--lsm-profile" is apparmor:NAME or selinux:LABEL, not ${JSON.stringify(value)}`);
  return value;
}
