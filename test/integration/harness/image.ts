/**
 * The image that the managers run: its only layer is the tests' busybox root file system.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { spawnSync } from "node:child_process";
import { makeRootfs } from "./rootfs.js";
import type { Context } from "./context.js";

/** The image's name after an import. */
export const image = "example.org/busybox:test";

/**
 * Writes the image as a tar archive that is both an OCI image layout and an archive for `docker load`. Returns its path.
 * The image sets the environment variable FROM_IMAGE and the working directory /home/worker.
 */
export function imageArchive(c: Context): string {
  const layout = c.folder("layout");
  mkdirSync(`${layout}/blobs/sha256`, { recursive: true });
  const rootfs = c.folder("image");
  makeRootfs("busybox", rootfs);
  assert.equal(spawnSync("tar", ["-C", rootfs, "-cf", `${layout}/layer`, "."]).status, 0);
  const blob = (content: Uint8Array): { digest: string; size: number } => {
    const digest = createHash("sha256").update(content).digest("hex");
    writeFileSync(`${layout}/blobs/sha256/${digest}`, content);
    return { digest: `sha256:${digest}`, size: content.length };
  };
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const layer = blob(readFileSync(`${layout}/layer`));
  rmSync(`${layout}/layer`);
  const config = blob(
    json({
      architecture: "amd64",
      os: "linux",
      config: { Env: ["PATH=/bin", "FROM_IMAGE=yes"], Cmd: ["sh"], WorkingDir: "/home/worker" },
      rootfs: { type: "layers", diff_ids: [layer.digest] },
    }),
  );
  const type = "application/vnd.oci.image";
  const manifest = blob(
    json({
      schemaVersion: 2,
      mediaType: `${type}.manifest.v1+json`,
      config: { mediaType: `${type}.config.v1+json`, ...config },
      layers: [{ mediaType: `${type}.layer.v1.tar`, ...layer }],
    }),
  );
  const reference = {
    mediaType: `${type}.manifest.v1+json`,
    ...manifest,
    annotations: { "io.containerd.image.name": image, "org.opencontainers.image.ref.name": image },
    platform: { architecture: "amd64", os: "linux" },
  };
  writeFileSync(`${layout}/index.json`, json({ schemaVersion: 2, manifests: [reference] }));
  writeFileSync(`${layout}/oci-layout`, json({ imageLayoutVersion: "1.0.0" }));
  const blobPath = ({ digest }: { digest: string }): string => `blobs/${digest.replace(":", "/")}`;
  writeFileSync(`${layout}/manifest.json`, json([{ Config: blobPath(config), RepoTags: [image], Layers: [blobPath(layer)] }]));
  const archive = `${c.directory}/image.tar`;
  assert.equal(spawnSync("tar", ["-C", layout, "-cf", archive, "."]).status, 0);
  return archive;
}
