/**
 * The output of `probe report`.
 */
export interface Report {
  /** real, effective, saved */
  uid: [number, number, number];
  gid: [number, number, number];
  groups: number[];
  /** the capability sets as 16 hexadecimal digits */
  effective: string;
  permitted: string;
  inheritable: string;
  bounding: string;
  ambient: string;
  /** name -> soft, hard, in decimal */
  rlimits: Record<string, [string, string]>;
  blockedSignals: string;
  ignoredSignals: string;
  /** number -> target of its link in /proc/self/fd */
  descriptors: Record<string, string>;
  terminal: string | null;
  controllingTerminal: boolean;
  windowSize: [number, number];
  foreground: number;
  sessionKeyring: string;
  sessionKeyringId: number;
  /** The texts of cgroup, oom_score_adj and attr/current in /proc/self; empty if unreadable. */
  cgroups: string;
  oomScoreAdj: string;
  label: string;
  args: string[];
  env: string[];
  cwd: string;
  hostname: string;
  domainname: string;
  umask: string;
  pid: number;
  parent: number;
  group: number;
  session: number;
  noNewPrivileges: number;
  dumpable: number;
  /** 2: a filter is loaded */
  seccomp: number;
  secureBits: number;
  keepCapabilities: number;
  parentDeathSignal: number;
  subreaper: number;
  personality: number;
  nice: number;
  /** SCHED_* */
  scheduler: number;
  /** As returned by ioprio_get(2). */
  ioPriority: number;
  /** MPOL_*, or -1 if the kernel lacks NUMA. */
  memoryPolicy: number;
  /** Nanoseconds. */
  timerSlack: number;
  hugePagesDisabled: number;
}

const capabilityNames = (
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST " +
  "NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE " +
  "SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM " +
  "BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)
  .split(" ")
  .map((name) => `CAP_${name}`);

/** The sorted names of the capabilities in a set of 16 hexadecimal digits. */
export function capabilities(set: string): string[] {
  const bits = BigInt(`0x${set}`);
  return capabilityNames.filter((_, number) => (bits >> BigInt(number)) & 1n).sort();
}

/** The environment as a record; the last value of a name wins. */
export function environmentOf(report: Report): Record<string, string> {
  return Object.fromEntries(report.env.map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]));
}
