/** All names in `linux.seccomp`, for `features`; the types prove that none is missing. */

import type { SeccompAction, SeccompArch, SeccompFlag, SeccompOperators } from "./generated/spec-types.js";

const actions: Record<SeccompAction, true> = {
  SCMP_ACT_ALLOW: true,
  SCMP_ACT_ERRNO: true,
  SCMP_ACT_KILL: true,
  SCMP_ACT_KILL_PROCESS: true,
  SCMP_ACT_KILL_THREAD: true,
  SCMP_ACT_LOG: true,
  SCMP_ACT_NOTIFY: true,
  SCMP_ACT_TRACE: true,
  SCMP_ACT_TRAP: true,
};

const operators: Record<SeccompOperators, true> = {
  SCMP_CMP_EQ: true,
  SCMP_CMP_GE: true,
  SCMP_CMP_GT: true,
  SCMP_CMP_LE: true,
  SCMP_CMP_LT: true,
  SCMP_CMP_MASKED_EQ: true,
  SCMP_CMP_NE: true,
};

/** libseccomp knows them all. Those with another byte order than the machine's cannot be combined with it in one filter. */
const architectures: Record<SeccompArch, true> = {
  SCMP_ARCH_AARCH64: true,
  SCMP_ARCH_ARM: true,
  SCMP_ARCH_LOONGARCH64: true,
  SCMP_ARCH_M68K: true,
  SCMP_ARCH_MIPS: true,
  SCMP_ARCH_MIPS64: true,
  SCMP_ARCH_MIPS64N32: true,
  SCMP_ARCH_MIPSEL: true,
  SCMP_ARCH_MIPSEL64: true,
  SCMP_ARCH_MIPSEL64N32: true,
  SCMP_ARCH_PARISC: true,
  SCMP_ARCH_PARISC64: true,
  SCMP_ARCH_PPC: true,
  SCMP_ARCH_PPC64: true,
  SCMP_ARCH_PPC64LE: true,
  SCMP_ARCH_RISCV64: true,
  SCMP_ARCH_S390: true,
  SCMP_ARCH_S390X: true,
  SCMP_ARCH_SH: true,
  SCMP_ARCH_SHEB: true,
  SCMP_ARCH_X32: true,
  SCMP_ARCH_X86: true,
  SCMP_ARCH_X86_64: true,
};

/** The flags by their names in a plan. */
export const seccompFlagNames: Record<SeccompFlag, "log" | "specAllow" | "tsync" | "waitKillableRecv"> = {
  SECCOMP_FILTER_FLAG_LOG: "log",
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: "specAllow",
  SECCOMP_FILTER_FLAG_TSYNC: "tsync",
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: "waitKillableRecv",
};

export const seccompActions = Object.keys(actions);
export const seccompOperators = Object.keys(operators);
export const seccompArchitectures = Object.keys(architectures);
