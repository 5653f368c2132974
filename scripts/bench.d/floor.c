/*
 * floor: does only the kernel work of `run` for the default config.json.
 *
 *   floor [--phases] ROOTFS ID [PROGRAM [ARGUMENT...]]      (PROGRAM: /bin/true)
 *
 * It makes the namespaces, cgroups, device rules, mounts, devices, masks, limits and capabilities that
 * the config.json of `runc spec` asks for (terminal false), executes PROGRAM, waits and removes the cgroups.
 * It parses no JSON, keeps no state and resolves paths unsafely: a runtime can only be faster if it makes cheaper system calls.
 * Exit status: PROGRAM's (128+signal), 125 when a step failed (named on stderr), 2 for wrong usage.
 *
 * The mechanisms are the cheapest found by measurement (Linux 6.18); comments at each say why.
 * --phases prints a line for each phase, NAME<TAB>NANOSECONDS, in chronological order. Needs root and x86-64.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef __x86_64__
#error "the vfork-style clone3 below is written for x86-64"
#endif

#define CGROUP_ROOT "/sys/fs/cgroup"
#define MAX_HIERARCHIES 16
#define MAX_PHASES 40
#define STEP_FAILED 125

/* Version 2 of struct clone_args (88 bytes): linux/sched.h clashes with libc's sched.h. */
struct clone3_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};
static const uint64_t into_cgroup = 0x200000000; /* CLONE_INTO_CGROUP, Linux 5.7 */

/* struct mount_attr (32 bytes): linux/mount.h clashes with libc's sys/mount.h. */
struct mount_attributes {
	uint64_t set, clear, propagation, userns_fd;
};

struct hierarchy {
	char name[64];   /* directory below /sys/fs/cgroup: "memory", "cpu,cpuacct", "systemd", "unified" */
	char path[4096]; /* the container's cgroup, absolute */
	int directory;   /* descriptor of path */
};

/* The child shares this memory until it executes PROGRAM (CLONE_VM), so it writes its results into the same variables. */
static struct hierarchy hierarchies[MAX_HIERARCHIES];
static int hierarchy_count;
static int unified = -1; /* index of the cgroup v2 hierarchy, -1 without one */
static int pure; /* v2 is the only hierarchy, mounted at /sys/fs/cgroup itself */
static struct { const char *name; uint64_t end; } phases[MAX_PHASES];
static int phase_count;
static const char *failed_step;
static int failed_errno;

static const char *rootfs, *id;
static char **program;
static char *default_program[] = {"/bin/true", NULL};
static char *environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm", NULL};

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Ends the current phase and begins the next. Always on, because it costs only 0.03 us. */
static void phase(const char *name)
{
	if (phase_count < MAX_PHASES) {
		phases[phase_count].name = name;
		phases[phase_count++].end = now();
	}
}

static void remove_cgroups(void);

/* In the child: exits if the step failed; the parent then prints its name. */
static long need(long result, const char *step)
{
	if (result >= 0)
		return result;
	if (!failed_step) {
		failed_step = step;
		failed_errno = errno;
	}
	_exit(STEP_FAILED);
}

/* In the parent: exits if the step failed, after removing the cgroups. */
static long need_in_parent(long result, const char *step)
{
	if (result >= 0)
		return result;
	fprintf(stderr, "floor: %s: %s\n", step, strerror(errno));
	remove_cgroups();
	exit(STEP_FAILED);
}

static void write_value(int directory, const char *file, const char *value, size_t length)
{
	int fd = (int)need_in_parent(openat(directory, file, O_WRONLY | O_CLOEXEC), file);
	need_in_parent(write(fd, value, length), file);
	close(fd);
}

/* A new v1 cpuset has no CPUs and no memory nodes and cannot be joined: copy the parent's (cpuset(7)). */
static void inherit_cpuset(int directory)
{
	static const char *const files[][2] = {{"../cpuset.cpus", "cpuset.cpus"}, {"../cpuset.mems", "cpuset.mems"}};
	for (int i = 0; i < 2; i++) {
		char value[4096];
		int fd = (int)need_in_parent(openat(directory, files[i][0], O_RDONLY | O_CLOEXEC), files[i][0]);
		ssize_t length = need_in_parent(read(fd, value, sizeof value), files[i][0]);
		close(fd);
		write_value(directory, files[i][1], value, (size_t)length);
	}
}

