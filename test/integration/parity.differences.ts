/**
 * The known differences of what a container sees, for parity.test.ts.
 */
export interface ParityDifference {
  reason: string;
  /** Runtimes under test that have it, by name. */
  runtime: RegExp;
  /** The other runtime. */
  with: "runc" | "crun";
  /** `ASPECT + LINE` is seen with the runtime under test only, `ASPECT - LINE` with the other one only. */
  lines: string[];
}

const tsrunc = /^tsrunc/;
const runc = /^runc$/;
const both = /^(tsrunc|runc)/;

export const differences: ParityDifference[] = [
  {
    reason: "tsrunc makes the tmpfs that holds the v1 cgroup mounts read-only, as the config says of the mount",
    runtime: tsrunc,
    with: "runc",
    lines: [
      "mountinfo + /sys/fs/cgroup tmpfs nodev,noexec,nosuid,relatime,ro mode=755,rw private",
      "mountinfo - /sys/fs/cgroup tmpfs nodev,noexec,nosuid,relatime,rw mode=755,rw private",
    ],
  },
  {
    reason: "tsrunc makes the tmpfs that holds the v1 cgroup mounts read-only, and of mode 755 as runc does",
    runtime: tsrunc,
    with: "crun",
    lines: [
      "mountinfo + /sys/fs/cgroup tmpfs nodev,noexec,nosuid,relatime,ro mode=755,rw private",
      "mountinfo - /sys/fs/cgroup tmpfs nodev,noexec,nosuid,relatime,rw rw private",
    ],
  },
  {
    reason: "runc makes the tmpfs that holds the v1 cgroup mounts of mode 755, crun of mode 1777",
    runtime: runc,
    with: "crun",
    lines: [
      "mountinfo + /sys/fs/cgroup tmpfs nodev,noexec,nosuid,relatime,rw mode=755,rw private",
      "mountinfo - /sys/fs/cgroup tmpfs nodev,noexec,nosuid,relatime,rw rw private",
    ],
  },
  {
    reason: "tsrunc masks all folders with one read-only tmpfs of mode 755, runc each with one of its own",
    runtime: tsrunc,
    with: "runc",
    lines: [
      "mountinfo + /proc/acpi tmpfs relatime,ro mode=755,ro private",
      "mountinfo + /sys/firmware tmpfs relatime,ro mode=755,ro private",
      "mountinfo - /proc/acpi tmpfs relatime,ro ro private",
      "mountinfo - /sys/firmware tmpfs relatime,ro ro private",
    ],
  },
  {
    reason: "tsrunc's tmpfs for masked folders is read-only itself, crun's is so by its mount only",
    runtime: tsrunc,
    with: "crun",
    lines: [
      "mountinfo + /proc/acpi tmpfs relatime,ro mode=755,ro private",
      "mountinfo + /sys/firmware tmpfs relatime,ro mode=755,ro private",
      "mountinfo - /proc/acpi tmpfs relatime,ro rw private",
      "mountinfo - /sys/firmware tmpfs relatime,ro rw private",
    ],
  },
  {
    reason: "runc's tmpfs for masked folders is read-only itself, crun's is so by its mount only",
    runtime: runc,
    with: "crun",
    lines: [
      "mountinfo + /proc/acpi tmpfs relatime,ro ro private",
      "mountinfo + /sys/firmware tmpfs relatime,ro ro private",
      "mountinfo - /proc/acpi tmpfs relatime,ro rw private",
      "mountinfo - /sys/firmware tmpfs relatime,ro rw private",
    ],
  },
  {
    reason: "crun masks files with the host's /dev/null, the others with the container's",
    runtime: both,
    with: "crun",
    lines: [
      "mountinfo + /proc/keys tmpfs nosuid,rw mode=755,rw private",
      "mountinfo + /proc/timer_list tmpfs nosuid,rw mode=755,rw private",
      "mountinfo - /proc/keys devtmpfs relatime,ro mode=755,rw private",
      "mountinfo - /proc/timer_list devtmpfs relatime,ro mode=755,rw private",
    ],
  },
  {
    reason: "crun sets ro on the mount of /sys only, the others on the file system as well",
    runtime: both,
    with: "crun",
    lines: [
      "mountinfo + /sys sysfs nodev,noexec,nosuid,relatime,ro ro private",
      "mountinfo - /sys sysfs nodev,noexec,nosuid,relatime,ro rw private",
    ],
  },
  {
    reason: "runc lets every process of the keyring's owner search it; tsrunc and crun leave it to those who possess it",
    runtime: tsrunc,
    with: "runc",
    lines: ['keyring + "sessionKeyring":"keyring;0;0;3f130000', 'keyring - "sessionKeyring":"keyring;0;0;3f1b0000'],
  },
  {
    reason: "runc lets every process of the keyring's owner search it",
    runtime: runc,
    with: "crun",
    lines: ['keyring + "sessionKeyring":"keyring;0;0;3f1b0000', 'keyring - "sessionKeyring":"keyring;0;0;3f130000'],
  },
];
