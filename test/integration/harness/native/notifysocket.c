/*
 * notifysocket SOCKET
 *
 * Plays systemd's side of sd_notify(3): binds the datagram socket SOCKET, prints "listening", then each received message as a
 * line, with spaces for its newlines. Closes a descriptor sent with a message (BARRIER=1) at once: the sender waits for
 * that. Runs until a signal kills it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void fail(const char *what)
{
	fprintf(stderr, "notifysocket: %s: %s\n", what, strerror(errno));
	exit(125);
}

static void print_message(int fd)
{
	char text[4096];
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec vector = { text, sizeof text - 1 };
	struct msghdr message = {
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes,
	};
	ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	if (got < 0)
		fail("recvmsg");
	text[got] = 0;
	for (char *c = text; *c; c++)
		if (*c == '\n')
			*c = ' ';
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS) {
		int received;
		memcpy(&received, CMSG_DATA(header), sizeof received);
		close(received);
	}
	printf("%s\n", text);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path) {
		fprintf(stderr, "usage: notifysocket SOCKET\n");
		return 125;
	}
	strcpy(address.sun_path, argv[1]);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address))
		fail(argv[1]);
	printf("listening\n");
	fflush(stdout);
	for (;;)
		print_message(fd);
}
