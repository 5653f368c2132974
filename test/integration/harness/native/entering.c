/*
 * entering INIT FOLDER[:FOLDER...] COMMAND ARGUMENT...
 *
 * Shows what a container can access of the runtime's processes while they enter the container. Runs a command of the runtime and stops each
 * of its processes at every system call. INIT is the first process of a container that runs "probe look". At each stop, the helper asks probe
 * what it can open of the stopped process, provided that the process is visible in the container:
 *   - the container has its own pid namespace, and the process has joined it;
 *   - or the container uses the caller's pid namespace, and the process has begun to join namespaces (setns(2)).
 * The helper stops tracing processes that execute a file of the folders (a program of the container, or a hook).
 *
 * Prints each distinct finding as a line, where CALL is the number of the system call about to run, then "looked N times", and exits with
 * the command's status:
 *   CALL: opened WHAT...
 *   CALL: holds PATH                   a descriptor (3 or higher) of the host's file or folder
 *   CALL: holds the caller's root|cwd
 * It looks for the last two only if the container has its own pid namespace.
 *
 * probe cannot attach, because a process can have only one tracer. It reads memory with process_vm_readv(2) instead, which requires the same
 * permission (PTRACE_MODE_ATTACH_REALCREDS).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <linux/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 256, LINE = 512 };

/* A traced thread. A new one is resumed after both its first stop and the event in its parent, which can arrive in either order. */
struct thread {
	pid_t tid;
	int stopped, announced, entered; /* first stop seen; parent's event seen; has called setns */
};

static struct thread threads[MOST];
static char findings[MOST][LINE];
static int finding_count, looks, mount_count;
static long mounts[MOST];
static int ask, answer;
static const char *init, *programs;
static int shares_pidns;	/* the container uses the caller's pid namespace */
static char namespace[64];	/* the container's pid namespace, as in /proc/PID/ns/pid */

static void fail(const char *what)
{
	fprintf(stderr, "entering: %s: %s\n", what, strerror(errno));
	exit(125);
}

static struct thread *find(pid_t tid)
{
	struct thread *unused = NULL;
	for (int i = 0; i < MOST; i++) {
		if (threads[i].tid == tid)
			return &threads[i];
		if (!threads[i].tid && !unused)
			unused = &threads[i];
	}
	if (!unused) {
		errno = ENOSPC;
		fail("too many threads");
	}
	*unused = (struct thread){ .tid = tid };
	return unused;
}

static void read_link(char *text, size_t size, const char *format, const char *pid, const char *name)
{
	char path[300];
	snprintf(path, sizeof path, format, pid, name);
	ssize_t length = readlink(path, text, size - 1);
	text[length < 0 ? 0 : length] = 0;
}

/* Returns the last field of a line of /proc/PID/status, or -1 if there is no such line. */
static long status_of(pid_t tid, const char *name)
{
	char path[64], line[LINE];
	long value = -1;
	snprintf(path, sizeof path, "/proc/%d/status", tid);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof line, file)) {
		char *last = strrchr(line, '\t');
		if (!strncmp(line, name, strlen(name)) && last)
			value = atol(last + 1);
	}
	if (file)
		fclose(file);
	return value;
}

static void report(long call, const char *what, const char *object)
{
	char line[LINE];
	snprintf(line, sizeof line, "%ld: %s %s", call, what, object);
	for (int i = 0; i < finding_count; i++)
		if (!strcmp(findings[i], line))
			return;
	if (finding_count < MOST)
		strcpy(findings[finding_count++], line);
}

/* Reads the IDs of the caller's mounts. The container's mounts have other IDs, and detached mounts are not listed at all. */
static void read_mounts(void)
{
	char line[4096];
	FILE *file = fopen("/proc/self/mountinfo", "re");
	if (!file)
		fail("/proc/self/mountinfo");
	while (mount_count < MOST && fgets(line, sizeof line, file))
		mounts[mount_count++] = atol(line);
	fclose(file);
}

static int is_mounted_on_host(long mount)
{
	for (int i = 0; i < mount_count; i++)
		if (mounts[i] == mount)
			return 1;
	return 0;
}

/* Reports descriptors of the host's files and folders. Ignores memfds and the like, which have no links. */
static void look_at_descriptors(const char *pid, long call)
{
	char path[300], target[LINE], line[LINE];
	snprintf(path, sizeof path, "/proc/%s/fd", pid);
	DIR *folder = opendir(path);
	for (struct dirent *entry; folder && (entry = readdir(folder));) {
		struct stat info;
		snprintf(path, sizeof path, "/proc/%s/fd/%s", pid, entry->d_name);
		if (atoi(entry->d_name) < 3 || stat(path, &info) || !(S_ISDIR(info.st_mode) || (S_ISREG(info.st_mode) && info.st_nlink)))
			continue;
		read_link(target, sizeof target, "/proc/%s/fd/%s", pid, entry->d_name);
		snprintf(path, sizeof path, "/proc/%s/fdinfo/%s", pid, entry->d_name);
		FILE *file = fopen(path, "re");
		while (file && fgets(line, sizeof line, file))
			if (!strncmp(line, "mnt_id:", 7) && is_mounted_on_host(atol(line + 7)))
				report(call, "holds", target);
		if (file)
			fclose(file);
	}
	if (folder)
		closedir(folder);
}

