/*
 * without RULE... -- PROGRAM [ARGUMENT...]: runs a program with a seccomp filter that makes system calls fail, as on a kernel that
 * lacks them or in a sandbox that forbids them.
 *
 * A RULE is CALL,ERRNO[,ARG,MASK]: the call fails with this errno number. With ARG and MASK it fails only if the low 32 bits of the
 * argument with index ARG have a bit of MASK, which is hexadecimal.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#else
#error "the filter is for x86-64 and AArch64, both little-endian"
#endif

#define CALL(name) { #name, SYS_##name }

static const struct {
	const char *name;
	unsigned number;
} calls[] = {
	CALL(capget), CALL(capset), CALL(chdir), CALL(clone3), CALL(close_range), CALL(execveat), CALL(faccessat2), CALL(fchdir), CALL(fchown),
	CALL(fsconfig), CALL(fsmount), CALL(fsopen), CALL(fstatfs), CALL(ioctl), CALL(keyctl), CALL(memfd_create), CALL(mknodat),
	CALL(mount_setattr), CALL(move_mount), CALL(open_tree), CALL(openat2), CALL(pidfd_open), CALL(pidfd_send_signal), CALL(pivot_root),
	CALL(prctl), CALL(prlimit64), CALL(renameat2), CALL(seccomp), CALL(setgroups), CALL(sethostname), CALL(setresgid), CALL(setresuid),
	CALL(setns), CALL(setsid), CALL(statfs), CALL(symlinkat), CALL(umount2), CALL(unshare),
};

/* The number of a system call, or -1. */
static int number_of(const char *name)
{
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (!strcmp(calls[i].name, name))
			return (int)calls[i].number;
	return -1;
}

#define RULE_INSTRUCTIONS 5
#define MAX_RULES 64

static struct sock_filter filter[4 + MAX_RULES * RULE_INSTRUCTIONS];
static unsigned short length;

static void add(struct sock_filter instruction)
{
	filter[length++] = instruction;
}

static void load(size_t offset)
{
	add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offset));
}

int main(int argc, char **argv)
{
	int i;
	load(offsetof(struct seccomp_data, arch));
	add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE, 1, 0));
	add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	for (i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		char name[32];
		unsigned error = 0, arg = 0, mask = 0;
		int fields = sscanf(argv[i], "%31[^,],%u,%u,%x", name, &error, &arg, &mask);
		int number = fields > 0 ? number_of(name) : -1;
		if ((fields != 2 && fields != 4) || number < 0 || arg > 5 || i > MAX_RULES) {
			fprintf(stderr, "without: bad rule \"%s\"\n", argv[i]);
			return 125;
		}
		load(offsetof(struct seccomp_data, nr));
		add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, fields == 4 ? 3 : 1));
		if (fields == 4) {
			load(offsetof(struct seccomp_data, args[arg]));
			add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, mask, 0, 1));
		}
		add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error));
	}
	add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	if (i + 1 >= argc) {
		fputs("usage: without RULE... -- PROGRAM [ARGUMENT...]\n", stderr);
		return 125;
	}
	struct sock_fprog program = { length, filter };
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		fprintf(stderr, "without: install the filter: %s\n", strerror(errno));
		return 125;
	}
	execv(argv[i + 1], argv + i + 1);
	fprintf(stderr, "without: execute \"%s\": %s\n", argv[i + 1], strerror(errno));
	return 125;
}
