/*
 * probe: the program that the tests run inside containers. It is static and needs no other files.
 *
 *   report [FILE]        writes the attributes of this process as a JSON object to FILE or standard output
 *   wait                 prints "ready", then "signal N" for each signal; ends with 0 on TERM, 3 on INT
 *   exit STATUS
 *   hold FILE            creates FILE, then sleeps forever
 *   winsize              prints "ROWS COLUMNS" at once and after each SIGWINCH; ends on a line of input
 *   notify MESSAGE       sends MESSAGE to $NOTIFY_SOCKET, like sd_notify(3)
 *   open FLAGS PATH      FLAGS r, w or rw: prints "opened" or errno's name
 *   mknod c|b M N PATH   prints "made" or errno's name
 *   label PATH           prints the SELinux label of a file, or of the session keyring for "@s"
 *   seize PID SECONDS    CVE-2019-5736: see below
 *   stuck                prints "ready", then blocks in the kernel where only SIGKILL works; needs CAP_SYS_PTRACE
 *   look                 for each line of /ask, a PID, writes a line to /answer: what it can open of that process, or "nothing"
 *   executables          prints "DEV:INO" once for each executable that it sees other processes of its pid namespace run
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void fail(const char *what)
{
	fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
	exit(125);
}

/* ---- report: prints JSON, with 64-bit numbers as strings ---- */

static void print_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(out, "\\%c", *c);
		else if (*c < 0x20)
			fprintf(out, "\\u%04x", *c);
		else
			fputc(*c, out);
	}
	fputc('"', out);
}

static void print_strings(FILE *out, const char *name, char **list)
{
	fprintf(out, "\"%s\":[", name);
	for (int i = 0; list[i]; i++) {
		if (i)
			fputc(',', out);
		print_string(out, list[i]);
	}
	fputs("],\n", out);
}

static void print_ids(FILE *out)
{
	uid_t user[3];
	gid_t group[3], groups[65536];
	if (getresuid(&user[0], &user[1], &user[2]) || getresgid(&group[0], &group[1], &group[2]))
		fail("getresuid");
	fprintf(out, "\"uid\":[%u,%u,%u],\"gid\":[%u,%u,%u],\"groups\":[", user[0], user[1], user[2], group[0], group[1], group[2]);
	int count = getgroups(65536, groups);
	for (int i = 0; i < count; i++)
		fprintf(out, "%s%u", i ? "," : "", groups[i]);
	fputs("],\n", out);
}

static void print_capabilities(FILE *out)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { 0 };
	if (syscall(SYS_capget, &header, data))
		fail("capget");
	uint64_t bounding = 0, ambient = 0;
	for (int capability = 0; capability < 64; capability++) {
		if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1)
			bounding |= 1ull << capability;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0) == 1)
			ambient |= 1ull << capability;
	}
	fprintf(out, "\"effective\":\"%016llx\",", (unsigned long long)data[1].effective << 32 | data[0].effective);
	fprintf(out, "\"permitted\":\"%016llx\",", (unsigned long long)data[1].permitted << 32 | data[0].permitted);
	fprintf(out, "\"inheritable\":\"%016llx\",", (unsigned long long)data[1].inheritable << 32 | data[0].inheritable);
	fprintf(out, "\"bounding\":\"%016llx\",\"ambient\":\"%016llx\",\n", (unsigned long long)bounding, (unsigned long long)ambient);
}

static void print_rlimits(FILE *out)
{
	static const char *const names[RLIM_NLIMITS] = {
		[RLIMIT_AS] = "RLIMIT_AS", [RLIMIT_CORE] = "RLIMIT_CORE", [RLIMIT_CPU] = "RLIMIT_CPU",
		[RLIMIT_DATA] = "RLIMIT_DATA", [RLIMIT_FSIZE] = "RLIMIT_FSIZE", [RLIMIT_LOCKS] = "RLIMIT_LOCKS",
		[RLIMIT_MEMLOCK] = "RLIMIT_MEMLOCK", [RLIMIT_MSGQUEUE] = "RLIMIT_MSGQUEUE", [RLIMIT_NICE] = "RLIMIT_NICE",
		[RLIMIT_NOFILE] = "RLIMIT_NOFILE", [RLIMIT_NPROC] = "RLIMIT_NPROC", [RLIMIT_RSS] = "RLIMIT_RSS",
		[RLIMIT_RTPRIO] = "RLIMIT_RTPRIO", [RLIMIT_RTTIME] = "RLIMIT_RTTIME",
		[RLIMIT_SIGPENDING] = "RLIMIT_SIGPENDING", [RLIMIT_STACK] = "RLIMIT_STACK",
	};
	fputs("\"rlimits\":{", out);
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit limit;
		if (getrlimit(i, &limit))
			fail("getrlimit");
		fprintf(out, "%s\"%s\":[\"%llu\",\"%llu\"]", i ? "," : "", names[i], (unsigned long long)limit.rlim_cur,
			(unsigned long long)limit.rlim_max);
	}
	fputs("},\n", out);
}

