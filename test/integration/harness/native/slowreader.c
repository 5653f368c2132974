/*
 * slowreader PROGRAM ARGUMENT...
 *
 * Runs PROGRAM with a full, non-blocking pipe as standard output, reads the pipe only after 200 ms, and prints what PROGRAM wrote.
 * Exits with PROGRAM's status, or with 125 if PROGRAM did not wait or changed the pipe's flags.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	exit(125);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: slowreader PROGRAM ARGUMENT...\n");
		return 125;
	}
	int ends[2];
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		fail("pipe2");
	long filled = 0;
	while (write(ends[1], "#", 1) == 1)
		filled++;
	if (errno != EAGAIN)
		fail("write");
	pid_t pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		dup2(ends[1], 1);
		execv(argv[1], argv + 1);
		fail(argv[1]);
	}
	usleep(200 * 1000);
	if (waitpid(pid, NULL, WNOHANG) != 0) {
		fprintf(stderr, "slowreader: the program did not wait for its reader\n");
		return 125;
	}
	if (!(fcntl(ends[1], F_GETFL) & O_NONBLOCK)) {
		fprintf(stderr, "slowreader: the pipe's flags were changed\n");
		return 125;
	}
	close(ends[1]);
	if (fcntl(ends[0], F_SETFL, 0) < 0)
		fail("fcntl");
	char byte;
	while (read(ends[0], &byte, 1) == 1)
		if (filled-- <= 0)
			putchar(byte);
	int status;
	if (waitpid(pid, &status, 0) != pid)
		fail("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
