/* SPDX-License-Identifier: Apache-2.0 */
#include "privileged/cgroup_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "privileged/mount_info.h"
#include "privileged/process_files.h"

#define HOST_NAMESPACE "cgroup:[4026531835]" /* PROC_CGROUP_INIT_INO */

static bool is_host_namespace(void)
{
	char name[64];
	ssize_t size = readlink("/proc/self/ns/cgroup", name, sizeof(name));

	return size == (ssize_t)strlen(HOST_NAMESPACE) &&
	       memcmp(name, HOST_NAMESPACE, (size_t)size) == 0;
}

static bool find(struct cgroup_folder *folder)
{
	CLEANUP(fd_close) int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	CLEANUP(bytes_writer_free)
	struct bytes_writer text = bytes_writer_with_max(PROCESS_MOUNTINFO_SIZE_MAX);

	return fd >= 0 && bytes_writer_read(&text, fd) == 0 &&
	       mount_info_cgroups((const char *)text.bytes, text.size, folder->path);
}

int cgroup_folder_open(struct cgroup_folder *ret_folder)
{
	struct cgroup_folder folder = { .fd = -1 };

	if (!is_host_namespace()) {
		log_error("cgroups cannot be chosen from inside a cgroup namespace: start on the "
			  "host, "
			  "or with the host's (docker run --cgroupns=host)");
		return -EXDEV;
	}
	if (!find(&folder)) {
		log_error(
			"cgroups can be chosen with version 2 only, and that is not mounted here: "
			"mount -t cgroup2 none /sys/fs/cgroup, or choose processes with -p");
		return -ENODEV;
	}
	folder.fd = open(folder.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder.fd < 0)
		return log_errno(-errno, "open the folder of cgroups %s", folder.path);
	*ret_folder = folder;
	return 0;
}

const char *cgroup_folder_name(const struct cgroup_folder *folder, const char *name)
{
	size_t size = strlen(folder->path);

	if (strncmp(name, folder->path, size) == 0 && (name[size] == '/' || !name[size]))
		name += size;
	return name + strspn(name, "/");
}

/* How many parts the name has; -EINVAL when one of them leads upwards. */
static int count_parts(const char *name)
{
	int count = 0;

	while (*name) {
		size_t size = strcspn(name, "/");

		if (size == 2 && name[0] == '.' && name[1] == '.')
			return -EINVAL;
		count += size > 0 && !(size == 1 && name[0] == '.');
		name += size;
		name += strspn(name, "/");
	}
	return count;
}

int cgroup_folder_id(const struct cgroup_folder *folder, const char *name, uint64_t *ret_id,
		     uint32_t *ret_level)
{
	struct stat status;
	int level;

	name = cgroup_folder_name(folder, name);
	level = count_parts(name);
	if (level < 0)
		return level;
	if (fstatat(folder->fd, *name ? name : ".", &status, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISDIR(status.st_mode))
		return -ENOTDIR;
	_Static_assert(sizeof(status.st_ino) == sizeof(uint64_t),
		       "an inode number holds a cgroup's whole id (kernfs_ino())");
	*ret_id = status.st_ino;
	*ret_level = (uint32_t)level;
	return 0;
}
