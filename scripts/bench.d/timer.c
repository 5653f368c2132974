/*
 * timer: runs commands in turns and reports the wall-clock time and peak memory of each.
 *
 *   timer PLAN      (PLAN: a file; fields are separated by one tab)
 *
 *     rounds  COUNT
 *     job     NAME  ROUNDS  IDLE_MICROSECONDS     a unit of work, done ROUNDS times spread over the rounds
 *     step    NAME  PROGRAM  [ARGUMENT...]        a timed command of the job above
 *     reap    PIDFILE                             waits, untimed, for the process whose pid the file holds
 *
 * Every round does the jobs in a new order (fixed seed), so that no job always profits from the same predecessor. Each step prints
 * JOB<TAB>STEP<TAB>NANOSECONDS<TAB>KIB: the time from before the vfork to the return of wait4, and the ru_maxrss of the command
 * and the children it waited for. If a step fails, the program names it on stderr and exits with status 1.
 *
 * It is a static C program because Node's fork costs more than the commands, and because a child's ru_maxrss is at least that of the
 * process it was vforked from. This one has 0.6 MiB, so it cannot distinguish smaller commands.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_JOBS 64
#define MAX_STEPS 8
#define MAX_ARGUMENTS 32

struct step {
	const char *name;       /* NULL: reap */
	const char *pid_file;   /* of reap */
	char *argv[MAX_ARGUMENTS + 1];
};

struct job {
	const char *name;
	long rounds, idle;
	struct step steps[MAX_STEPS];
	int step_count;
};

static struct job jobs[MAX_JOBS];
static int job_count;
static long rounds;
static int null; /* stdout of the commands; stdin and stderr are the timer's own */
static volatile sig_atomic_t stopped;
extern char **environ;

static void fail(const char *what, const char *detail)
{
	fprintf(stderr, "timer: %s \"%s\": %s\n", what, detail, strerror(errno));
	exit(1);
}

static void reject(const char *line)
{
	errno = EINVAL;
	fail("read plan line", line);
}

static void read_plan(const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	if (!file)
		fail("open", path);
	while ((length = getline(&line, &size, file)) > 0) {
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		char *next = strdup(line); /* never freed: the plan points into it */
		const char *word = strsep(&next, "\t");
		struct job *job = job_count ? &jobs[job_count - 1] : NULL;
		if (!next)
			reject(line);
		if (!strcmp(word, "rounds")) {
			rounds = atol(next);
		} else if (!strcmp(word, "job") && job_count < MAX_JOBS) {
			job = &jobs[job_count++];
			job->name = strsep(&next, "\t");
			job->rounds = next ? atol(strsep(&next, "\t")) : 0;
			job->idle = next ? atol(next) : 0;
			if (job->rounds < 1 || job->rounds > rounds)
				reject(line);
		} else if (!strcmp(word, "step") && job && job->step_count < MAX_STEPS) {
			struct step *step = &job->steps[job->step_count++];
			step->name = strsep(&next, "\t");
			for (int i = 0; next; i++) {
				if (i == MAX_ARGUMENTS)
					reject(line);
				step->argv[i] = strsep(&next, "\t");
			}
			if (!step->argv[0])
				reject(line);
		} else if (!strcmp(word, "reap") && job && job->step_count < MAX_STEPS) {
			job->steps[job->step_count++].pid_file = next;
		} else {
			reject(line);
		}
	}
	free(line);
	fclose(file);
}

/* Waits for the container's init, which becomes a child of this subreaper when `create` ends. No command's time includes its exit. */
static void reap(const char *pid_file)
{
	char text[32] = "";
	int fd = open(pid_file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof text - 1) < 1)
		fail("read", pid_file);
	close(fd);
	if (waitpid((pid_t)atol(text), NULL, 0) < 0)
		fail("wait for the pid in", pid_file);
}

static void run(const struct job *job, struct step *step)
{
	struct timespec start, end;
	struct rusage usage;
	int status;
	clock_gettime(CLOCK_MONOTONIC, &start);
	const pid_t pid = vfork();
	if (pid == 0) {
		dup2(null, STDOUT_FILENO);
		execve(step->argv[0], step->argv, environ);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) < 0)
		fail("run", step->argv[0]);
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (status != 0) {
		fprintf(stderr, "timer: %s: %s: wait status %#x\n", job->name, step->name, status);
		exit(1);
	}
	printf("%s\t%s\t%lld\t%ld\n", job->name, step->name,
	       (long long)(end.tv_sec - start.tv_sec) * 1000000000 + (end.tv_nsec - start.tv_nsec), usage.ru_maxrss);
}

static void run_job(struct job *job)
{
	if (job->idle)
		usleep((useconds_t)job->idle);
	for (int i = 0; i < job->step_count; i++) {
		if (job->steps[i].name)
			run(job, &job->steps[i]);
		else
			reap(job->steps[i].pid_file);
	}
}

/* Never kill a running command: it would leave its container behind. */
static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

/* Fisher-Yates with a fixed xorshift seed, so that two measurements use the same orders. */
static void shuffle(int *order, int count)
{
	static uint32_t state = 2463534242u;
	for (int i = count - 1; i > 0; i--) {
		state ^= state << 13;
		state ^= state >> 17;
		state ^= state << 5;
		const int j = (int)(state % (uint32_t)(i + 1)), kept = order[i];
		order[i] = order[j];
		order[j] = kept;
	}
}

int main(int argc, char **argv)
{
	int order[MAX_JOBS];
	if (argc != 2) {
		fputs("usage: timer PLAN\n", stderr);
		return 2;
	}
	read_plan(argv[1]);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null < 0)
		fail("open", "/dev/null");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		fail("become", "subreaper");
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	signal(SIGHUP, stop);
	for (int i = 0; i < job_count; i++)
		order[i] = i;
	for (long round = 0; round < rounds && !stopped; round++) {
		shuffle(order, job_count);
		for (int i = 0; i < job_count && !stopped; i++) {
			struct job *job = &jobs[order[i]];
			/* ROUNDS of the rounds, evenly spread */
			if ((round + 1) * job->rounds / rounds != round * job->rounds / rounds)
				run_job(job);
		}
		fflush(stdout);
	}
	return stopped ? 1 : 0;
}