/* The rules that runc writes for `spec`: deny all, mknod of all, the default devices, tun and the ptys.
 * All allow rules use one descriptor: reopening the file for each would double the cost. */
static void write_device_rules(int directory)
{
	static const char *const rules[] = {"c *:* m", "b *:* m", "c 1:3 rwm", "c 1:8 rwm", "c 1:7 rwm", "c 5:0 rwm", "c 1:5 rwm",
					    "c 1:9 rwm", "c 136:* rwm", "c 5:2 rwm", "c 10:200 rwm"};
	write_value(directory, "devices.deny", "a", 1);
	int fd = (int)need_in_parent(openat(directory, "devices.allow", O_WRONLY | O_CLOEXEC), "devices.allow");
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
		need_in_parent(write(fd, rules[i], strlen(rules[i])), rules[i]);
	close(fd);
}

/* The same rules on cgroup v2, as a BPF program that decides each access (struct bpf_cgroup_dev_ctx). This costs more than writing the v1 files. */
static void attach_device_filter(int directory)
{
	enum { RESULT = BPF_REG_0, CONTEXT, ACCESS, TYPE, MAJOR, MINOR };
	static const struct { int major, minor; } devices[] = {{1, 3}, {1, 8}, {1, 7}, {5, 0}, {1, 5}, {1, 9}, {136, -1}, {5, 2}, {10, 200}};
	struct bpf_insn code[64] = {
		{BPF_LDX | BPF_W | BPF_MEM, ACCESS, CONTEXT, 0, 0}, {BPF_ALU64 | BPF_MOV | BPF_X, TYPE, ACCESS, 0, 0},
		{BPF_ALU64 | BPF_RSH | BPF_K, ACCESS, 0, 0, 16}, {BPF_ALU64 | BPF_AND | BPF_K, TYPE, 0, 0, 0xffff},
		{BPF_LDX | BPF_W | BPF_MEM, MAJOR, CONTEXT, 4, 0}, {BPF_LDX | BPF_W | BPF_MEM, MINOR, CONTEXT, 8, 0},
		{BPF_ALU64 | BPF_MOV | BPF_K, RESULT, 0, 0, 1},
		/* allow mknod of every device */
		{BPF_JMP | BPF_JNE | BPF_K, ACCESS, 0, 1, BPF_DEVCG_ACC_MKNOD}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
		{BPF_JMP | BPF_JEQ | BPF_K, TYPE, 0, 2, BPF_DEVCG_DEV_CHAR}, {BPF_ALU64 | BPF_MOV | BPF_K, RESULT, 0, 0, 0}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
	};
	unsigned length = 12;
	for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
		const int any = devices[i].minor < 0;
		code[length++] = (struct bpf_insn){BPF_JMP | BPF_JNE | BPF_K, MAJOR, 0, any ? 1 : 2, devices[i].major};
		if (!any)
			code[length++] = (struct bpf_insn){BPF_JMP | BPF_JNE | BPF_K, MINOR, 0, 1, devices[i].minor};
		code[length++] = (struct bpf_insn){BPF_JMP | BPF_EXIT, 0, 0, 0, 0};
	}
	code[length++] = (struct bpf_insn){BPF_ALU64 | BPF_MOV | BPF_K, RESULT, 0, 0, 0};
	code[length++] = (struct bpf_insn){BPF_JMP | BPF_EXIT, 0, 0, 0, 0};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE, .insns = (uint64_t)(uintptr_t)code, .insn_cnt = length, .license = (uint64_t)(uintptr_t)"GPL"};
	const int filter = (int)need_in_parent(syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load), "load the device filter");
	union bpf_attr attach = {.target_fd = (uint32_t)directory, .attach_bpf_fd = (uint32_t)filter, .attach_type = BPF_CGROUP_DEVICE, .attach_flags = BPF_F_ALLOW_MULTI};
	need_in_parent(syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach), "attach the device filter");
	close(filter);
}

