/*
 * syscalls CALL...: makes system calls and prints a line for each: the returned number, or errno's name.
 *
 * A CALL is NUMBER[,ARG...]; a number may have a prefix:
 *   x32:       sets the bit of the x32 ABI
 *   i386:      uses int 0x80, as a 32-bit program would (up to three arguments)
 *   handled:   handles SIGSYS, and prints "SIGSYS NUMBER" if the call raises it
 *   thread:    makes the call in a new thread; the main thread then prints "alive"
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static sigjmp_buf before_call;
static volatile int trapped;

static void on_sigsys(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	trapped = info->si_syscall;
	siglongjmp(before_call, 1);
}

static long by_int_0x80(const long *call)
{
	long result = call[0];
	__asm__ volatile("int $0x80" : "+a"(result) : "b"(call[1]), "c"(call[2]), "d"(call[3]) : "memory", "r8", "r9", "r10", "r11");
	if (result < 0 && result > -4096) {
		errno = -result;
		return -1;
	}
	return result;
}

static void print_result(long result)
{
	if (result == -1)
		printf("%s\n", strerrorname_np(errno) ? strerrorname_np(errno) : "unknown errno");
	else
		printf("%ld\n", result);
	fflush(stdout);
}

static long make(const long *call)
{
	return syscall(call[0], call[1], call[2], call[3], call[4], call[5], call[6]);
}

static void *in_thread(void *call)
{
	make(call);
	return NULL;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *text = argv[i], *colon = strchr(text, ':');
		size_t prefix = colon ? (size_t)(colon - text) : 0;
		if (colon)
			text = colon + 1;
		long call[7] = { 0 };
		int count = 0;
		for (char *word = strtok(text, ","); word && count < 7; word = strtok(NULL, ","))
			call[count++] = (long)strtoull(word, NULL, 0);
		if (!strncmp(argv[i], "i386", prefix) && prefix)
			print_result(by_int_0x80(call));
		else if (!strncmp(argv[i], "thread", prefix) && prefix) {
			/* Not joined, because the thread may never exit. */
			pthread_t thread;
			if (pthread_create(&thread, NULL, in_thread, call))
				return 125;
			usleep(200 * 1000);
			printf("alive\n");
			fflush(stdout);
		} else if (!strncmp(argv[i], "handled", prefix) && prefix) {
			struct sigaction action = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };
			sigaction(SIGSYS, &action, NULL);
			if (sigsetjmp(before_call, 1))
				printf("SIGSYS %d\n", trapped);
			else
				print_result(make(call));
			fflush(stdout);
		} else {
			if (!strncmp(argv[i], "x32", prefix) && prefix)
				call[0] |= 0x40000000;
			print_result(make(call));
		}
	}
	return 0;
}