static void print_signals(FILE *out)
{
	sigset_t blocked;
	sigprocmask(SIG_BLOCK, NULL, &blocked);
	uint64_t blocked_bits = 0, ignored_bits = 0;
	for (int number = 1; number <= 64; number++) {
		struct sigaction action;
		if (sigismember(&blocked, number) == 1)
			blocked_bits |= 1ull << (number - 1);
		if (!sigaction(number, NULL, &action) && action.sa_handler == SIG_IGN)
			ignored_bits |= 1ull << (number - 1);
	}
	fprintf(out, "\"blockedSignals\":\"%016llx\",\"ignoredSignals\":\"%016llx\",\n", (unsigned long long)blocked_bits,
		(unsigned long long)ignored_bits);
}

/* Tries every number, so that it works without /proc; only the names need /proc. */
static void print_descriptors(FILE *out, int except)
{
	fputs("\"descriptors\":{", out);
	int first = 1;
	for (int fd = 0; fd < 20000; fd++) {
		struct stat info;
		char path[64], target[4096] = "";
		if (fd == except || fstat(fd, &info))
			continue;
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		ssize_t length = readlink(path, target, sizeof target - 1);
		target[length > 0 ? length : 0] = 0;
		fprintf(out, "%s\"%d\":", first ? "" : ",", fd);
		print_string(out, target);
		first = 0;
	}
	fputs("},\n", out);
}

static void print_terminal(FILE *out)
{
	struct winsize size = { 0 };
	const char *name = ttyname(0);
	fputs("\"terminal\":", out);
	if (name)
		print_string(out, name);
	else
		fputs(isatty(0) ? "\"unnamed\"" : "null", out);
	int controlling = open("/dev/tty", O_RDWR | O_CLOEXEC);
	fprintf(out, ",\"controllingTerminal\":%s,", controlling >= 0 ? "true" : "false");
	if (controlling >= 0)
		close(controlling);
	ioctl(0, TIOCGWINSZ, &size);
	fprintf(out, "\"windowSize\":[%u,%u],\"foreground\":%d,\n", size.ws_row, size.ws_col, isatty(0) ? (int)tcgetpgrp(0) : -1);
}

static void print_keyring(FILE *out)
{
	enum { GET_KEYRING_ID = 0, DESCRIBE = 6, SESSION_KEYRING = -3 };
	char description[512] = "";
	long id = syscall(SYS_keyctl, GET_KEYRING_ID, SESSION_KEYRING, 0, 0, 0);
	if (id > 0)
		syscall(SYS_keyctl, DESCRIBE, id, description, sizeof description - 1, 0);
	fputs("\"sessionKeyring\":", out);
	print_string(out, description);
	fprintf(out, ",\"sessionKeyringId\":%ld,\n", id);
}

/* Prints a file of /proc as a string, empty if unreadable. */
static void print_file(FILE *out, const char *name, const char *path)
{
	char text[8192] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	text[length > 0 ? length : 0] = 0;
	if (fd >= 0)
		close(fd);
	fprintf(out, "\"%s\":", name);
	print_string(out, text);
	fputs(",\n", out);
}

