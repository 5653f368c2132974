/**
 * A host on which memory files are never executed.
 */

/** Before a command line: in a pid namespace of its own, whose sysctl says that memory files are never executed (since Linux 6.3). */
export const withoutExecutableMemory = [
  "/usr/bin/unshare",
  "--pid",
  "--fork",
  "--kill-child",
  "--mount-proc",
  "sh",
  "-c",
  'echo 2 >/proc/sys/vm/memfd_noexec && exec "$@"',
  "sh",
] as const;
