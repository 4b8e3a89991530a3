/* SPDX-License-Identifier: Apache-2.0 */
#include "process/process_reader.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

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
	const struct process_look *look;
	struct proc_maps_row rows[PROCESS_RANGES_MAX]; /* executable, of the text in hand */
	uint32_t row_count;
	uint32_t executable_count; /* of all text so far */
};

void process_snapshot_release(struct process_snapshot *snapshot)
{
	mapping_table_release(snapshot->mappings);
	if (snapshot->main_executable)
		executable_release(snapshot->main_executable);
	*snapshot = (struct process_snapshot){ 0 };
}

/*
 * Whether the folder is that of the process that was meant, not of a later one with its pid; and
 * whether it can be read though its main thread has ended.
 */
static int check_stat(const struct process_look_texts *texts, uint64_t start_ns)
{
	uint64_t tick_ns = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	struct proc_stat stat;

	if (!proc_stat_parse(texts->stat, strlen(texts->stat), &stat))
		return -EBADMSG;
	if (stat.state == 'Z' && !texts->exe[0])
		return -ESRCH;
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
	const char *exe = reading->look->texts.exe;
	size_t size = strlen(exe);

	return size && row->path_size == size && memcmp(row->path, exe, size) == 0;
}

static struct executable_identity identity_of(const struct proc_maps_row *row)
{
	return (struct executable_identity){
		.inode = row->inode,
		.device_major = row->device_major,
		.device_minor = row->device_minor,
	};
}

/* @changed_ns: when the row's file was last written; 0: that was not looked at. */
static void add_row(struct reading *reading, const struct proc_maps_row *row, uint64_t changed_ns)
{
	const struct executable_identity identity = identity_of(row);
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
		.changed_ns = changed_ns,
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

static bool wants_time(const struct reading *reading, const struct proc_maps_row *row)
{
	const struct executable_identity identity = identity_of(row);

	return executable_table_wants_time(reading->reader->executables, &identity, row->path,
					   row->path_size, reading->snapshot->time_ns);
}

/* The times of all their files are one question: see process_files_times_changed(). */
static void add_rows(struct reading *reading)
{
	struct process_range ranges[PROCESS_RANGES_MAX] = { 0 };
	uint64_t times_ns[PROCESS_RANGES_MAX] = { 0 }; /* without them files are what they were */
	uint32_t count = 0;

	for (uint32_t i = 0; i < reading->row_count; i++) {
		const struct proc_maps_row *row = &reading->rows[i];

		if (wants_time(reading, row))
			ranges[count++] =
				(struct process_range){ .start = row->start, .end = row->end };
	}
	if (count)
		process_files_times_changed(reading->reader->files,
					    process_place_of(reading->look->process_fd), ranges,
					    count, times_ns);
	for (uint32_t i = 0, at = 0; i < reading->row_count; i++) {
		const struct proc_maps_row *row = &reading->rows[i];
		bool is_asked = at < count && ranges[at].start == row->start;

		add_row(reading, row, is_asked ? times_ns[at] : 0);
		at += is_asked;
	}
	reading->row_count = 0;
}

static void take_lines(struct reading *reading, const char *lines, size_t size)
{
	struct bytes_reader maps = bytes_reader_of(lines, size);
	struct proc_maps_row row;
	int r;

	while (reading->executable_count < MAPPINGS_MAX &&
	       (r = proc_maps_next(&maps, &row)) != PROC_MAPS_END) {
		if (r != 0) {
			reading->snapshot->bad_lines++;
		} else if (row.executable) {
			if (reading->row_count == PROCESS_RANGES_MAX)
				add_rows(reading);
			reading->rows[reading->row_count++] = row;
			reading->executable_count++;
		}
	}
	add_rows(reading); /* their paths are in the text */
}

/* Reads until the room behind *size is full, or the text ends. Returns 0, PROC_MAPS_END or -errno. */
static int fill(struct process_reader *reader, int fd, size_t *size)
{
	while (*size < sizeof(reader->text)) {
		ssize_t got = read(fd, reader->text + *size, sizeof(reader->text) - *size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : PROC_MAPS_END;
		*size += (size_t)got;
	}
	return 0;
}

/*
 * Whole lines, and no further than there is room for mappings: those of a process with a million would take
 * as long as thousands of others. (PROCMAP_QUERY, which leaves out what is not executable, needs Linux 6.11.)
 */
static int read_maps(struct reading *reading)
{
	struct process_reader *reader = reading->reader;
	size_t size = 0, total = 0;
	int r;

	do {
		const char *end;
		size_t lines;

		r = fill(reader, reading->look->maps_fd, &size);
		if (r < 0)
			return r;
		end = memrchr(reader->text, '\n', size);
		lines = end ? (size_t)(end + 1 - reader->text) : 0;
		take_lines(reading, reader->text, lines);
		total += lines;
		size -= lines;
		memmove(reader->text, reader->text + lines, size);
		/* Paths are shorter: that is no line of the kernel's. */
		if (size == sizeof(reader->text))
			return -EBADMSG;
	} while (r != PROC_MAPS_END && reading->executable_count < MAPPINGS_MAX &&
		 total < PROCESS_TEXT_SIZE_MAX);
	return 0;
}

static void take_comm(const char *comm, struct process_snapshot *snapshot)
{
	size_t size = strlen(comm);

	if (size && comm[size - 1] == '\n')
		size--;
	if (size > sizeof(snapshot->comm) - 1)
		size = sizeof(snapshot->comm) - 1;
	memcpy(snapshot->comm, comm, size);
	snapshot->comm[size] = '\0';
}

int process_reader_read(struct process_reader *reader, uint32_t pid, uint64_t start_ns,
			const struct mapping_table *known, struct process_snapshot *ret_snapshot)
{
	CLEANUP(process_snapshot_release)
	struct process_snapshot snapshot = { .time_ns = monotonic_ns() };
	CLEANUP(process_look_close)
	struct process_look look = { .process_fd = -1, .maps_fd = -1 };
	struct reading reading;
	int r = process_files_look(reader->files, pid, &look);

	if (r == 0)
		r = check_stat(&look.texts, start_ns);
	if (r < 0)
		return r;
	take_comm(look.texts.comm, &snapshot);
	reading.reader = reader;
	reading.known = known;
	reading.snapshot = &snapshot;
	reading.look = &look;
	reading.row_count = reading.executable_count = 0;
	r = read_maps(&reading);
	if (r < 0)
		return r;
	*ret_snapshot = snapshot;
	snapshot = (struct process_snapshot){ 0 };
	return 0;
}
