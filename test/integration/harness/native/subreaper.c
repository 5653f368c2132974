/*
 * subreaper LOG COMMAND [ARG...]
 *
 * Runs COMMAND, and acts as its child subreaper (prctl(2), PR_SET_CHILD_SUBREAPER), like conmon or a containerd shim: adopts and
 * reaps each container's init, which becomes an orphan when `create` ends. Appends a line "pid wait-status" to LOG for each reaped
 * process except COMMAND. When COMMAND ends, kills its remaining descendants and exits with its status.
 * COMMAND inherits no descriptor above 2, so that any descriptor in a container comes from the runtime.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t command;

static void forward(int signal)
{
	kill(command, signal);
}

static void fail(const char *what)
{
	fprintf(stderr, "subreaper: %s: %s\n", what, strerror(errno));
	exit(125);
}

/* Kills the remaining descendants of COMMAND. Repeats, because grandchildren become our children when their parents die. */
static void kill_descendants(void)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
	for (;;) {
		FILE *children = fopen(path, "re");
		if (!children)
			fail(path);
		int pid, found = 0;
		while (fscanf(children, "%d", &pid) == 1) {
			kill(pid, SIGKILL);
			found = 1;
		}
		fclose(children);
		if (!found)
			return;
		while (waitpid(-1, NULL, 0) > 0)
			;
	}
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: subreaper LOG COMMAND [ARG...]\n");
		return 125;
	}
	int log = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (log < 0)
		fail(argv[1]);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		fail("PR_SET_CHILD_SUBREAPER");
	command = fork();
	if (command < 0)
		fail("fork");
	if (command == 0) {
		if (close_range(3, ~0u, 0))
			fail("close_range");
		execvp(argv[2], argv + 2);
		fail(argv[2]);
	}
	signal(SIGINT, forward);
	signal(SIGTERM, forward);
	signal(SIGHUP, forward);
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, 0);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			fail("waitpid");
		if (pid == command) {
			kill_descendants();
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
		char line[64];
		int length = snprintf(line, sizeof line, "%d %d\n", pid, status);
		if (write(log, line, length) != length)
			fail("write");
	}
}
