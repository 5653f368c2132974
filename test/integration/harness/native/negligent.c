/*
 * negligent COMMAND [ARG...]
 *
 * A subreaper that does not reap orphans, like a slow manager: runs COMMAND, prints "exited STATUS", and then leaves every adopted orphan
 * a zombie until SIGTERM.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: negligent COMMAND [ARG...]\n");
		return 125;
	}
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) {
		perror("negligent: PR_SET_CHILD_SUBREAPER");
		return 125;
	}
	pid_t pid = fork();
	if (pid == 0) {
		execvp(argv[1], argv + 1);
		fprintf(stderr, "negligent: %s: %s\n", argv[1], strerror(errno));
		_exit(125);
	}
	int status;
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		perror("negligent");
		return 125;
	}
	printf("exited %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	fflush(stdout);
	for (;;)
		pause();
}
