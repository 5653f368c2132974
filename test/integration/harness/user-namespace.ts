/** Makes bundles for containers in a user namespace. */
import { lchownSync, readdirSync, statSync } from "node:fs";
import { setNamespace } from "./config.js";
import type { Bundle, BundleOptions, Context } from "./context.js";

/** The uid and gid on the host that map to root in the container. */
export const base = 100000;

/** The container's uid and gid mappings. */
export const mapping = [{ containerID: 0, hostID: base, size: 65536 }];

/** Changes the owner and group of a file, or of a folder and everything in it. */
export function chownTree(path: string, owner: number): void {
  lchownSync(path, owner, owner);
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) chownTree(`${path}/${entry.name}`, owner);
    else lchownSync(`${path}/${entry.name}`, owner, owner);
  }
}

/** Makes a bundle in a user namespace, whose rootfs belongs to the container's root. */
export function mappedBundle(c: Context, options: BundleOptions): Bundle {
  const bundle = c.bundle({
    ...options,
    config: (config) => {
      setNamespace(config, "user");
      config.linux.uidMappings = mapping;
      config.linux.gidMappings = mapping;
      options.config?.(config);
    },
  });
  chownTree(bundle.rootfs, base);
  return bundle;
}
