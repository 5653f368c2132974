/**
 * The sentences that do not bind a Linux runtime: key (see extract.ts) -> whom they bind.
 */

const windows = "runtimes and configurations of Windows";
const solaris = "configurations of Solaris";
const imageAnnotations = "who writes the annotation: its value is for tools of images, not for the runtime";
const later = "later versions of the specification";

export const bindings: Readonly<Record<string, string>> = {
  "config.md > Root > 1": windows,
  "config.md > Root > 2": windows,
  "config.md > Root > 5": windows,
  "config.md > Root > 8": windows,
  "config.md > Mounts > 4": windows,
  "config.md > Mounts > 5": windows,
  "config.md > Mounts > 6": solaris,
  "config.md > Mounts > 7": "configurations of platforms that are neither Linux, Windows nor Solaris",
  "config.md > Mounts > 8": windows,
  "config.md > Process > 8": windows,
  "config.md > Platform-specific configuration > 1": windows,
  "config.md > Annotations > 4": imageAnnotations,
  "config.md > Annotations > 5": imageAnnotations,
  "config.md > Annotations > 6": imageAnnotations,
  "config.md > Annotations > 7": imageAnnotations,
  "config.md > Annotations > 8": imageAnnotations,
  "config.md > Annotations > 9": imageAnnotations,
  "config.md > Annotations > 10": imageAnnotations,
  "config.md > Annotations > 11": imageAnnotations,
  "config.md > Annotations > 12": imageAnnotations,
  "config.md > Annotations > 13": later,
};
