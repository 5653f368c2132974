/*
 * datagrams SOCKET
 *
 * Plays a log daemon: binds the datagram socket SOCKET, prints "listening", then each received datagram as a line, in which bytes other
 * than printable ASCII, and backslashes, appear as \xNN. Runs until a signal kills it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static void fail(const char *what)
{
	fprintf(stderr, "datagrams: %s: %s\n", what, strerror(errno));
	exit(125);
}

int main(int argc, char **argv)
{
	static unsigned char bytes[1 << 18];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path) {
		fprintf(stderr, "usage: datagrams SOCKET\n");
		return 125;
	}
	strcpy(address.sun_path, argv[1]);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address))
		fail(argv[1]);
	printf("listening\n");
	for (;;) {
		fflush(stdout);
		ssize_t got = recv(fd, bytes, sizeof bytes, 0);
		if (got < 0)
			fail("recv");
		for (ssize_t at = 0; at < got; at++)
			printf(bytes[at] < ' ' || bytes[at] > '~' || bytes[at] == '\\' ? "\\x%02x" : "%c", bytes[at]);
		printf("\n");
	}
}
