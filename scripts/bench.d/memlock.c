/*
 * memlock: runs a command for which raising RLIMIT_MEMLOCK always seems to succeed.
 *
 *   memlock PROGRAM [ARGUMENT...]
 *
 * crun 1.8 raises this limit before it loads a BPF program, such as its device rules on cgroup v2, and fails without CAP_SYS_RESOURCE.
 * The limit is no longer needed: since Linux 5.11, BPF memory is charged to the memory cgroup. So without that capability, a seccomp filter
 * reports success to PROGRAM and its children. Every runtime runs under it, so that all pay its cost.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#else
#error "the filter is for x86-64 and AArch64, both little-endian"
#endif

#define LOW(member) ((unsigned)offsetof(struct seccomp_data, member))
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)

/* prlimit64(pid, RLIMIT_MEMLOCK, new limit or NULL, old): glibc and musl implement setrlimit with it. Reading the limit stays allowed. */
static struct sock_filter filter[] = {
	LOAD(LOW(arch)), UNLESS(NATIVE, 7),
	LOAD(LOW(nr)), UNLESS(SYS_prlimit64, 5),
	LOAD(LOW(args[1])), UNLESS(RLIMIT_MEMLOCK, 3),
	LOAD(LOW(args[2])), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

int main(int argc, char **argv)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
	if (argc < 2) {
		fputs("usage: memlock PROGRAM [ARGUMENT...]\n", stderr);
		return 2;
	}
	if (setrlimit(RLIMIT_MEMLOCK, &all) && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		fprintf(stderr, "memlock: install the filter: %s\n", strerror(errno));
		return 125;
	}
	execv(argv[1], argv + 1);
	fprintf(stderr, "memlock: execute \"%s\": %s\n", argv[1], strerror(errno));
	return 125;
}
