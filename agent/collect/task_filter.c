/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/task_filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "privileged/cgroup_folder.h"

struct task_filter {
	struct sample_filter *filter; /* borrowed, shared with the program */
	struct cgroup_folder folder;
	char *cgroups[SAMPLE_CGROUPS_MAX]; /* owned */
	size_t cgroup_count;
};

void task_filter_free(struct task_filter *filter)
{
	if (!filter)
		return;
	fd_close(filter->folder.fd);
	for (size_t i = 0; i < filter->cgroup_count; i++)
		free(filter->cgroups[i]);
	free(filter);
}

static int add_cgroup(struct task_filter *filter, const char *name)
{
	size_t place = filter->cgroup_count;
	uint64_t id;
	uint32_t level;
	int r = cgroup_folder_id(&filter->folder, name, &id, &level);

	if (r == -ENOENT || r == -EINVAL) {
		log_error(r == -ENOENT ? "there is no cgroup %s below %s"
				       : "-G %s: a cgroup's name leads downwards from %s",
			  name, filter->folder.path);
		return r;
	}
	if (r < 0)
		return log_errno(r, "cgroup %s below %s", name, filter->folder.path);
	filter->cgroups[place] = strdup(name);
	if (!filter->cgroups[place])
		return log_errno(-ENOMEM, "sample only cgroup %s", name);
	filter->filter->cgroups[place].id = id;
	filter->filter->cgroups[place].level = level;
	filter->cgroup_count++;
	return 0;
}

int task_filter_new(const struct task_filter_options *options, struct sample_filter *filter,
		    struct task_filter **ret_filter)
{
	CLEANUP(task_filter_free) struct task_filter *tasks = calloc(1, sizeof(*tasks));

	if (!tasks)
		return log_errno(-ENOMEM, "filter processes");
	tasks->folder.fd = -1;
	tasks->filter = filter;
	if (options->cgroup_count > SAMPLE_CGROUPS_MAX || options->user_count > SAMPLE_USERS_MAX) {
		log_error("more than %d cgroups or %d users were asked for", SAMPLE_CGROUPS_MAX,
			  SAMPLE_USERS_MAX);
		return -E2BIG;
	}
	if (options->cgroup_count) {
		int r = cgroup_folder_open(&tasks->folder);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < options->cgroup_count; i++) {
		int r = add_cgroup(tasks, options->cgroups[i]);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < options->user_count; i++)
		filter->users[i] = options->users[i];
	*ret_filter = TAKE(tasks);
	return 0;
}

void task_filter_follow(struct task_filter *filter)
{
	for (size_t i = 0; i < filter->cgroup_count; i++) {
		uint64_t id;
		uint32_t level; /* of the name, which stays */

		/* Without one, nothing is sampled for this name until it is there again. */
		if (cgroup_folder_id(&filter->folder, filter->cgroups[i], &id, &level) < 0)
			id = 0;
		__atomic_store_n(&filter->filter->cgroups[i].id, id, __ATOMIC_RELAXED);
	}
}
