/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/jit_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "privileged/process_files.h"
#include "process/proc_status.h"
#include "process/process_table.h"
#include "symbolize/jitdump.h"

enum { STATUS_SIZE_MAX = 256 << 10, PATH_SIZE_MAX = 64 };

/* Who the process is by its own account: its pid inside, and whose files count. */
static int open_process(struct process_files *files, const struct process *process,
			struct proc_status *ret_status, int *ret_process_fd)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer text = bytes_writer_with_max(STATUS_SIZE_MAX);
	CLEANUP(fd_close) int process_fd = -1;
	int r = process_files_open_process(files, process->pid, &process_fd);

	if (r == 0)
		r = process_files_read(files, process_place_of(process_fd), "status", &text);
	if (r < 0)
		return r;
	if (!proc_status_parse((const char *)text.bytes, text.size, ret_status))
		return -EBADMSG;
	*ret_process_fd = TAKE_FD(process_fd);
	return 0;
}

int jit_files_open_map(struct process_files *files, const struct process *process, int *ret_fd)
{
	/* Of a huge one the end is read: its size does not matter. */
	struct process_file_rules rules = { .size_max = UINT64_MAX, .owner_matters = true };
	CLEANUP(fd_close) int process_fd = -1;
	struct proc_status status;
	char path[PATH_SIZE_MAX];
	int r = open_process(files, process, &status, &process_fd);

	if (r < 0)
		return r;
	rules.owner = status.effective_user;
	snprintf(path, sizeof(path), "/tmp/perf-%u.map",
		 status.namespace_pid ? status.namespace_pid : process->pid);
	r = process_files_open_in_root(files, process_place_of(process_fd), path, &rules, ret_fd);
	return r == -ENOENT ? JIT_FILES_NONE : r;
}

/* "…/jit-PID.dump": the pid may be one of another namespace, or that of a parent. */
static bool is_dump_path(const char *path)
{
	static const char begin[] = "jit-", end[] = ".dump";
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t digits;

	if (strncmp(name, begin, sizeof(begin) - 1) != 0)
		return false;
	name += sizeof(begin) - 1;
	digits = strspn(name, "0123456789");
	return digits && strcmp(name + digits, end) == 0;
}

static const struct mapping *find_dump(const struct process *process)
{
	uint32_t count;
	const struct mapping *mappings = process_mappings(process, &count);

	for (uint32_t i = 0; i < count; i++)
		if (mappings[i].executable->kind == EXECUTABLE_FILE &&
		    is_dump_path(mappings[i].executable->path))
			return &mappings[i];
	return NULL;
}

int jit_files_open_dump(struct process_files *files, const struct process *process, int *ret_fd)
{
	struct process_file_rules rules = { .size_max = JITDUMP_SIZE_MAX, .owner_matters = true };
	const struct mapping *mapping = find_dump(process);
	CLEANUP(fd_close) int process_fd = -1;
	struct proc_status status;
	int r;

	if (!mapping)
		return JIT_FILES_NONE;
	r = open_process(files, process, &status, &process_fd);
	if (r < 0)
		return r;
	rules.owner = status.effective_user;
	r = process_files_open_mapped(
		files, process_place_of(process_fd),
		(struct process_range){ .start = mapping->start, .end = mapping->end }, &rules,
		ret_fd);
	if (r != -ENOENT)
		return r;
	/* Some unmap it at once: having been mapped was the sign. */
	rules.identity_matters = true;
	rules.device_major = mapping->executable->identity.device_major;
	rules.device_minor = mapping->executable->identity.device_minor;
	rules.inode = mapping->executable->identity.inode;
	r = process_files_open_in_root(files, process_place_of(process_fd),
				       mapping->executable->path, &rules, ret_fd);
	return r == -ENOENT ? JIT_FILES_NONE : r;
}
