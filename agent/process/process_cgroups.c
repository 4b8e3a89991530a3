/* SPDX-License-Identifier: Apache-2.0 */
#include "process/process_cgroups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash_index.h"
#include "process/cgroup_path.h"

enum { CGROUPS_MAX = 4096 };

struct row {
	uint64_t id; /* never used twice; 0: free */
	char *path;
	char *container;
};

struct process_cgroups {
	struct hash_index index; /* by path; ids are places in rows, from 1 */
	struct row rows[CGROUPS_MAX + 1];
	uint64_t last_id; /* its place in rows is 1 + (id - 1) % CGROUPS_MAX */
};

static uint32_t place_of(uint64_t id)
{
	return 1 + (uint32_t)((id - 1) % CGROUPS_MAX);
}

static bool row_is(uint32_t place, const void *wanted, const void *owner)
{
	const struct process_cgroups *cgroups = owner;

	return strcmp(cgroups->rows[place].path, wanted) == 0;
}

static void remove_row(struct process_cgroups *cgroups, uint32_t place)
{
	struct row *row = &cgroups->rows[place];

	if (!row->id)
		return;
	hash_index_remove(&cgroups->index, hash_bytes(row->path, strlen(row->path)), place);
	free(row->path);
	free(row->container);
	*row = (struct row){ 0 };
}

int process_cgroups_new(struct process_cgroups **ret_cgroups)
{
	struct process_cgroups *cgroups = calloc(1, sizeof(*cgroups));

	if (!cgroups)
		return -ENOMEM;
	cgroups->index = hash_index_with_max(CGROUPS_MAX);
	*ret_cgroups = cgroups;
	return 0;
}

void process_cgroups_free(struct process_cgroups *cgroups)
{
	if (!cgroups)
		return;
	for (uint32_t place = 1; place <= CGROUPS_MAX; place++)
		remove_row(cgroups, place);
	hash_index_free(&cgroups->index);
	free(cgroups);
}

static uint64_t add_path(struct process_cgroups *cgroups, const char *path, size_t size)
{
	CLEANUP(memory_free) char *path_copy = strdup(path);
	CLEANUP(memory_free) char *container_copy = NULL;
	char container[CGROUP_CONTAINER_SIZE_MAX];
	uint64_t id = cgroups->last_id + 1;

	cgroup_path_container(path, container);
	container_copy = strdup(container);
	if (!path_copy || !container_copy)
		return 0;
	remove_row(cgroups, place_of(id));
	if (hash_index_add(&cgroups->index, hash_bytes(path, size), place_of(id)) != 0)
		return 0;
	cgroups->rows[place_of(id)] = (struct row){
		.id = id,
		.path = TAKE(path_copy),
		.container = TAKE(container_copy),
	};
	cgroups->last_id = id;
	return id;
}

uint64_t process_cgroups_add(struct process_cgroups *cgroups, const char *text, size_t size)
{
	char path[CGROUP_PATH_SIZE_MAX];
	size_t path_size;
	uint32_t place;

	cgroup_path_of(text, size, path);
	path_size = strlen(path); /* a zero byte among it would end it for all who come after */
	place = hash_index_find(&cgroups->index, hash_bytes(path, path_size), row_is, path,
				cgroups);
	return place ? cgroups->rows[place].id : add_path(cgroups, path, path_size);
}

bool process_cgroups_get(const struct process_cgroups *cgroups, uint64_t id,
			 struct process_cgroup *ret_cgroup)
{
	const struct row *row = &cgroups->rows[place_of(id)];

	if (!id || row->id != id)
		return false;
	*ret_cgroup = (struct process_cgroup){ .path = row->path, .container = row->container };
	return true;
}
