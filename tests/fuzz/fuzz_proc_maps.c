/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts of /proc, any bytes: the first one chooses which. For maps, rows that are accepted go
 * into a mapping table, which must stay sorted and free of overlaps.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "privileged/mount_info.h"
#include "privileged/process_files.h"
#include "process/cgroup_path.h"
#include "process/executable_table.h"
#include "process/mapping_table.h"
#include "process/proc_maps.h"
#include "process/proc_status.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { ROWS_MAX = 4096 };

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_sorted(const struct mapping_table *table)
{
	uint32_t count;
	const struct mapping *rows = mapping_table_rows(table, &count);

	for (uint32_t i = 0; i < count; i++) {
		require(rows[i].start < rows[i].end);
		require(i == 0 || rows[i - 1].end <= rows[i].start);
		require(mapping_table_find(table, rows[i].start) == &rows[i]);
		require(mapping_table_find(table, rows[i].end - 1) == &rows[i]);
	}
}

static void read_maps(struct bytes_reader text)
{
	CLEANUP(process_files_free) struct process_files *files = NULL;
	CLEANUP(executable_table_free) struct executable_table *executables = NULL;
	struct mapping_budget budget = { .rows_max = ROWS_MAX };
	struct mapping_table *table = NULL, *child;
	struct proc_maps_row row;
	uint64_t time_ns = 0;
	int r;

	require(process_files_new(&files) == 0 && executable_table_new(files, &executables) == 0);
	while ((r = proc_maps_next(&text, &row)) != PROC_MAPS_END) {
		const struct executable_identity identity = { .inode = row.inode,
							      .device_major = row.device_major };
		struct mapping mapping = { .start = row.start,
					   .end = row.end,
					   .file_offset = row.file_offset,
					   .time_ns = ++time_ns };

		if (r != 0)
			continue;
		require(row.start < row.end);
		mapping.executable = executable_table_take(executables, &identity, row.path,
							   row.path_size, NULL);
		if (mapping.executable)
			mapping_table_put(&table, &budget, &mapping);
		check_sorted(table);
	}
	child = mapping_table_fork(table, time_ns / 2);
	mapping_table_clear_before(&table, &budget, time_ns / 2);
	check_sorted(table);
	check_sorted(child);
	mapping_table_release(child);
	mapping_table_release(table);
	require(budget.rows == 0);
}

static void read_cgroup(const char *text, size_t size)
{
	char path[CGROUP_PATH_SIZE_MAX], container[CGROUP_CONTAINER_SIZE_MAX];

	require(cgroup_path_of(text, size, path) < sizeof(path));
	cgroup_path_container(path, container);
	require(strlen(container) < sizeof(container));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const char *text = (const char *)bytes + 1;
	struct proc_status status;
	struct proc_stat stat;

	if (!size)
		return 0;
	size--;
	switch (bytes[0] % 5) {
	case 0:
		read_maps(bytes_reader_of(text, size));
		break;
	case 1:
		proc_stat_parse(text, size, &stat);
		break;
	case 2:
		proc_status_parse(text, size, &status);
		break;
	case 3:
		read_cgroup(text, size);
		break;
	default:
		mount_info_kind(text, size, 31, 0, 45);
		mount_info_path_is_fuse(text, size, "/tmp/perf-1.map");
	}
	return 0;
}
