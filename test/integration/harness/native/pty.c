/*
 * pty COMMAND [ARG...]
 *
 * Runs COMMAND in a new session whose controlling terminal is a new pseudoterminal. Copies standard input to the terminal, and
 * the terminal to standard output. Reads commands from descriptor 3, one per line, and answers each with a line on
 * descriptor 4:
 *
 *   size ROWS COLUMNS   sets the window size            -> ok
 *   modes               gets the terminal's termios     -> modes IFLAG OFLAG CFLAG LFLAG CC...   (hexadecimal)
 *   signal NUMBER       sends a signal to COMMAND       -> ok
 *   pid                 gets COMMAND's process ID       -> pid NUMBER
 *
 * When COMMAND ends, writes "exited STATUS" or "signalled NUMBER" to descriptor 4. The terminal stays open for commands until
 * descriptor 3 is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

enum { INPUT, COMMANDS, MASTER, CHILD, SOURCES };

static int child_ended[2];

static void on_child(int signal)
{
	(void)signal;
	int saved = errno;
	if (write(child_ended[1], "", 1) < 0)
		_exit(125);
	errno = saved;
}

static void fail(const char *what)
{
	fprintf(stderr, "pty: %s: %s\n", what, strerror(errno));
	exit(125);
}

static void write_all(int fd, const char *data, ssize_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, data, length);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return;
		data += written;
		length -= written;
	}
}

static void print_modes(int terminal)
{
	struct termios modes;
	if (tcgetattr(terminal, &modes))
		fail("tcgetattr");
	dprintf(4, "modes %x %x %x %x", modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag);
	for (int i = 0; i < NCCS; i++)
		dprintf(4, " %x", modes.c_cc[i]);
	dprintf(4, "\n");
}

static void run_command(char *line, int terminal, pid_t pid)
{
	struct winsize size = { 0 };
	int signal;
	if (sscanf(line, "size %hu %hu", &size.ws_row, &size.ws_col) == 2) {
		if (ioctl(terminal, TIOCSWINSZ, &size))
			fail("TIOCSWINSZ");
		dprintf(4, "ok\n");
	} else if (sscanf(line, "signal %d", &signal) == 1) {
		kill(pid, signal);
		dprintf(4, "ok\n");
	} else if (!strcmp(line, "modes")) {
		print_modes(terminal);
	} else if (!strcmp(line, "pid")) {
		dprintf(4, "pid %d\n", pid);
	} else {
		dprintf(4, "unknown command\n");
	}
}

/* One read from descriptor 3 may return several lines, or part of a line. Returns 0 at end of file. */
static int run_commands(int terminal, pid_t pid)
{
	static char pending[4096];
	static size_t used;
	ssize_t got = read(3, pending + used, sizeof pending - used - 1);
	if (got <= 0)
		return 0;
	used += got;
	pending[used] = 0;
	char *end;
	while ((end = strchr(pending, '\n'))) {
		*end = 0;
		run_command(pending, terminal, pid);
		used -= end + 1 - pending;
		memmove(pending, end + 1, used + 1);
	}
	return 1;
}

static void report_exit(pid_t pid)
{
	int status;
	if (waitpid(pid, &status, 0) != pid)
		fail("waitpid");
	if (WIFEXITED(status))
		dprintf(4, "exited %d\n", WEXITSTATUS(status));
	else
		dprintf(4, "signalled %d\n", WTERMSIG(status));
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: pty COMMAND [ARG...]\n");
		return 125;
	}
	int master, terminal;
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	if (openpty(&master, &terminal, NULL, NULL, &size))
		fail("openpty");
	if (pipe2(child_ended, O_CLOEXEC))
		fail("pipe2");
	fcntl(master, F_SETFD, FD_CLOEXEC);
	fcntl(3, F_SETFD, FD_CLOEXEC);
	fcntl(4, F_SETFD, FD_CLOEXEC);
	struct sigaction action = { .sa_handler = on_child, .sa_flags = SA_RESTART | SA_NOCLDSTOP };
	sigaction(SIGCHLD, &action, NULL);
	pid_t pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		if (login_tty(terminal))
			fail("login_tty");
		execvp(argv[1], argv + 1);
		fail(argv[1]);
	}
	struct pollfd sources[SOURCES] = {
		[INPUT] = { 0, POLLIN, 0 },
		[COMMANDS] = { 3, POLLIN, 0 },
		[MASTER] = { master, POLLIN, 0 },
		[CHILD] = { child_ended[0], POLLIN, 0 },
	};
	char buffer[4096];
	for (;;) {
		if (poll(sources, SOURCES, -1) < 0) {
			if (errno == EINTR)
				continue;
			fail("poll");
		}
		if (sources[MASTER].revents) {
			ssize_t got = read(master, buffer, sizeof buffer);
			if (got > 0)
				write_all(1, buffer, got);
			continue; /* drain the terminal before reporting the exit */
		}
		if (sources[INPUT].revents) {
			ssize_t got = read(0, buffer, sizeof buffer);
			if (got > 0)
				write_all(master, buffer, got);
			else
				sources[INPUT].fd = -1;
		}
		if (sources[CHILD].revents) {
			sources[CHILD].fd = -1;
			report_exit(pid);
		}
		if (sources[COMMANDS].revents && !run_commands(terminal, pid))
			return 0;
	}
}
