/** The state object of the specification (runtime.md#state), as shown to callers and to hooks. */

import type { HookState } from "../generated/plan.js";
import { OCI_VERSION } from "../oci.js";
import type { Status } from "./status.js";
import type { ContainerRecord } from "./record.js";

/** What `state` reports about a container. */
export interface ContainerState {
  ociVersion: string;
  id: string;
  /** 0 when stopped. */
  pid: number;
  status: Status;
  /** Absolute paths. */
  bundle: string;
  rootfs: string;
  /** RFC 3339. */
  created: string;
  annotations?: Record<string, string>;
  /** Login name of the user who created it; empty if not requested. */
  owner: string;
}

/** The fields of a record that are reported. */
type ReportedFields = Pick<ContainerRecord, "id" | "bundle" | "rootfs" | "created" | "annotations"> & {
  process?: { pid: number } | null;
};

/** @param owner login name for `record.ownerUid`, or empty */
export function ociState(record: ReportedFields, status: Status, owner: string): ContainerState {
  const annotated = record.annotations && Object.keys(record.annotations).length > 0;
  return {
    ociVersion: OCI_VERSION,
    id: record.id,
    pid: status === "stopped" ? 0 : (record.process?.pid ?? 0),
    status,
    bundle: record.bundle,
    rootfs: record.rootfs,
    created: record.created,
    ...(annotated ? { annotations: record.annotations } : {}),
    owner,
  } as ContainerState;
}

/** The state on the standard input of a hook. */
export function hookState(record: ContainerRecord, status: HookState["status"]): HookState {
  const pid = status === "stopped" ? 0 : (record.process?.pid ?? 0);
  return {
    ociVersion: OCI_VERSION,
    id: record.id,
    status,
    pid,
    bundle: record.bundle,
    ...(record.annotations && { annotations: record.annotations }),
  };
}
