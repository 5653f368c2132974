/**
 * The validation programs that cannot pass, each with its reason, checked against OCI runtime-tools 260e151b8552 and runtime-spec 1.3.0.
 * The reasons apply to every runtime, and an unexpected pass is reported too. Those of kind "host" do not apply in the guest.
 */

export interface Reason {
  /**
   * host: the host lacks something that the guest has (scripts/guest.d/tests); kernel: current kernels lack it; suite: the suite is wrong
   * (`why` has file and line); spec: runtime-spec 1.3.0 demands the contrary (`why` has the sentence).
   */
  kind: "host" | "kernel" | "suite" | "spec";
  why: string;
  /** The program races, and passes now and then. */
  racy?: true;
}

/**
 * Programs with a race, which a correct runtime can lose. They get up to `attemptsAtRaces` attempts.
 * On two busy cores, poststart failed ten of fifteen times. At this rate all 30 attempts fail once in 190 000 runs.
 */
export const attemptsAtRaces = 30;
export const races: Readonly<Record<string, string>> = {
  killsig: "signals a shell that may not have executed its `trap` yet (validation/killsig/killsig.go:39)",
  poststart:
    "expects the program's output before the hook's, but the hook may run as soon as the program is executed (validation/poststart/poststart.go:70)",
};

const leafWeight =
  "the suite sets leaf weights, which Linux 5.0 removed together with CFQ (validation/linux_cgroups_blkio/linux_cgroups_blkio.go:35)";
const kernelMemory =
  "the suite reads back the limit of kernel memory, but since Linux 5.16 writes to memory.kmem.limit_in_bytes have no effect " +
  "(validation/util/linux_resources_memory.go:34)";
const hugetlb = "hugetlb is on this host's cgroup v2 hierarchy, but the suite supports only cgroup v1 (cgroups/cgroups.go:64)";

export const reasons: Readonly<Record<string, Reason>> = {
  hooks: {
    kind: "suite",
    why: 'hooks.go:79 compares with "post-start1", but the hooks write "post-start1 called" (line 47); even if the text matched, line 86 uses a nil error',
  },
  hooks_stdin: {
    kind: "spec",
    why:
      'it expects the status "created" in prestart hooks; but since 1.1.0 they "MUST be called as part of the create operation", and ' +
      '"created: the runtime has finished the create operation" (config.md, Prestart; runtime.md, State)',
  },
  linux_cgroups_blkio: { kind: "kernel", why: leafWeight },
  linux_cgroups_hugetlb: { kind: "host", why: hugetlb },
  linux_cgroups_memory: { kind: "kernel", why: kernelMemory },
  linux_cgroups_relative_blkio: { kind: "kernel", why: leafWeight },
  linux_cgroups_relative_hugetlb: { kind: "host", why: hugetlb },
  linux_cgroups_relative_memory: { kind: "kernel", why: kernelMemory },
  linux_mount_label: {
    kind: "host",
    why: 'no SELinux: "If the runtime cannot apply a property as specified in the configuration, it MUST generate an error" (runtime.md, Create)',
  },
  linux_process_apparmor_profile: {
    kind: "host",
    why: "no AppArmor; the guest has it, with the profile acme_secure_profile",
  },
  misc_props: {
    kind: "suite",
    why: "misc_props.go:47 runs /runtimetest, which is missing in that bundle (only RuntimeInsideValidate copies it, not util.PrepareBundle)",
  },
  pidfile: {
    kind: "suite",
    racy: true,
    why:
      "pidfile.go:60 kills a container whose program, `true`, has ended by then, and expects success; " +
      'but "Attempting to send a signal to a container that is neither created nor running MUST [...] generate an error" (runtime.md, Kill)',
  },
  poststart_fail: {
    kind: "spec",
    why: 'it expects only a warning; but since 1.3.0 "If any poststart hook fails, the runtime MUST generate an error, stop the container" (runtime.md, Lifecycle)',
  },
  prestart: {
    kind: "spec",
    why: 'it expects them at start; but since 1.1.0 "The prestart hooks MUST be called as part of the create operation" (config.md, Prestart)',
  },
  process_capabilities: {
    kind: "host",
    why: "the program asks for every capability, but the suite's caller lacks CAP_SYS_RESOURCE",
  },
  process_capabilities_fail: {
    kind: "spec",
    why:
      'it expects an error for an unknown capability; but since 1.1.0 "Any value which cannot be mapped to a relevant kernel interface [...] ' +
      'MUST be logged as a warning" (config.md, Linux Process)',
  },
  start: {
    kind: "suite",
    why:
      "start.go:112 expects start without process to succeed, although its own message says that this MUST generate an error; " +
      "the condition `err == nil` should be `err != nil`",
  },
};
