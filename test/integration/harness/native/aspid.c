/*
 * aspid PID
 *
 * Makes a process with the process ID PID (clone3(2), set_tid: needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE), prints "made" and
 * waits for SIGTERM. Then exits with 0 if the process is still alive, else with 1. Shows whether a program signals a reused PID.
 */
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: aspid PID\n");
		return 125;
	}
	sigset_t terminate;
	sigemptyset(&terminate);
	sigaddset(&terminate, SIGTERM);
	sigprocmask(SIG_BLOCK, &terminate, NULL);
	pid_t wanted = atoi(argv[1]);
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&wanted,
		.set_tid_size = 1,
	};
	long pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid < 0) {
		fprintf(stderr, "aspid: clone3: %s\n", strerror(errno));
		return 125;
	}
	if (pid == 0) {
		sigprocmask(SIG_UNBLOCK, &terminate, NULL);
		for (;;)
			pause();
	}
	printf("made\n");
	fflush(stdout);
	sigwaitinfo(&terminate, NULL);
	int alive = waitpid(pid, NULL, WNOHANG) == 0;
	kill(pid, SIGKILL);
	return alive ? 0 : 1;
}
