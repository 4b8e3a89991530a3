/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of the virtual machine of kernels.test.mjs: has the agent record a program of a
 * known call chain, once for each form of the walk's loop, and sends what was recorded through the
 * second serial port. Then it switches the machine off.
 *
 * Sent is, for each form: a line "FORM EXIT_CODE SIZE", then that many bytes. What the agent says goes
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
#include <unistd.h>

#define CAPTURE "/tmp/capture"

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

int main(void)
{
	char *const load[] = { "/chain", "600000", "30", NULL };
	char *const agent[] = {
		"/flickerscope", "record",  "--verbose", "-F", "99", "-d", "4", "-o",
		CAPTURE,	 "--force", NULL
	};
	int port;
	pid_t pid;

	mount_all();
	port = open_port();
	pid = start(load);
	send_capture(port, "loop", exit_code(start(agent)));
	setenv("FLICKERSCOPE_PLAIN_LOOP", "1", 1);
	send_capture(port, "plain", exit_code(start(agent)));
	kill(pid, SIGKILL);
	reboot(RB_AUTOBOOT); /* the machine ends instead: qemu's -no-reboot */
	return 0;
}
