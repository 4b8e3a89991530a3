/* SPDX-License-Identifier: Apache-2.0 */
#include "privileged/dump_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"

void dump_name(char ret_name[DUMP_NAME_SIZE_MAX])
{
	struct timespec now;
	struct tm when = { 0 };
	char text[32] = "";

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &when);
	strftime(text, sizeof(text), "%Y%m%dT%H%M%S", &when);
	snprintf(ret_name, DUMP_NAME_SIZE_MAX, "flickerscope-%s.%03ldZ.flk", text,
		 now.tv_nsec / 1000000);
}

int dump_folder_open(const char *path, int *ret_folder_fd)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return log_errno(-errno, "open the folder %s for dumps", path);
	*ret_folder_fd = fd;
	return 0;
}

bool dump_folder_is_of_others(int folder_fd)
{
	const mode_t makes = S_IWUSR | S_IXUSR;
	struct stat status;

	return fstat(folder_fd, &status) < 0 || status.st_uid != 0 ||
	       (status.st_mode & makes) != makes;
}

int dump_folder_create(int folder_fd, char ret_name[DUMP_NAME_SIZE_MAX], int *ret_fd)
{
	int fd;

	dump_name(ret_name);
	fd = openat(folder_fd, ret_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}
