/* SPDX-License-Identifier: Apache-2.0 */
#include "process/process_reader.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "privileged/process_files.h"
#include "process/executable_table.h"
#include "process/proc_maps.h"
#include "process/proc_status.h"

/* One read in progress. */
struct reading {
	struct process_reader *reader;
	const struct mapping_table *known;
	struct process_snapshot *snapshot;
	int process_fd;
	char main_path[PROCESS_USER_PATH_SIZE_MAX]; /* "" when there is none */
};

void process_snapshot_release(struct process_snapshot *snapshot)
{
	mapping_table_release(snapshot->mappings);
	if (snapshot->main_executable)
		executable_release(snapshot->main_executable);
	*snapshot = (struct process_snapshot){ 0 };
}

static int read_text(struct process_reader *reader, int process_fd, const char *name)
{
	bytes_writer_clear(&reader->text);
	return process_files_read(process_fd, name, &reader->text);
}

/*
 * Whether the folder is that of the process that was meant, not of a later one with its pid; and
 * whether its main thread has ended.
 */
static int check_stat(struct process_reader *reader, int process_fd, uint64_t start_ns,
		      bool *ret_main_ended)
{
	uint64_t tick_ns = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	struct proc_stat stat;
	int r = read_text(reader, process_fd, "stat");

	if (r < 0)
		return r;
	if (!proc_stat_parse((const char *)reader->text.bytes, reader->text.size, &stat))
		return -EBADMSG;
	*ret_main_ended = stat.state == 'Z';
	return !start_ns || stat.start_ticks == start_ns / tick_ns ? 0 : -ESRCH;
}

/* What was known about the same range of the same file, with a better identity than maps has. */
static struct executable *known_executable(const struct reading *reading,
					   const struct proc_maps_row *row)
{
	const struct mapping *mapping = mapping_table_find(reading->known, row->start);
	const char *path;

	if (!mapping || mapping->start != row->start || mapping->end != row->end ||
	    mapping->file_offset != row->file_offset ||
	    mapping->executable->kind != EXECUTABLE_FILE)
		return NULL;
	path = mapping->executable->path;
	if (row->path_size < strlen(path) || memcmp(row->path, path, strlen(path)) != 0)
		return NULL;
	executable_take_again(mapping->executable);
	return mapping->executable;
}

static bool is_main(const struct reading *reading, const struct proc_maps_row *row)
{
	size_t size = strlen(reading->main_path);

	return size && row->path_size == size && memcmp(row->path, reading->main_path, size) == 0;
}

static void add_row(struct reading *reading, const struct proc_maps_row *row)
{
	const struct executable_identity identity = {
		.inode = row->inode,
		.device_major = row->device_major,
		.device_minor = row->device_minor,
	};
	struct process_snapshot *snapshot = reading->snapshot;
	struct mapping mapping = {
		.start = row->start,
		.end = row->end,
		.file_offset = row->file_offset,
		.time_ns = snapshot->time_ns,
		.executable = known_executable(reading, row),
		.is_main_executable = is_main(reading, row),
	};

	const struct executable_sight sight = {
		.process_fd = reading->process_fd,
		.start = row->start,
		.end = row->end,
		.now_ns = snapshot->time_ns,
	};

	if (!mapping.executable)
		mapping.executable = executable_table_take_mapped(reading->reader->executables,
								  &identity, row->path,
								  row->path_size, &sight, NULL);
	if (!mapping.executable) {
		snapshot->refused_rows++;
		return;
	}
	if (mapping.is_main_executable && !snapshot->main_executable) {
		snapshot->main_executable = mapping.executable;
		executable_take_again(mapping.executable);
	}
	if (mapping_table_put(&snapshot->mappings, reading->reader->budget, &mapping) != 0)
		snapshot->refused_rows++;
}

static int read_maps(struct reading *reading)
{
	struct bytes_writer *text = &reading->reader->text;
	struct bytes_reader maps;
	struct proc_maps_row row;
	int r;

	bytes_writer_clear(text);
	r = process_files_read(reading->process_fd, "maps", text);
	if (r < 0)
		return r;
	maps = bytes_reader_of(text->bytes, text->size);
	while ((r = proc_maps_next(&maps, &row)) != PROC_MAPS_END) {
		if (r != 0)
			reading->snapshot->bad_lines++;
		else if (row.executable)
			add_row(reading, &row);
	}
	return 0;
}

static int read_comm(struct process_reader *reader, int process_fd,
		     struct process_snapshot *snapshot)
{
	int r = read_text(reader, process_fd, "comm");
	size_t size = reader->text.size;

	if (r < 0)
		return r;
	if (size && reader->text.bytes[size - 1] == '\n')
		size--;
	if (size > sizeof(snapshot->comm) - 1)
		size = sizeof(snapshot->comm) - 1;
	if (size)
		memcpy(snapshot->comm, reader->text.bytes, size);
	snapshot->comm[size] = '\0';
	return 0;
}

int process_reader_read(struct process_reader *reader, uint32_t pid, uint64_t start_ns,
			const struct mapping_table *known, struct process_snapshot *ret_snapshot)
{
	CLEANUP(process_snapshot_release)
	struct process_snapshot snapshot = { .time_ns = monotonic_ns() };
	struct reading reading = { .reader = reader, .known = known, .snapshot = &snapshot };
	CLEANUP(fd_close) int process_fd = -1, task_fd = -1;
	bool main_ended = false;
	int r;

	r = process_files_open_process(reader->files, pid, &process_fd);
	if (r == 0)
		r = check_stat(reader, process_fd, start_ns, &main_ended);
	if (r == 0)
		r = read_comm(reader, process_fd, &snapshot);
	if (r < 0)
		return r;
	if (main_ended) {
		r = process_files_open_other_task(reader->files, process_fd, &task_fd);
		if (r < 0)
			return r;
	}
	reading.process_fd = main_ended ? task_fd : process_fd;
	/* Kernel threads have none. */
	if (process_files_read_link(reading.process_fd, "exe", reading.main_path) < 0)
		reading.main_path[0] = '\0';
	r = read_maps(&reading);
	if (r < 0)
		return r;
	*ret_snapshot = snapshot;
	snapshot = (struct process_snapshot){ 0 };
	return 0;
}
