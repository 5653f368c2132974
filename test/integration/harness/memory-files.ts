/**
 * Simulates a host that does not execute memfds.
 */

/** A prefix for a command line: runs it in a new pid namespace whose vm.memfd_noexec forbids executable memfds (Linux 6.3). */
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
