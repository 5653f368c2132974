/*
 * attributes COMMAND...: sets every attribute that is inherited across fork or exec to a non-default value, then executes the command.
 * process-inheritance.test.ts expects these values.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void must(long result, const char *what)
{
	if (result != -1)
		return;
	fprintf(stderr, "attributes: %s: %s\n", what, strerror(errno));
	exit(125);
}

static void write_file(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);
	must(file, path);
	must(write(file, text, strlen(text)), path);
	close(file);
}

/* Gives this process a controlling terminal. Keeps the master open, since closing it would send SIGHUP to the session. */
static void take_terminal(void)
{
	setsid(); /* may fail: we can be a session leader already */
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	must(master, "posix_openpt");
	must(unlockpt(master), "unlockpt");
	int terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	must(terminal, "open the terminal");
	must(ioctl(terminal, TIOCSCTTY, 0), "TIOCSCTTY");
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 125;
	take_terminal();
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	must(sched_setaffinity(0, sizeof cpus, &cpus), "sched_setaffinity");
	must(setpriority(PRIO_PROCESS, 0, 7), "setpriority");
	struct sched_param none = {0};
	must(sched_setscheduler(0, SCHED_BATCH, &none), "sched_setscheduler");
	/* IOPRIO_WHO_PROCESS; class best effort, level 6 */
	must(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6), "ioprio_set");
	write_file("/proc/self/oom_score_adj", "321");
	write_file("/proc/self/coredump_filter", "0x17");
	must(prctl(PR_SET_TIMERSLACK, 123456), "PR_SET_TIMERSLACK");
	must(personality(ADDR_NO_RANDOMIZE), "personality");
	umask(077);
	struct rlimit core = {12345, 23456};
	must(setrlimit(RLIMIT_CORE, &core), "setrlimit");
	/* MPOL_LOCAL; kernels without NUMA lack this call */
	if (syscall(SYS_set_mempolicy, 4, NULL, 0) == -1 && errno != ENOSYS)
		must(-1, "set_mempolicy");
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
	/* SECBIT_NO_CAP_AMBIENT_RAISE */
	must(prctl(PR_SET_SECUREBITS, 1 << 6), "PR_SET_SECUREBITS");
	must(prctl(PR_SET_KEEPCAPS, 1), "PR_SET_KEEPCAPS");
	must(prctl(PR_SET_CHILD_SUBREAPER, 1), "PR_SET_CHILD_SUBREAPER");
	must(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), "PR_SET_THP_DISABLE");
	must(prctl(PR_SET_PDEATHSIG, SIGUSR1), "PR_SET_PDEATHSIG");
	must(prctl(PR_SET_DUMPABLE, 0), "PR_SET_DUMPABLE");
	/* KEYCTL_JOIN_SESSION_KEYRING */
	must(syscall(SYS_keyctl, 1, "of-the-caller"), "keyctl");
	sigset_t blocked;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	must(sigprocmask(SIG_BLOCK, &blocked, NULL), "sigprocmask");
	signal(SIGUSR2, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGRTMIN, SIG_IGN);
	execv(argv[1], argv + 1);
	must(-1, argv[1]);
}