/* Makes a cgroup named after the container below our own cgroup in every mounted hierarchy, as runc does without cgroupsPath. */
static void make_cgroups(void)
{
	static char list[8192];
	int fd = (int)need_in_parent(open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC), "/proc/self/cgroup");
	ssize_t length = need_in_parent(read(fd, list, sizeof list - 1), "/proc/self/cgroup");
	close(fd);
	list[length] = '\0';
	struct statfs fs;
	pure = !statfs(CGROUP_ROOT, &fs) && fs.f_type == CGROUP2_SUPER_MAGIC;
	for (char *next = list, *line; (line = strsep(&next, "\n")) && *line;) {
		strsep(&line, ":");
		const char *controllers = strsep(&line, ":");
		struct hierarchy *h = &hierarchies[hierarchy_count];
		const int v2 = controllers && !*controllers;
		if (!line || hierarchy_count == MAX_HIERARCHIES)
			continue;
		const char *name = v2 ? "unified" : controllers;
		if (!strncmp(name, "name=", 5))
			name += 5;
		snprintf(h->name, sizeof h->name, "%s", name);
		char top[sizeof CGROUP_ROOT "/" + sizeof h->name] = CGROUP_ROOT;
		if (!v2 || !pure)
			snprintf(top, sizeof top, CGROUP_ROOT "/%.63s", name);
		snprintf(h->path, sizeof h->path, "%s", top);
		if (statfs(h->path, &fs) || fs.f_type != (v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC))
			continue; /* in /proc/self/cgroup but not mounted */
		snprintf(h->path, sizeof h->path, "%s%s%s%s", top, line, line[1] ? "/" : "", id);
		need_in_parent(mkdir(h->path, 0755), h->path);
		h->directory = -1;
		if (v2)
			unified = hierarchy_count;
		hierarchy_count++;
		h->directory = (int)need_in_parent(open(h->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), h->path);
		if (!strcmp(name, "cpuset"))
			inherit_cpuset(h->directory);
		if (!strcmp(name, "devices"))
			write_device_rules(h->directory);
		if (v2 && pure)
			attach_device_filter(h->directory);
	}
	if (hierarchy_count == 0 || (!pure && hierarchy_count == 1 && unified == 0)) {
		errno = ENOTSUP;
		need_in_parent(-1, "find the cgroup hierarchies below " CGROUP_ROOT);
	}
}

static void remove_cgroups(void)
{
	for (int i = 0; i < hierarchy_count; i++)
		if (rmdir(hierarchies[i].path))
			fprintf(stderr, "floor: rmdir %s: %s\n", hierarchies[i].path, strerror(errno));
}

/* A single-threaded task that writes "0" to `tasks` moves itself without taking cgroup_threadgroup_rwsem: 17 us. Writing cgroup.procs, or
 * another task's PID, waits for an RCU grace period: 4600 us on an idle machine. Cgroup v2 has no such file, so we use CLONE_INTO_CGROUP. */
static void join_cgroups(void)
{
	for (int i = 0; i < hierarchy_count; i++) {
		if (i == unified)
			continue;
		int fd = (int)need(openat(hierarchies[i].directory, "tasks", O_WRONLY | O_CLOEXEC), "tasks");
		need(write(fd, "0", 1), "tasks");
		close(fd);
	}
}

static void mount_at(const char *type, const char *target, unsigned long flags, const char *data)
{
	need(mount(type, target, type, flags, data), target);
}

/* Mounts /sys/fs/cgroup. On v2 it is a read-only bind of the container's cgroup; on v1 a tmpfs with such a bind for each hierarchy. One
 * recursive mount_setattr (Linux 5.12) sets the flags of all, instead of a remount for each. */