static void report(int argc, char **argv)
{
	FILE *out = argc > 2 ? fopen(argv[2], "we") : stdout;
	if (!out)
		fail(argv[2]);
	char directory[8192] = "";
	if (!getcwd(directory, sizeof directory))
		snprintf(directory, sizeof directory, "(%s)", strerror(errno));
	struct utsname names;
	uname(&names);
	mode_t mask = umask(0);
	umask(mask);
	int parent_death = 0, subreaper = 0;
	prctl(PR_GET_PDEATHSIG, &parent_death);
	prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
	fputs("{", out);
	print_ids(out);
	print_capabilities(out);
	print_rlimits(out);
	print_signals(out);
	print_descriptors(out, fileno(out) > 2 ? fileno(out) : -1);
	print_terminal(out);
	print_keyring(out);
	print_file(out, "cgroups", "/proc/self/cgroup");
	print_file(out, "oomScoreAdj", "/proc/self/oom_score_adj");
	print_file(out, "label", "/proc/self/attr/current");
	print_strings(out, "args", argv);
	print_strings(out, "env", environ);
	fputs("\"cwd\":", out);
	print_string(out, directory);
	fputs(",\"hostname\":", out);
	print_string(out, names.nodename);
	fputs(",\"domainname\":", out);
	print_string(out, names.domainname);
	fprintf(out, ",\n\"umask\":\"%04o\",\"pid\":%d,\"parent\":%d,\"group\":%d,\"session\":%d,", mask, getpid(), getppid(),
		getpgrp(), getsid(0));
	fprintf(out, "\"noNewPrivileges\":%d,\"dumpable\":%d,", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_DUMPABLE));
	fprintf(out, "\"seccomp\":%d,", prctl(PR_GET_SECCOMP));
	fprintf(out, "\"secureBits\":%d,\"keepCapabilities\":%d,", prctl(PR_GET_SECUREBITS), prctl(PR_GET_KEEPCAPS));
	fprintf(out, "\"parentDeathSignal\":%d,\"subreaper\":%d,", parent_death, subreaper);
	fprintf(out, "\"personality\":%d,\"nice\":%d,", personality(0xffffffff), getpriority(PRIO_PROCESS, 0));
	/* IOPRIO_WHO_PROCESS */
	fprintf(out, "\"scheduler\":%d,\"ioPriority\":%ld,", sched_getscheduler(0), syscall(SYS_ioprio_get, 1, 0));
	int memory_policy = -1; /* stays on a kernel without NUMA */
	syscall(SYS_get_mempolicy, &memory_policy, NULL, 0, NULL, 0);
	fprintf(out, "\"memoryPolicy\":%d,\"timerSlack\":%d,", memory_policy, prctl(PR_GET_TIMERSLACK));
	fprintf(out, "\"hugePagesDisabled\":%d}\n", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	if (fflush(out))
		fail("report");
}

/* ---- the other commands ---- */

static const char *error_name(int error)
{
	const char *name = strerrorname_np(error);
	return name ? name : "unknown";
}

static void wait_for_signals(void)
{
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		int number = sigwaitinfo(&all, NULL);
		if (number < 0 || number == SIGCHLD)
			continue;
		printf("signal %d\n", number);
		fflush(stdout);
		if (number == SIGTERM)
			exit(0);
		if (number == SIGINT)
			exit(3);
	}
}

static void on_resize(int number)
{
	(void)number;
}

static void watch_window(void)
{
	struct sigaction action = { .sa_handler = on_resize };
	sigaction(SIGWINCH, &action, NULL);
	char byte;
	do {
		struct winsize size = { 0 };
		if (ioctl(0, TIOCGWINSZ, &size))
			fail("TIOCGWINSZ");
		printf("%u %u\n", size.ws_row, size.ws_col);
		fflush(stdout);
	} while (read(0, &byte, 1) < 0 && errno == EINTR);
}

static void notify(const char *message)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	if (!path)
		fail("no NOTIFY_SOCKET");
	strncpy(address.sun_path, path, sizeof address.sun_path - 1);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sendto(fd, message, strlen(message), 0, (struct sockaddr *)&address, sizeof address) < 0)
		fail(path);
	close(fd);
}

