/*
 * seccompagent SOCKET ERRNO
 *
 * Plays the agent at linux.seccomp.listenerPath: listens on SOCKET, prints "listening" and accepts one connection. Prints the number
 * of received descriptors, the text, and "closed" if the sender closes the connection within a second, else "open". Then answers
 * every notification with ERRNO (0: the call continues) and prints "call NUMBER" for each. Exits when the last filtered process
 * has exited.
 */
#include <errno.h>
#include <linux/seccomp.h>
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
	fprintf(stderr, "seccompagent: %s: %s\n", what, strerror(errno));
	exit(125);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (argc != 3 || strlen(argv[1]) >= sizeof address.sun_path)
		return 125;
	strcpy(address.sun_path, argv[1]);
	int answer = atoi(argv[2]);
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server < 0 || bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 1))
		fail(argv[1]);
	printf("listening\n");
	fflush(stdout);
	int connection = accept(server, NULL, NULL);
	if (connection < 0)
		fail("accept");

	static char text[1 << 20];
	union {
		char bytes[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { text, sizeof text - 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes };
	ssize_t length = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (length <= 0 || !header || header->cmsg_type != SCM_RIGHTS)
		fail("recvmsg");
	int listener;
	memcpy(&listener, CMSG_DATA(header), sizeof listener);
	struct pollfd more = { connection, POLLIN, 0 };
	ssize_t got = -1;
	while (poll(&more, 1, 1000) == 1 && (got = read(connection, text + length, sizeof text - 1 - length)) > 0) {
		length += got;
		got = -1;
	}
	printf("descriptors %zu\n%s\n%s\n", (header->cmsg_len - CMSG_LEN(0)) / sizeof(int), text, got ? "open" : "closed");
	fflush(stdout);

	for (;;) {
		struct pollfd source = { listener, POLLIN, 0 };
		if (poll(&source, 1, -1) < 0)
			fail("poll");
		if (!(source.revents & POLLIN))
			return 0; /* POLLHUP */
		struct seccomp_notif notification = { 0 };
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notification)) {
			if (errno == ENOENT || errno == EINTR)
				continue; /* the caller was killed meanwhile */
			fail("SECCOMP_IOCTL_NOTIF_RECV");
		}
		printf("call %d\n", notification.data.nr);
		fflush(stdout);
		struct seccomp_notif_resp response = { .id = notification.id, .error = -answer };
		if (!answer)
			response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) && errno != ENOENT)
			fail("SECCOMP_IOCTL_NOTIF_SEND");
	}
}
