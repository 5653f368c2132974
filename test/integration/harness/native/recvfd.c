/*
 * recvfd terminal|pidfd SOCKET
 *
 * Plays the manager's side of --console-socket and --pidfd-socket: listens on SOCKET, prints "listening", accepts one
 * connection and receives one descriptor with SCM_RIGHTS (unix(7)).
 *
 * terminal: prints "received NAME" (the message's text), then copies standard input to the pty master and the master to
 *           standard output until no process has the terminal open.
 * pidfd:    prints "received NAME", "pid N" (/proc/self/fdinfo), then "ended" when the pidfd becomes readable.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void fail(const char *what)
{
	fprintf(stderr, "recvfd: %s: %s\n", what, strerror(errno));
	exit(125);
}

static int listen_on(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof address.sun_path) {
		errno = ENAMETOOLONG;
		fail(path);
	}
	strcpy(address.sun_path, path);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1))
		fail(path);
	return listener;
}

static int receive(int connection)
{
	char name[4096] = { 0 };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec text = { name, sizeof name - 1 };
	struct msghdr message = {
		.msg_iov = &text,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes,
	};
	if (recvmsg(connection, &message, MSG_CMSG_CLOEXEC) <= 0)
		fail("recvmsg");
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
		fprintf(stderr, "recvfd: no descriptor in the message\n");
		exit(125);
	}
	int fd;
	memcpy(&fd, CMSG_DATA(header), sizeof fd);
	printf("received %s\n", name);
	return fd;
}

static void copy_terminal(int master)
{
	struct pollfd sources[2] = { { 0, POLLIN, 0 }, { master, POLLIN, 0 } };
	char buffer[4096];
	for (;;) {
		if (poll(sources, 2, -1) < 0 && errno != EINTR)
			fail("poll");
		if (sources[1].revents) {
			ssize_t got = read(master, buffer, sizeof buffer);
			if (got <= 0)
				return; /* EIO: no process has the terminal open any more */
			if (write(1, buffer, got) != got)
				fail("write");
		}
		if (sources[0].revents) {
			ssize_t got = read(0, buffer, sizeof buffer);
			if (got <= 0)
				sources[0].fd = -1;
			else if (write(master, buffer, got) != got)
				fail("write");
		}
	}
}

static void watch_process(int pidfd)
{
	char path[64], line[256];
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
	FILE *info = fopen(path, "re");
	if (!info)
		fail(path);
	int pid = 0;
	while (fgets(line, sizeof line, info))
		sscanf(line, "Pid: %d", &pid);
	fclose(info);
	printf("pid %d\n", pid);
	fflush(stdout);
	struct pollfd source = { pidfd, POLLIN, 0 };
	while (poll(&source, 1, -1) < 0 && errno == EINTR)
		;
	printf("ended\n");
}

int main(int argc, char **argv)
{
	if (argc != 3 || (strcmp(argv[1], "terminal") && strcmp(argv[1], "pidfd"))) {
		fprintf(stderr, "usage: recvfd terminal|pidfd SOCKET\n");
		return 125;
	}
	int listener = listen_on(argv[2]);
	printf("listening\n");
	fflush(stdout);
	int connection = accept(listener, NULL, NULL);
	if (connection < 0)
		fail("accept");
	int fd = receive(connection);
	fflush(stdout);
	close(connection);
	close(listener);
	if (!strcmp(argv[1], "terminal"))
		copy_terminal(fd);
	else
		watch_process(fd);
	return 0;
}
