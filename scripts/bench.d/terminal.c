/*
 * terminal COMMAND [ARGUMENT...]: runs a command on a new pseudo terminal, discards its output, and exits with its status.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what) {
  fprintf(stderr, "terminal: ");
  perror(what);
  exit(125);
}

int main(int argc, char **argv) {
  if (argc < 2) return 125;
  int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0 || grantpt(master) || unlockpt(master)) fail("open a terminal");
  pid_t pid = fork();
  if (pid < 0) fail("fork");
  if (pid == 0) {
    setsid();
    int slave = open(ptsname(master), O_RDWR);
    if (slave < 0 || ioctl(slave, TIOCSCTTY, 0)) fail("open the terminal's other end");
    /* stderr stays as it is: the benchmark reads error messages there */
    if (dup2(slave, 0) < 0 || dup2(slave, 1) < 0) fail("dup2");
    if (slave > 2) close(slave);
    execv(argv[1], argv + 1);
    fail(argv[1]);
  }
  char buffer[4096];
  /* EIO: the other end is closed */
  while (read(master, buffer, sizeof buffer) > 0 || errno == EINTR) continue;
  int status;
  if (waitpid(pid, &status, 0) < 0) fail("wait");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
