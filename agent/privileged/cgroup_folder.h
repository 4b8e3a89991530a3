/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder of all cgroups of version 2 (cgroups(7)), wherever it is mounted, and the ids by which
 * BPF programs know them. Once it is open, nothing here needs privileges. Any thread.
 */
#ifndef FLICKERSCOPE_CGROUP_FOLDER_H
#define FLICKERSCOPE_CGROUP_FOLDER_H

#include <limits.h>
#include <stdint.h>

struct cgroup_folder {
	int fd; /* owned by whoever opened it; O_PATH */
	char path[PATH_MAX];
};

/*
 * Opens it. Logs one line that names the cause and the remedy, and returns -errno: -ENODEV where
 * there are cgroups of version 1 only, -EXDEV inside a cgroup namespace.
 */
int cgroup_folder_open(struct cgroup_folder *ret_folder);

/*
 * The name of a cgroup within the folder: "/system.slice/a.service" and "system.slice/a.service" are
 * meant as that, the folder's own path before it is left out; "" is the root. Borrowed from @name.
 */
const char *cgroup_folder_name(const struct cgroup_folder *folder, const char *name);

/*
 * The cgroup that has that name now. @ret_level: how deep it lies, 0 being the root.
 *
 * Returns 0 or -errno; not logged: -ENOENT, -EINVAL for a name with "..", -ELOOP for a link.
 */
int cgroup_folder_id(const struct cgroup_folder *folder, const char *name, uint64_t *ret_id,
		     uint32_t *ret_level);

#endif