static void try_open(const char *flags, const char *path)
{
	int mode = !strcmp(flags, "rw") ? O_RDWR : *flags == 'w' ? O_WRONLY : O_RDONLY;
	int fd = open(path, mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	printf("%s\n", fd < 0 ? error_name(errno) : "opened");
	if (fd >= 0)
		close(fd);
}

static void try_mknod(char **argv)
{
	mode_t type = *argv[2] == 'b' ? S_IFBLK : S_IFCHR;
	int failed = mknod(argv[5], type | 0600, makedev(atoi(argv[3]), atoi(argv[4])));
	printf("%s\n", failed ? error_name(errno) : "made");
}

/*
 * The attack of CVE-2019-5736: while another process in the container still runs the runtime, opens the runtime's executable
 * through /proc/PID/exe. Once that process has executed another program or ended, the executable is no longer busy and the descriptor
 * can be reopened for writing, unless something prevents that. For SECONDS, tries every executable that it sees, and prints each new
 * outcome as a line: "DEV:INO opened", "DEV:INO written" or "DEV:INO errno's name". It overwrites a byte with its old value.
 */
static void seize(const char *pid, double seconds)
{
	enum { HANDLES = 16 };
	struct { int fd; struct stat info; const char *outcome; } seen[HANDLES];
	int count = 0;
	char executable[64], handle[64], magic;
	snprintf(executable, sizeof executable, "/proc/%s/exe", pid);
	struct timespec start, now;
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		struct stat info;
		int fd = open(executable, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && !fstat(fd, &info)) {
			int known = 0;
			for (int i = 0; i < count; i++)
				known |= seen[i].info.st_dev == info.st_dev && seen[i].info.st_ino == info.st_ino;
			if (known || count == HANDLES) {
				close(fd);
			} else {
				seen[count].fd = fd;
				seen[count].info = info;
				seen[count++].outcome = "untried";
			}
		}
		for (int i = 0; i < count; i++) {
			const char *before = seen[i].outcome;
			if (!strcmp(before, "written"))
				continue;
			snprintf(handle, sizeof handle, "/proc/self/fd/%d", seen[i].fd);
			int writable = open(handle, O_WRONLY | O_CLOEXEC);
			if (writable < 0)
				seen[i].outcome = error_name(errno);
			else if (pread(seen[i].fd, &magic, 1, 0) == 1 && pwrite(writable, &magic, 1, 0) == 1)
				seen[i].outcome = "written";
			else
				seen[i].outcome = "opened";
			if (writable >= 0)
				close(writable);
			if (strcmp(before, seen[i].outcome)) {
				printf("%llu:%llu %s\n", (unsigned long long)seen[i].info.st_dev, (unsigned long long)seen[i].info.st_ino, seen[i].outcome);
				fflush(stdout);
			}
		}
		struct timespec pause = { 0, 200000 };
		nanosleep(&pause, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - start.tv_sec + (now.tv_nsec - start.tv_nsec) / 1e9 < seconds);
}

/* A pid namespace assigns PIDs in order, so this polls the next ones to see each process from its start. */
static void watch_executables(void)
{
	enum { AHEAD = 32, KNOWN = 64 };
	struct stat known[KNOWN];
	int count = 0, last = getpid();
	printf("watching\n");
	fflush(stdout);
	for (;;) {
		for (int pid = last > AHEAD ? last - AHEAD : 1; pid <= last + AHEAD; pid++) {
			char path[64];
			struct stat info;
			snprintf(path, sizeof path, "/proc/%d/exe", pid);
			if (pid == getpid() || stat(path, &info))
				continue;
			if (pid > last)
				last = pid;
			int i = 0;
			while (i < count && (known[i].st_dev != info.st_dev || known[i].st_ino != info.st_ino))
				i++;
			if (i < count || count == KNOWN)
				continue;
			known[count++] = info;
			printf("%llu:%llu\n", (unsigned long long)info.st_dev, (unsigned long long)info.st_ino);
			fflush(stdout);
		}
	}
}

static int can_open(const char *pid, const char *name, int flags)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
	int fd = open(path, flags | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int can_read_environment(const char *pid)
{
	char path[64], byte;
	snprintf(path, sizeof path, "/proc/%s/environ", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int found = fd >= 0 && read(fd, &byte, 1) == 1;
	if (fd >= 0)
		close(fd);
	return found;
}

static int can_read_link(const char *pid, const char *name)
{
	char path[64], text[4096];
	snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
	return readlink(path, text, sizeof text) >= 0;
}

/* Whether any descriptor can be followed. Listing their numbers is harmless. */
static int can_follow_descriptor(const char *pid)
{
	char name[32];
	for (int number = 0; number < 32; number++) {
		snprintf(name, sizeof name, "fd/%d", number);
		if (can_read_link(pid, name) || can_open(pid, name, O_PATH))
			return 1;
	}
	return 0;
}

/* Reads an unmapped address: the kernel checks the permission first, so EFAULT means that it was granted. */
static int can_trace(pid_t pid)
{
	char byte;
	struct iovec local = { &byte, 1 }, remote = { NULL, 1 };
	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) == 1 || errno == EFAULT)
		return 1;
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	int taken = pidfd < 0 ? -1 : syscall(SYS_pidfd_getfd, pidfd, 0, 0);
	if (taken >= 0)
		close(taken);
	if (pidfd >= 0)
		close(pidfd);
	return taken >= 0;
}

static void look_at(const char *pid, FILE *out)
{
	static const char *const links[] = { "exe", "root", "cwd", "ns/mnt" };
	char path[64];
	int found = 0;
	snprintf(path, sizeof path, "/proc/%s", pid);
	if (access(path, F_OK)) {
		fprintf(out, "no process %s\n", pid);
		return;
	}
	if (can_open(pid, "mem", O_RDWR))
		fprintf(out, "%smem", found++ ? " " : "");
	if (can_read_environment(pid))
		fprintf(out, "%senviron", found++ ? " " : "");
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		if (can_read_link(pid, links[i]) || can_open(pid, links[i], O_PATH))
			fprintf(out, "%s%s", found++ ? " " : "", links[i]);
	if (can_follow_descriptor(pid))
		fprintf(out, "%sfd", found++ ? " " : "");
	if (can_trace(atoi(pid)))
		fprintf(out, "%strace", found++ ? " " : "");
	fprintf(out, "%s\n", found ? "" : "nothing");
}

/* First looks at a child with the same privileges, as a control: all of these can be opened if nothing forbids it. */
static void look(void)
{
	FILE *questions = fopen("/ask", "r+e"), *answers = fopen("/answer", "r+e");
	if (!questions || !answers)
		fail("open /ask and /answer");
	pid_t child = fork();
	if (!child)
		for (;;)
			pause();
	char pid[32];
	snprintf(pid, sizeof pid, "%d", child);
	look_at(pid, stdout);
	fflush(stdout);
	while (fgets(pid, sizeof pid, questions)) {
		pid[strcspn(pid, "\n")] = 0;
		look_at(pid, answers);
		fflush(answers);
	}
}

static void label(const char *path)
{
	char text[256] = "";
	/* keyctl(2): KEYCTL_GET_SECURITY of KEY_SPEC_SESSION_KEYRING */
	long length = strcmp(path, "@s") ? getxattr(path, "security.selinux", text, sizeof text - 1)
					 : syscall(SYS_keyctl, 17, -3, text, sizeof text - 1);
	if (length < 0)
		fail(path);
	printf("%s\n", text);
}

/* Lets the kernel write to a page that userfaultfd(2) never fills. */
static void get_stuck(void)
{
	int fault = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API };
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register region = { .range = { (uintptr_t)page, 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	if (fault < 0 || ioctl(fault, UFFDIO_API, &api) || page == MAP_FAILED || ioctl(fault, UFFDIO_REGISTER, &region))
		fail("userfaultfd");
	puts("ready");
	fflush(stdout);
	syscall(SYS_getrandom, page, 4096, 0);
	fail("getrandom");
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	if (!strcmp(command, "report"))
		report(argc, argv);
	else if (!strcmp(command, "wait"))
		wait_for_signals();
	else if (!strcmp(command, "exit") && argc == 3)
		return atoi(argv[2]);
	else if (!strcmp(command, "hold") && argc == 3) {
		if (creat(argv[2], 0644) < 0)
			fail(argv[2]);
		for (;;)
			pause();
	} else if (!strcmp(command, "winsize"))
		watch_window();
	else if (!strcmp(command, "notify") && argc == 3)
		notify(argv[2]);
	else if (!strcmp(command, "open") && argc == 4)
		try_open(argv[2], argv[3]);
	else if (!strcmp(command, "mknod") && argc == 6)
		try_mknod(argv);
	else if (!strcmp(command, "label") && argc == 3)
		label(argv[2]);
	else if (!strcmp(command, "stuck"))
		get_stuck();
	else if (!strcmp(command, "look"))
		look();
	else if (!strcmp(command, "executables"))
		watch_executables();
	else if (!strcmp(command, "seize") && argc == 4)
		seize(argv[2], atof(argv[3]));
	else {
		fprintf(stderr, "probe: unknown command \"%s\"\n", command);
		return 125;
	}
	return 0;
}
