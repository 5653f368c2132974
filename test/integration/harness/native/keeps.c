/*
 * keeps KIND ARGUMENT...
 *
 * Holds a resource that CRIU dumps only with an option, and counts in the target of the symlink /count while the resource works. It is
 * static, so that it runs in any container.
 *
 *   lock FILE           an flock(2) lock
 *   datagram SOCKET     a datagram socket that is connected to SOCKET; sends it a line per count
 *   tcp PORT            a connection to 127.0.0.1:PORT; sends a byte, and counts when it comes back
 *   listen PORT         a listening socket whose connections are never accepted
 *   memory MEGABYTES    memory with data in every page; compares the data before each count
 *   echo PORT           on the host: an echo server on 127.0.0.1 for `tcp`; prints "listening"
 *   connect PORT        on the host: a permanent connection to 127.0.0.1:PORT; prints "connected"
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void fail(const char *what)
{
	fprintf(stderr, "keeps: %s: %s\n", what, strerror(errno));
	exit(125);
}

/* Publishes the next number as a symlink's target, which needs no open file. */
static void count(void)
{
	static unsigned number;
	char text[16];
	snprintf(text, sizeof text, "%u", ++number);
	if ((symlink(text, "/count.new") && errno != EEXIST) || rename("/count.new", "/count"))
		fail("/count");
}

static void rest(void)
{
	usleep(100000);
}

static int tcp(const char *port, struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
	*address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes))
		fail("socket");
	return fd;
}

static int connected(const char *port)
{
	struct sockaddr_in address;
	int fd = tcp(port, &address);
	if (connect(fd, (struct sockaddr *)&address, sizeof address))
		fail("connect");
	return fd;
}

static int listening(const char *port)
{
	struct sockaddr_in address;
	int fd = tcp(port, &address);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 5))
		fail("listen");
	return fd;
}

static void keep_lock(const char *file)
{
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		fail(file);
	for (;; rest())
		count();
}

static void keep_datagram(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (strlen(name) >= sizeof address.sun_path)
		fail("too long");
	strcpy(address.sun_path, name);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
		fail(name);
	for (;; rest()) {
		if (send(fd, "tick", 4, 0) != 4)
			fail("send");
		count();
	}
}

static void keep_connection(const char *port)
{
	char byte = 'x';
	for (int fd = connected(port);; rest()) {
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			fail("connection");
		count();
	}
}

static void keep_memory(const char *megabytes)
{
	size_t size = (size_t)atoi(megabytes) << 20;
	unsigned char *memory = malloc(size);
	if (!memory)
		fail("malloc");
	for (size_t at = 0; at < size; at += 4096)
		*(size_t *)(memory + at) = at + 1;
	for (;; rest()) {
		for (size_t at = 0; at < size; at += 4096)
			if (*(size_t *)(memory + at) != at + 1)
				fail("memory has changed");
		count();
	}
}

static void echo(const char *port)
{
	int fd = listening(port);
	printf("listening\n");
	fflush(stdout);
	for (;;) {
		char byte;
		int client = accept(fd, NULL, NULL);
		while (client >= 0 && read(client, &byte, 1) == 1 && write(client, &byte, 1) == 1)
			;
		close(client);
	}
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: keeps KIND ARGUMENT\n");
		return 125;
	}
	const char *kind = argv[1], *argument = argv[2];
	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(kind, "lock"))
		keep_lock(argument);
	if (!strcmp(kind, "datagram"))
		keep_datagram(argument);
	if (!strcmp(kind, "tcp"))
		keep_connection(argument);
	if (!strcmp(kind, "memory"))
		keep_memory(argument);
	if (!strcmp(kind, "echo"))
		echo(argument);
	if (!strcmp(kind, "listen")) {
		for (listening(argument);; rest())
			count();
	}
	if (!strcmp(kind, "connect")) {
		connected(argument);
		printf("connected\n");
		fflush(stdout);
		pause();
	}
	return 125;
}
