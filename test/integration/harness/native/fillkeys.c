/*
 * fillkeys UID
 *
 * Adds keys as the user UID until its quota is exhausted (keyctl(2), EDQUOT), prints "full" and waits for a signal. The keys vanish with the
 * process.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROCESS_KEYRING (-2)

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: fillkeys UID\n");
		return 125;
	}
	if (syscall(SYS_setresuid, atoi(argv[1]), atoi(argv[1]), atoi(argv[1])) != 0) {
		fprintf(stderr, "fillkeys: setresuid: %s\n", strerror(errno));
		return 125;
	}
	for (int number = 0;; number++) {
		char name[32];
		snprintf(name, sizeof name, "fill-%d", number);
		if (syscall(SYS_add_key, "user", name, "x", 1, PROCESS_KEYRING) < 0)
			break;
	}
	if (errno != EDQUOT) {
		fprintf(stderr, "fillkeys: add_key: %s\n", strerror(errno));
		return 125;
	}
	puts("full");
	fflush(stdout);
	pause();
	return 0;
}
