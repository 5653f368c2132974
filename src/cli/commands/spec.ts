/** `spec`: writes a default config.json. */

import { RuntimeError, errorFromFailure } from "../../runtime/errors.js";
import { attempt, hostFacts } from "../../runtime/native.js";
import { defaultSpec } from "../../runtime/runtime.js";
import type { CommandCall } from "../command.js";
import { EXIT_STATUS } from "../exit-status.js";

export function run({ door, values, switches }: CommandCall): number {
  const { euid, egid, cgroupMode } = hostFacts(door);
  const spec = defaultSpec({
    rootless: switches.has("rootless") ? { uid: euid, gid: egid } : undefined,
    cgroupNamespace: cgroupMode === "v2",
  });
  const path = `${values["bundle"] ?? "."}/config.json`;
  const { failure } = attempt(door, "done", { op: "createFile", path, text: `${JSON.stringify(spec, null, "\t")}\n`, mode: 0o644 });
  if (failure?.code === "exists")
    throw new RuntimeError("config.json exists, remove it first", { code: "exists", operation: `write ${JSON.stringify(path)}`, path });
  if (failure) throw errorFromFailure(failure);
  return EXIT_STATUS.success;
}