static void mount_cgroups(void)
{
	const struct mount_attributes attributes = {.set = 1 | 2 | 4 | 8}; /* RDONLY NOSUID NODEV NOEXEC */
	if (pure)
		need(mount(hierarchies[unified].path, "sys/fs/cgroup", NULL, MS_BIND, NULL), "bind sys/fs/cgroup");
	else
		mount_at("tmpfs", "sys/fs/cgroup", 0, "mode=755");
	for (int i = 0; i < hierarchy_count; i++) {
		char target[sizeof "sys/fs/cgroup/" + sizeof hierarchies->name];
		if (i == unified)
			continue; /* like runc, join the v2 hierarchy but do not mount it */
		snprintf(target, sizeof target, "sys/fs/cgroup/%.63s", hierarchies[i].name);
		need(mkdir(target, 0755), target);
		need(mount(hierarchies[i].path, target, NULL, MS_BIND, NULL), target);
		if (!strchr(hierarchies[i].name, ','))
			continue;
		char names[64];
		strcpy(names, hierarchies[i].name);
		for (char *next = names, *name; (name = strsep(&next, ","));) {
			snprintf(target, sizeof target, "sys/fs/cgroup/%s", name);
			need(symlink(hierarchies[i].name, target), target);
		}
	}
	need(syscall(SYS_mount_setattr, AT_FDCWD, "sys/fs/cgroup", AT_RECURSIVE, &attributes, sizeof attributes), "mount_setattr sys/fs/cgroup");
}

