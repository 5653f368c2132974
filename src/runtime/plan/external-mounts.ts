/** What of the host a container has mounted. Pure. */

import type { Operation } from "../generated/plan.js";

/** Something of the host that is mounted in the container. */
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
