/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of the virtual machine of kernels.test.mjs: has the agent record a program of a
 * known call chain, once for each form of the walk's loop, and where there is a second CPU once more, while that
 * goes and comes and the clock is set. Sends what was recorded through the second serial port. Then it switches the machine off.
 *
 * Sent is, for each recording: a line "NAME EXIT_CODE SIZE", then that many bytes. What the agent says goes
 * to the console, which is the first port.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define CAPTURE "/tmp/capture"
#define CPU_1 "/sys/devices/system/cpu/cpu1/online"

enum { FILE_HEADER_SIZE = 40 }; /* include/wire.h */

static void mount_all(void)
{
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
	mount("tmpfs", "/run", "tmpfs", 0, NULL);
}

static int open_port(void)
{
	struct termios settings;
	int fd = open("/dev/ttyS1", O_WRONLY | O_NOCTTY);

	if (fd >= 0 && tcgetattr(fd, &settings) == 0) {
		cfmakeraw(&settings); /* bytes go through as they are */
		tcsetattr(fd, TCSANOW, &settings);
	}
	return fd;
}

static pid_t start(char *const arguments[])
{
	pid_t pid = fork();

	if (pid == 0) {
		execv(arguments[0], arguments);
		perror(arguments[0]);
		_exit(127);
	}
	return pid;
}

static int exit_code(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* Lets time pass, on the clock that nobody sets. */
static void wait_ms(long ms)
{
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static void set_online(const char *value)
{
	int fd = open(CPU_1, O_WRONLY);

	if (fd < 0 || write(fd, value, 1) != 1)
		perror("CPU 1");
	close(fd);
}

static void set_clock(long by_s)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	time.tv_sec += by_s;
	if (clock_settime(CLOCK_REALTIME, &time) < 0)
		perror("clock");
}

/* For the test, in microseconds of the wall clock. */
static void tell_moment(const char *what)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	printf("moment %s %lld\n", what, (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

/* Each change at least as long before the next as the agent takes to see it. */
static void change_everything(void)
{
	tell_moment("begin");
	wait_ms(1500);
	set_online("0");
	tell_moment("offline");
	wait_ms(1500);
	tell_moment("online");
	set_online("1");
	wait_ms(3000);
	/* So fast that hardly anybody sees it: what was open is dead all the same. */
	tell_moment("away and back");
	set_online("0");
	set_online("1");
	wait_ms(4000);
	tell_moment("an hour on");
	set_clock(3600);
	wait_ms(2000);
	tell_moment("two hours back");
	set_clock(-7200);
	wait_ms(2000);
	tell_moment("end");
}

static void send_capture(int port, const char *form, int code)
{
	static char bytes[1 << 16];
	int fd = open(CAPTURE, O_RDONLY);
	struct stat stat = { 0 };
	ssize_t size;

	if (fd >= 0)
		fstat(fd, &stat);
	dprintf(port, "%s %d %lld\n", form, code, (long long)stat.st_size);
	while (fd >= 0 && (size = read(fd, bytes, sizeof(bytes))) > 0)
		for (ssize_t sent = 0, part; sent < size; sent += part) {
			part = write(port, bytes + sent, (size_t)(size - sent));
			if (part < 0)
				break;
		}
	tcdrain(port);
	close(fd);
	unlink(CAPTURE);
}

static void await_capture(void)
{
	struct stat status = { 0 };

	while (stat(CAPTURE, &status) < 0 || status.st_size <= FILE_HEADER_SIZE)
		wait_ms(50);
}

static void record_changes(int port, char *const load[])
{
	char *const agent[] = { "/flickerscope", "record", "-F", "99", "-o", CAPTURE, NULL };
	pid_t second = start(load); /* one for each CPU */
	pid_t recording = start(agent);

	await_capture();
	change_everything();
	kill(recording, SIGINT);
	send_capture(port, "changes", exit_code(recording));
	kill(second, SIGKILL);
}

int main(void)
{
	char *const load[] = { "/chain", "600000", "30", NULL };
	char *const agent[] = {
		"/flickerscope", "record",  "--verbose", "-F", "99", "-d", "4", "-o",
		CAPTURE,	 "--force", NULL
	};
	int port;
	pid_t pid;

	setvbuf(stdout, NULL, _IOLBF, 0);
	mount_all();
	port = open_port();
	pid = start(load);
	send_capture(port, "loop", exit_code(start(agent)));
	setenv("FLICKERSCOPE_PLAIN_LOOP", "1", 1);
	send_capture(port, "plain", exit_code(start(agent)));
	unsetenv("FLICKERSCOPE_PLAIN_LOOP");
	if (access(CPU_1, F_OK) == 0)
		record_changes(port, load);
	kill(pid, SIGKILL);
	reboot(RB_AUTOBOOT); /* the machine ends instead: qemu's -no-reboot */
	return 0;
}
