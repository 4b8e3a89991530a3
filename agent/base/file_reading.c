/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file_reading.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

int file_version_read(int fd, struct file_version *ret_version)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	*ret_version = (struct file_version){
		.device = status.st_dev,
		.inode = status.st_ino,
		.size = (uint64_t)status.st_size,
		.modified_s = (uint64_t)status.st_mtim.tv_sec,
		.modified_ns = (uint64_t)status.st_mtim.tv_nsec,
		.changed_s = (uint64_t)status.st_ctim.tv_sec,
		.changed_ns = (uint64_t)status.st_ctim.tv_nsec,
	};
	return 0;
}

bool file_version_equal(const struct file_version *version, const struct file_version *other)
{
	return version->device == other->device && version->inode == other->inode &&
	       version->size == other->size && version->modified_s == other->modified_s &&
	       version->modified_ns == other->modified_ns &&
	       version->changed_s == other->changed_s && version->changed_ns == other->changed_ns;
}

int file_reading_begin(int fd, struct file_reading *ret_reading)
{
	struct file_reading reading = file_reading_none();
	int r;

	if (fd >= 0) {
		r = file_version_read(fd, &reading.version);
		if (r < 0)
			return r;
		reading.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (reading.fd < 0)
			return -errno;
	}
	*ret_reading = reading;
	return 0;
}

bool file_reading_is_same(const struct file_reading *reading)
{
	struct file_version version = { 0 };

	return reading->fd < 0 || (file_version_read(reading->fd, &version) == 0 &&
				   file_version_equal(&version, &reading->version));
}

void file_reading_end(struct file_reading *reading)
{
	fd_close(TAKE_FD(reading->fd));
}
