/** Mounts of a container whose source is on the host. Pure. */

import type { Operation } from "../generated/plan.js";

/** A mount whose source is on the host. */
export interface ExternalMount {
  /** Path in the container, as planned: links in it are not followed. */
  destination: string;
  /** Path on the host. */
  source: string;
}

/** All external mounts that a plan makes. */
export function externalMounts(operations: readonly Operation[]): ExternalMount[] {
  return operations.flatMap((operation) => {
    if (operation.op === "device") return operation.bind ? [{ destination: operation.path, source: operation.path }] : [];
    if (operation.op !== "mount") return [];
    const { destination, source } = operation;
    return source.kind === "bind" || source.kind === "mappedBind" ? [{ destination, source: source.source }] : [];
  });
}
