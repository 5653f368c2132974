/*
 * entering INIT FOLDER[:FOLDER...] COMMAND ARGUMENT...
 *
 * Runs a command of the runtime and stops each of its processes at every system call. INIT is the first process of a container that runs
 * "probe look", which is asked at each stop what it can open of the stopped process, provided that it can name it:
 *   - it shares the pid namespace with the container, which is not the caller's;
 *   - or the pid namespace is the caller's, and the process has begun to join namespaces (setns(2)).
 * Processes that execute a file of the folders (a program of the container, or a hook) are let go.
 *
 * Prints a line for each kind of finding, CALL being the number of the system call that follows, at last "looked N times", and ends as the
 * command does:
 *   CALL: opened WHAT...
 *   CALL: holds PATH                   the host's file or folder, from descriptor 3 on
 *   CALL: holds the caller's root|cwd
 * The last two are only looked for in a pid namespace of the container's.
 *
 * probe cannot try to attach, because a process has one tracer. It reads the memory with process_vm_readv(2) instead, which the kernel allows on
 * the same terms (PTRACE_MODE_ATTACH_REALCREDS).
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

/* A traced thread. It goes on once both its first stop and its parent's report of it were seen, in either order. */
struct thread {
	pid_t tid;
	int stopped, announced, entered;
};

static struct thread threads[MOST];
static char findings[MOST][LINE];
static int finding_count, looks, mount_count;
static long mounts[MOST];
static int ask, answer;
static const char *init, *programs;
static int names_all;		/* the pid namespace is the caller's */
static char namespace[64];	/* the container's, as in /proc/PID/ns/pid */

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

/* The last field of a line of /proc/PID/status, -1 without such a line. */
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

/* The ids of the caller's mounts. Those of the container are others, and a clone that nobody has mounted is in no list. */
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

/* The host's files and folders that a descriptor leads to. Memory files and the like have no name. */
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

/* Whether the process still has the root, or is still in the working directory, of the caller. */
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
	if (strcmp(own, namespace) || (names_all && !thread->entered))
		return;
	dprintf(ask, "%ld\n", status_of(thread->tid, "NSpid:"));
	ssize_t length = read(answer, reply, sizeof reply - 1);
	if (length <= 0)
		fail("hear probe's answer");
	reply[strcspn((reply[length] = 0, reply), "\n")] = 0;
	looks++;
	if (strcmp(reply, "nothing"))
		report(call, "opened", reply);
	if (!names_all) {
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

static void go_on(struct thread *thread, int number)
{
	ptrace(PTRACE_SYSCALL, thread->tid, 0, number); /* ESRCH: it was killed meanwhile */
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

/* Returns whether the thread is let go. */
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
		go_on(child, 0);
	return 0;
}

static void handle_stop(struct thread *thread, int status)
{
	int number = WSTOPSIG(status), event = status >> 16;
	if (!thread->stopped) {
		thread->stopped = 1; /* the SIGSTOP that a new thread begins with */
		if (thread->announced)
			go_on(thread, 0);
		return;
	}
	if (number == (SIGTRAP | 0x80))
		handle_call(thread);
	else if (event && handle_event(thread, event))
		return;
	go_on(thread, number == (SIGTRAP | 0x80) || event ? 0 : number);
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
	names_all = !strcmp(own, namespace);
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
	go_on(thread, 0);
	status = trace(first);
	for (int i = 0; i < finding_count; i++)
		printf("%s\n", findings[i]);
	printf("looked %d times\n", looks);
	return status;
}
