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
  killsig: "signals a shell that may not have come to its `trap` yet (validation/killsig/killsig.go:39)",
  poststart:
    "wants the program's output before that of the hook, which may run as soon as the program is executed (validation/poststart/poststart.go:70)",
};

const leafWeight =
  "there are no leaf weights since 5.0 (CFQ went), and the suite sets them (validation/linux_cgroups_blkio/linux_cgroups_blkio.go:35)";
const kernelMemory =
  "there is no limit of kernel memory since 5.16 (memory.kmem.limit_in_bytes is accepted and not kept), " +
  "and the suite reads it back (validation/util/linux_resources_memory.go:34)";
const hugetlb = "hugetlb is a controller of this host's cgroup v2 hierarchy; the suite knows cgroup v1 alone (cgroups/cgroups.go:64)";

export const reasons: Readonly<Record<string, Reason>> = {
  hooks: {
    kind: "suite",
    why: 'hooks.go:79 compares with "post-start1", the hooks write "post-start1 called" (line 47); where the text did match, line 86 uses a nil error',
  },
  hooks_stdin: {
    kind: "spec",
    why:
      'it wants the status "created" for prestart hooks; since 1.1.0 these "MUST be called as part of the create operation", and ' +
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
    why: "no AppArmor, for which the guest loads the profile acme_secure_profile",
  },
  misc_props: {
    kind: "suite",
    why: "misc_props.go:47 runs /runtimetest, which nobody copies into that bundle (util.PrepareBundle does not, only RuntimeInsideValidate)",
  },
  pidfile: {
    kind: "suite",
    racy: true,
    why:
      "pidfile.go:60 kills a container whose program, `true`, has ended by then, and takes the error for a failure; " +
      'it is one: "Attempting to send a signal to a container that is neither created nor running MUST [...] generate an error" (runtime.md, Kill)',
  },
  poststart_fail: {
    kind: "spec",
    why: 'it wants a warning alone; since 1.3.0 "If any poststart hook fails, the runtime MUST generate an error, stop the container" (runtime.md, Lifecycle)',
  },
  prestart: {
    kind: "spec",
    why: 'it wants them at start; since 1.1.0 "The prestart hooks MUST be called as part of the create operation" (config.md, Prestart)',
  },
  process_capabilities: {
    kind: "host",
    why: "the suite's caller has no CAP_SYS_RESOURCE to give, and the program asks for every capability",
  },
  process_capabilities_fail: {
    kind: "spec",
    why:
      'it wants an error for an unknown capability; since 1.1.0 "Any value which cannot be mapped to a relevant kernel interface [...] ' +
      'MUST be logged as a warning" (config.md, Linux Process)',
  },
  start: {
    kind: "suite",
    why:
      "start.go:112 takes success for right where its own text says that start MUST generate an error without process; " +
      "it reads `err == nil` and means `err != nil`",
  },
};
