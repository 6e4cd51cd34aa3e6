// SPDX-License-Identifier: Apache-2.0
// init: the first process of the machine that tools/test-kernel boots. Mounts what a program expects to find, runs
// /run with busybox's shell and ends the machine with its exit status.
//
// QEMU's isa-debug-exit device at port 0xf4 makes that status visible outside: QEMU exits with (code << 1) | 1. A panic
// or a reset gives an even one, so nothing but a program that came to its end can look like success.
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static const unsigned short kExitPort = 0xf4;

static void End(int code) {
  printf("\n@exit %d\n", code);
  if (code < 0 || code > 127) code = 127;  // the device has seven bits for it
  fflush(stdout);
  tcdrain(1);
  ioperm(kExitPort, 1, 1);
  outb((unsigned char)code, kExitPort);
  for (;;) pause();  // a machine without the device: the time-out ends it
}

static void Must(int result, const char* what) {
  if (result >= 0) return;
  printf("init: %s: %s\n", what, strerror(errno));
  End(126);
}

static void Mount(const char* type, const char* where) {
  mkdir(where, 0755);
  Must(mount(type, where, type, 0, NULL), where);
}

static void RaiseLoopback(void) {
  struct ifreq request;
  memset(&request, 0, sizeof(request));
  strcpy(request.ifr_name, "lo");
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  Must(fd, "socket");
  Must(ioctl(fd, SIOCGIFFLAGS, &request), "lo");
  request.ifr_flags |= IFF_UP;
  Must(ioctl(fd, SIOCSIFFLAGS, &request), "lo up");
  close(fd);
}

int main(void) {
  Mount("devtmpfs", "/dev");
  const int console = open("/dev/console", O_RDWR);
  for (int fd = 0; fd <= 2; ++fd) dup2(console, fd);
  if (console > 2) close(console);
  setvbuf(stdout, NULL, _IONBF, 0);
  Mount("proc", "/proc");
  Mount("sysfs", "/sys");
  Mount("cgroup2", "/sys/fs/cgroup");
  Mount("tmpfs", "/tmp");
  Mount("tmpfs", "/dev/shm");
  RaiseLoopback();
  const struct rlimit descriptors = {1 << 20, 1 << 20};
  Must(setrlimit(RLIMIT_NOFILE, &descriptors), "RLIMIT_NOFILE");
  setenv("PATH", "/bin", 1);
  setenv("HOME", "/tmp", 1);
  setenv("TMPDIR", "/tmp", 1);

  const pid_t child = fork();
  Must(child, "fork");
  if (child == 0) {
    execl("/bin/busybox", "sh", "/run", NULL);
    printf("init: cannot run busybox: %s\n", strerror(errno));
    _exit(126);
  }
  for (;;) {
    int status = 0;
    const pid_t ended = wait(&status);  // orphans come to us as well
    if (ended < 0 && errno == EINTR) continue;
    Must(ended, "wait");
    if (ended == child) End(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
}
