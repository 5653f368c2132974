/** Device nodes and links in the container's /dev (config-linux.md#devices, #default-devices). */

import { RuntimeError } from "../errors.js";
import type { DeviceKind, HostFacts, Operation } from "../generated/plan.js";
import type { Device, Integer64, Spec } from "../spec/generated/spec-types.js";
import { sharesNamespace } from "./namespaces.js";
import { cleanAbsolute } from "./paths.js";

type DeviceOperation = Extract<Operation, { op: "device" }>;

/**
 * Name, major and minor number of the devices that every container has; all are character devices. The list also feeds the device rules
 * (`DEFAULT_DEVICE_RULES`).
 */
export const DEFAULT_DEVICES: readonly (readonly [name: string, major: number, minor: number])[] = [
  ["null", 1, 3],
  ["random", 1, 8],
  ["full", 1, 7],
  ["tty", 5, 0],
  ["zero", 1, 5],
  ["urandom", 1, 9],
];

/**
 * Everything below /dev, in order: nodes, then links. Nothing if /dev is a bind mount, which must not be changed.
 * @param kcoreExists whether the host has /proc/kcore, which /dev/core points to
 * @throws RuntimeError on a device type that Linux does not have.
 */
export function planDevices(spec: Spec, facts: HostFacts, kcoreExists: boolean): Operation[] {
  if (devIsBound(spec)) return [];
  const bind = facts.inUserNamespace || facts.euid !== 0 || !sharesNamespace(spec, "user");
  return [...planNodes(spec, bind), ...planLinks(kcoreExists)];
}

function devIsBound(spec: Spec): boolean {
  return (spec.mounts ?? []).some(
    (mount) =>
      cleanAbsolute(mount.destination) === "/dev" &&
      (mount.type === "bind" || (mount.options ?? []).some((option) => option === "bind" || option === "rbind")),
  );
}

function planNodes(spec: Spec, bind: boolean): DeviceOperation[] {
  const nodes = new Map<string, DeviceOperation>();
  for (const [name, major, minor] of DEFAULT_DEVICES) {
    const path = `/dev/${name}`;
    nodes.set(path, deviceOperation({ path, kind: "char", major, minor, mode: 0o666 }, bind));
  }
  spec.linux?.devices?.forEach((device, index) => {
    const node = planNode(device, `/linux/devices/${index}`, bind);
    // Always the link to the container's own devpts (config-linux.md, Default Devices), as with runc.
    if (node.path !== "/dev/ptmx") nodes.set(node.path, node);
  });
  return [...nodes.values()];
}

function planNode(device: Device, pointer: string, bind: boolean): DeviceOperation {
  const node = {
    path: cleanAbsolute(device.path),
    kind: deviceKind(device.type, pointer),
    major: deviceNumber(device.major, `${pointer}/major`),
    minor: deviceNumber(device.minor, `${pointer}/minor`),
    mode: (device.fileMode ?? 0o666) & 0o777,
    uid: device.uid ?? 0,
    gid: device.gid ?? 0,
    pointer,
  };
  return deviceOperation(node, bind);
}

/** Leaves `bind` out if false, which is the native layer's default. */
function deviceOperation(node: Omit<DeviceOperation, "op" | "bind">, bind: boolean): DeviceOperation {
  const operation: DeviceOperation = { op: "device", ...node };
  if (bind) operation.bind = bind;
  return operation;
}

function deviceKind(type: string, pointer: string): DeviceKind {
  switch (type) {
    case "c":
    case "u":
      return "char";
    case "b":
      return "block";
    case "p":
      return "fifo";
    default:
      throw new RuntimeError(`unknown device type "${type}"`, {
        code: "invalidConfig",
        operation: `${pointer}/type`,
        path: `${pointer}/type`,
      });
  }
}

/** @throws RuntimeError if the number does not fit into its part of a dev_t. */
export function deviceNumber(value: Integer64 | undefined, pointer: string): number {
  const number = Number(value ?? 0);
  if (!Number.isInteger(number) || number < 0 || number > 0xffff_ffff) {
    throw new RuntimeError(`${value} is no device number`, { code: "invalidConfig", operation: pointer, path: pointer });
  }
  return number;
}

function planLinks(kcoreExists: boolean): Operation[] {
  const links: [target: string, path: string][] = [
    ["pts/ptmx", "/dev/ptmx"],
    ["/proc/self/fd", "/dev/fd"],
    ["/proc/self/fd/0", "/dev/stdin"],
    ["/proc/self/fd/1", "/dev/stdout"],
    ["/proc/self/fd/2", "/dev/stderr"],
  ];
  if (kcoreExists) links.push(["/proc/kcore", "/dev/core"]);
  return links.map(([target, path]) => ({ op: "symlink", target, path }));
}