/* The mounts of the default config.json, in its order. mount(2) is 5 to 9 us faster per mount than the new API (fsopen(2), ...). */
static void make_mounts(void)
{
	mount_at("proc", "proc", 0, NULL);
	mount_at("tmpfs", "dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
	need(mkdir("dev/pts", 0755), "dev/pts");
	mount_at("devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
	need(mkdir("dev/shm", 0755), "dev/shm");
	mount_at("tmpfs", "dev/shm", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=1777,size=65536k");
	need(mkdir("dev/mqueue", 0755), "dev/mqueue");
	mount_at("mqueue", "dev/mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
	phase("mount proc dev pts shm mqueue");
	mount_at("sysfs", "sys", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL);
	phase("mount sysfs");
	mount_cgroups();
	phase("mount cgroup");
}

/* The default devices and symlinks of the runtime specification (config-linux.md). */
static void make_devices(void)
{
	static const struct { const char *path; unsigned major, minor; } devices[] = {{"dev/null", 1, 3}, {"dev/zero", 1, 5}, {"dev/full", 1, 7},
		{"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0}};
	static const char *const links[][2] = {{"pts/ptmx", "dev/ptmx"}, {"/proc/self/fd", "dev/fd"}, {"/proc/self/fd/0", "dev/stdin"},
		{"/proc/self/fd/1", "dev/stdout"}, {"/proc/self/fd/2", "dev/stderr"}};
	const mode_t old = umask(0);
	for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
		need(mknod(devices[i].path, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)), devices[i].path);
	umask(old);
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		need(symlink(links[i][0], links[i][1]), links[i][1]);
}

/* maskedPaths and readonlyPaths; missing paths are skipped, as the specification demands. The first masked directory gets an empty tmpfs,
 * which is then bound over the others: a bind costs a third of a new tmpfs. */
static void mask_paths(void)
{
	static const char *const read_only[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
	static const char *const masked[] = {"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"};
	const char *empty = NULL;
	for (size_t i = 0; i < sizeof read_only / sizeof *read_only; i++) {
		if (mount(read_only[i], read_only[i], NULL, MS_BIND | MS_REC, NULL)) {
			need(errno == ENOENT ? 0 : -1, read_only[i]);
			continue;
		}
		need(mount(NULL, read_only[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), read_only[i]);
	}
	phase("readonlyPaths");
	for (size_t i = 0; i < sizeof masked / sizeof *masked; i++) {
		struct stat target;
		if (stat(masked[i], &target)) /* stat costs 1 us, a failed bind of the wrong type 14 us */
			need(errno == ENOENT ? 0 : -1, masked[i]);
		else if (!S_ISDIR(target.st_mode))
			need(mount("/dev/null", masked[i], NULL, MS_BIND, NULL), masked[i]);
		else if (empty)
			need(mount(empty, masked[i], NULL, MS_BIND, NULL), masked[i]);
		else {
			mount_at("tmpfs", masked[i], MS_RDONLY, NULL);
			empty = masked[i];
		}
	}
	phase("maskedPaths");
}

/* Every runtime brings up the loopback interface of a new network namespace. One ioctl replaces three netlink messages. */
static void bring_loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = (int)need(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
	need(ioctl(fd, SIOCSIFFLAGS, &request), "bring lo up");
	close(fd);
}

/* The process attributes of the default config.json: a new session and session keyring, NOFILE 1024, three capabilities, no new privileges. */
static void limit_process(void)
{
	const uint32_t kept = 1u << CAP_AUDIT_WRITE | 1u << CAP_KILL | 1u << CAP_NET_BIND_SERVICE;
	const struct rlimit files = {1024, 1024};
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	const struct __user_cap_data_struct sets[2] = {{kept, kept, 0}, {0, 0, 0}};
	need(setsid(), "setsid");
	need(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, id), "keyctl");
	need(sethostname("runc", 4), "sethostname");
	need(setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
	need(setgroups(0, NULL), "setgroups");
	for (int cap = 0; cap < 64; cap++)
		if ((cap >= 32 || !(kept >> cap & 1)) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
			break; /* EINVAL: past the kernel's last capability */
	need(syscall(SYS_capset, &header, sets), "capset");
	need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
}

/* Runs in the child, in all new namespaces, on its own stack. */
static void container(void)
{
	phase("clone3");
	join_cgroups();
	phase("join cgroups");
	bring_loopback_up();
	phase("loopback up");
	need(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), "make / slave");
	need(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL), rootfs);
	need(chdir(rootfs), rootfs);
	phase("bind rootfs");
	make_mounts();
	make_devices();
	phase("devices and links");
	need(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	phase("pivot_root");
	need(umount2(".", MNT_DETACH), "umount the old root");
	phase("umount the old root");
	need(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), "remount /");
	need(chdir("/"), "chdir");
	phase("root read-only");
	mask_paths();
	limit_process();
	need(syscall(SYS_close_range, 3, ~0u, 0), "close_range");
	phase("process attributes");
	execve(program[0], program, environment);
	need(-1, program[0]);
}

/* clone3 with CLONE_VM and CLONE_VFORK, which copies no page table and needs no wake-up. The child starts in container() on its own stack:
 * if clone3 returned in both, the child would overwrite the stack frame that the parent returns from. */
static long clone_container(void)
{
	static char stack[64 * 1024] __attribute__((aligned(16)));
	struct clone3_args args = {
		.flags = CLONE_VM | CLONE_VFORK | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS,
		.exit_signal = SIGCHLD,
		.stack = (uint64_t)(uintptr_t)stack,
		.stack_size = sizeof stack,
	};
	if (unified >= 0) {
		args.flags |= into_cgroup;
		args.cgroup = (uint64_t)hierarchies[unified].directory;
	}
	long result;
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "call *%[entry]\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(result)
			 : "0"((long)SYS_clone3), "D"(&args), "S"(sizeof args), [entry] "r"(container)
			 : "rcx", "r11", "memory");
	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	return result;
}

int main(int argc, char **argv)
{
	const uint64_t start = now();
	const int print = argc > 1 && !strcmp(argv[1], "--phases");
	argv += print;
	argc -= print;
	if (argc < 3) {
		fputs("usage: floor [--phases] ROOTFS ID [PROGRAM [ARGUMENT...]]\n", stderr);
		return 2;
	}
	rootfs = argv[1];
	id = argv[2];
	program = argc > 3 ? argv + 3 : default_program;
	phase("start");
	make_cgroups();
	phase("make cgroups");
	const pid_t child = (pid_t)need_in_parent(clone_container(), "clone3");
	phase("execve");
	int status;
	need_in_parent(waitpid(child, &status, 0), "waitpid");
	phase("program and exit");
	remove_cgroups();
	phase("remove cgroups");
	if (failed_step)
		fprintf(stderr, "floor: %s: %s\n", failed_step, strerror(failed_errno));
	if (print) {
		uint64_t before = start;
		for (int i = 0; i < phase_count; before = phases[i++].end)
			printf("%s\t%llu\n", phases[i].name, (unsigned long long)(phases[i].end - before));
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
