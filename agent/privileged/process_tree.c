/* SPDX-License-Identifier: Apache-2.0 */
#include "privileged/process_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

enum {
	PROCESSES_MAX = 1 << 22, /* PID_MAX_LIMIT of the kernel */
};

struct process_row {
	uint32_t pid;
	uint32_t parent_pid;
};

int process_tree_process_of(uint32_t pid, uint32_t *ret_process_pid)
{
	CLEANUP(file_close) FILE *file = NULL;
	char path[64], line[256];
	unsigned int process_pid;

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Tgid: %u", &process_pid) == 1) {
			*ret_process_pid = process_pid;
			return 0;
		}
	return -ESRCH; /* it ended while it was read */
}

/* The fourth field of /proc/PID/stat (proc(5)); 0 when the process has ended. */
static uint32_t read_parent(int proc_fd, const char *pid)
{
	CLEANUP(fd_close) int fd = -1;
	char path[64], text[1024];
	unsigned int parent_pid;
	const char *after_comm;
	ssize_t size;

	snprintf(path, sizeof(path), "%.32s/stat", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	size = read(fd, text, sizeof(text) - 1);
	if (size <= 0)
		return 0;
	text[size] = '\0';
	after_comm = strrchr(text, ')'); /* the comm before may hold anything */
	if (!after_comm || sscanf(after_comm, ") %*c %u", &parent_pid) != 1)
		return 0;
	return parent_pid;
}

static int read_processes(struct process_row **ret_rows, size_t *ret_count)
{
	CLEANUP(dir_close) DIR *proc = opendir("/proc");
	CLEANUP(memory_free) struct process_row *rows = NULL;
	size_t count = 0, capacity = 0;
	struct dirent *entry;

	if (!proc)
		return -errno;
	while ((entry = readdir(proc)) && count < PROCESSES_MAX) {
		char *end;
		unsigned long pid = strtoul(entry->d_name, &end, 10);

		if (*end || !pid)
			continue;
		if (count == capacity) {
			struct process_row *larger;

			capacity = capacity ? capacity * 2 : 256;
			larger = reallocarray(rows, capacity, sizeof(*rows));
			if (!larger)
				return -ENOMEM;
			rows = larger;
		}
		rows[count++] = (struct process_row){
			.pid = (uint32_t)pid,
			.parent_pid = read_parent(dirfd(proc), entry->d_name),
		};
	}
	*ret_rows = TAKE(rows);
	*ret_count = count;
	return 0;
}

static bool contains(const uint32_t *pids, size_t count, uint32_t pid)
{
	for (size_t i = 0; i < count; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

int process_tree_add_descendants(uint32_t *pids, size_t *count, size_t pids_max)
{
	CLEANUP(memory_free) struct process_row *rows = NULL;
	size_t row_count = 0, known_count = *count;
	int r;

	r = read_processes(&rows, &row_count);
	if (r < 0)
		return r;
	/* Breadth first: what is added is itself looked at for children. */
	for (size_t i = 0; i < known_count; i++)
		for (size_t row = 0; row < row_count && known_count < pids_max; row++)
			if (rows[row].parent_pid == pids[i] &&
			    !contains(pids, known_count, rows[row].pid))
				pids[known_count++] = rows[row].pid;
	r = (int)(known_count - *count);
	*count = known_count;
	return r;
}