/* Reports whether the process still has the root or the working directory of the caller. */
static void look_at_directories(const char *pid, long call)
{
	static const char *const names[] = { "root", "cwd" };
	char path[64];
	struct stat own, other;
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "/proc/self/%s", names[i]);
		int failed = stat(path, &own);
		snprintf(path, sizeof path, "/proc/%s/%s", pid, names[i]);
		if (!failed && !stat(path, &other) && own.st_dev == other.st_dev && own.st_ino == other.st_ino)
			report(call, "holds the caller's", names[i]);
	}
}

static void look(struct thread *thread, long call)
{
	char pid[16], own[64], reply[LINE];
	snprintf(pid, sizeof pid, "%d", thread->tid);
	read_link(own, sizeof own, "/proc/%s/ns/%s", pid, "pid");
	if (strcmp(own, namespace) || (shares_pidns && !thread->entered))
		return;
	dprintf(ask, "%ld\n", status_of(thread->tid, "NSpid:"));
	ssize_t length = read(answer, reply, sizeof reply - 1);
	if (length <= 0)
		fail("hear probe's answer");
	reply[strcspn((reply[length] = 0, reply), "\n")] = 0;
	looks++;
	if (strcmp(reply, "nothing"))
		report(call, "opened", reply);
	if (!shares_pidns) {
		look_at_descriptors(pid, call);
		look_at_directories(pid, call);
	}
}

static int is_in_folder(const char *folder, const struct stat *file)
{
	char path[PATH_MAX];
	struct stat other;
	int found = 0;
	DIR *open = opendir(folder);
	for (struct dirent *entry; open && (entry = readdir(open));) {
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		found |= !stat(path, &other) && other.st_dev == file->st_dev && other.st_ino == file->st_ino;
	}
	if (open)
		closedir(open);
	return found;
}

static int executes_program(pid_t tid)
{
	char path[64], list[PATH_MAX];
	struct stat own;
	int found = 0;
	snprintf(path, sizeof path, "/proc/%d/exe", tid);
	snprintf(list, sizeof list, "%s", programs);
	if (stat(path, &own))
		return 0;
	for (char *folder = strtok(list, ":"); folder; folder = strtok(NULL, ":"))
		found |= is_in_folder(folder, &own);
	return found;
}

/* Resumes a thread until the next stop, with the signal NUMBER or none (0). */
static void resume(struct thread *thread, int number)
{
	ptrace(PTRACE_SYSCALL, thread->tid, 0, number); /* may fail with ESRCH: the thread was killed meanwhile */
}

static void handle_call(struct thread *thread)
{
	struct ptrace_syscall_info info;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, thread->tid, sizeof info, &info) <= 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	if (info.entry.nr == SYS_setns)
		thread->entered = 1;
	look(thread, info.entry.nr);
}

/* Returns 1 if the thread is no longer traced. */
static int handle_event(struct thread *thread, int event)
{
	unsigned long message = 0;
	ptrace(PTRACE_GETEVENTMSG, thread->tid, 0, &message);
	if (event == PTRACE_EVENT_EXEC) {
		if (!executes_program(thread->tid))
			return 0;
		ptrace(PTRACE_DETACH, thread->tid, 0, 0);
		thread->tid = 0;
		return 1;
	}
	struct thread *child = find(message);
	child->announced = 1;
	child->entered = thread->entered;
	if (child->stopped)
		resume(child, 0);
	return 0;
}

static void handle_stop(struct thread *thread, int status)
{
	int number = WSTOPSIG(status), event = status >> 16;
	if (!thread->stopped) {
		thread->stopped = 1; /* a new thread begins with a SIGSTOP */
		if (thread->announced)
			resume(thread, 0);
		return;
	}
	if (number == (SIGTRAP | 0x80))
		handle_call(thread);
	else if (event && handle_event(thread, event))
		return;
	resume(thread, number == (SIGTRAP | 0x80) || event ? 0 : number);
}

static int trace(pid_t first)
{
	for (;;) {
		int status;
		pid_t tid = waitpid(-1, &status, __WALL);
		if (tid < 0)
			fail("wait");
		if (WIFSTOPPED(status)) {
			handle_stop(find(tid), status);
			continue;
		}
		find(tid)->tid = 0;
		if (tid == first)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: entering INIT FOLDER[:FOLDER...] COMMAND ARGUMENT...\n");
		return 125;
	}
	char path[64], own[64];
	init = argv[1];
	programs = argv[2];
	snprintf(path, sizeof path, "/proc/%s/root/ask", init);
	if ((ask = open(path, O_RDWR | O_CLOEXEC)) < 0)
		fail(path);
	snprintf(path, sizeof path, "/proc/%s/root/answer", init);
	if ((answer = open(path, O_RDWR | O_CLOEXEC)) < 0)
		fail(path);
	read_link(namespace, sizeof namespace, "/proc/%s/ns/%s", init, "pid");
	read_link(own, sizeof own, "/proc/%s/ns/%s", "self", "pid");
	shares_pidns = !strcmp(own, namespace);
	read_mounts();
	pid_t first = fork();
	if (first < 0)
		fail("fork");
	if (!first) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			fail("ptrace");
		raise(SIGSTOP);
		execvp(argv[3], argv + 3);
		fail(argv[3]);
	}
	int status;
	long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
	if (waitpid(first, &status, 0) != first || ptrace(PTRACE_SETOPTIONS, first, 0, options))
		fail("trace the command");
	struct thread *thread = find(first);
	thread->stopped = thread->announced = 1;
	resume(thread, 0);
	status = trace(first);
	for (int i = 0; i < finding_count; i++)
		printf("%s\n", findings[i]);
	printf("looked %d times\n", looks);
	return status;
}
