/*
 * killafter MICROSECONDS COMMAND [ARG...]
 *
 * Starts COMMAND, kills it with SIGKILL after MICROSECONDS (counted from its execve(2)), waits for it and prints one line on
 * descriptor 3: "killed", or "exited STATUS" if it ended first. Node's timers are too coarse for programs that run only a few
 * milliseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: killafter MICROSECONDS COMMAND [ARG...]\n");
		return 125;
	}
	fcntl(3, F_SETFD, FD_CLOEXEC);
	int executed[2];
	if (pipe2(executed, O_CLOEXEC)) {
		perror("killafter: pipe2");
		return 125;
	}
	pid_t pid = fork();
	if (pid < 0) {
		perror("killafter: fork");
		return 125;
	}
	if (pid == 0) {
		execvp(argv[2], argv + 2);
		fprintf(stderr, "killafter: %s: %s\n", argv[2], strerror(errno));
		_exit(125);
	}
	close(executed[1]);
	char unused;
	while (read(executed[0], &unused, 1) < 0 && errno == EINTR)
		;
	long microseconds = strtol(argv[1], NULL, 10);
	struct timespec delay = { microseconds / 1000000, microseconds % 1000000 * 1000 };
	nanosleep(&delay, NULL);
	kill(pid, SIGKILL);
	int status;
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		dprintf(3, "killed\n");
	else
		dprintf(3, "exited %d\n", WEXITSTATUS(status));
	return 0;
}
