/* SPDX-License-Identifier: Apache-2.0 */
#include "privileged/privileged_server.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/confinement.h"
#include "base/own_process.h"
#include "base/packet.h"
#include "privileged/process_files.h"

enum rules_flag {
	RULES_OWNER = 1,
	RULES_IDENTITY = 2,
};

/* A request, taken apart. */
struct asked {
	struct process_files *files;
	const uint64_t *numbers;
	const char *body;
	size_t body_size;
	const int *fds;
	size_t fd_count;
	struct privileged_result *result;
};

/* --- what requests are made of ----------------------------------------------------------------- */

void privileged_rules_write(const struct process_file_rules *rules,
			    uint64_t ret_numbers[PRIVILEGED_NUMBERS_MAX])
{
	ret_numbers[0] = rules->size_max;
	ret_numbers[1] = (rules->owner_matters ? RULES_OWNER : 0) |
			 (rules->identity_matters ? RULES_IDENTITY : 0);
	ret_numbers[2] = rules->owner;
	ret_numbers[3] = (uint64_t)rules->device_major << 32 | rules->device_minor;
	ret_numbers[4] = rules->inode;
}

static struct process_file_rules rules_of(const struct asked *asked)
{
	const uint64_t *numbers = asked->numbers;

	return (struct process_file_rules){
		.size_max = numbers[0],
		.owner_matters = numbers[1] & RULES_OWNER,
		.identity_matters = numbers[1] & RULES_IDENTITY,
		.owner = (uid_t)numbers[2],
		.device_major = (uint32_t)(numbers[3] >> 32),
		.device_minor = (uint32_t)numbers[3],
		.inode = numbers[4],
	};
}

/* One text, zero-terminated, and nothing behind it; NULL: it is none. */
static const char *text_of(const struct asked *asked)
{
	return asked->body_size && memchr(asked->body, '\0', asked->body_size) ==
					   asked->body + asked->body_size - 1
		       ? asked->body
		       : NULL;
}

static bool is_path(const char *path)
{
	return path && path[0] == '/';
}

/* Paths, the last of which is empty. */
static const char *paths_of(const struct asked *asked)
{
	const char *at = asked->body, *end = asked->body + asked->body_size;

	while (at < end && *at) {
		const char *zero = memchr(at, '\0', (size_t)(end - at));

		if (!zero || !is_path(at))
			return NULL;
		at = zero + 1;
	}
	return at + 1 == end ? asked->body : NULL;
}

static int first_fd(const struct asked *asked)
{
	return asked->fd_count == 1 ? asked->fds[0] : -1;
}

/* The descriptor is that of a process's folder, or of nothing that could be mistaken for one. */
static int process_of(const struct asked *asked)
{
	int fd = first_fd(asked);

	return fd >= 0 && process_files_is_folder(asked->files, fd) ? fd : -1;
}

/* "/tmp/perf-PID.map", of whatever process: the one kind of text that is read (perf-map-format of perf). */
static bool is_perf_map(const char *path)
{
	static const char begin[] = "/tmp/perf-", end[] = ".map";

	if (strncmp(path, begin, sizeof(begin) - 1) != 0)
		return false;
	path += sizeof(begin) - 1;
	return strspn(path, "0123456789") && strcmp(path + strspn(path, "0123456789"), end) == 0;
}

/* What a file of ours begins with: ELF, or the dump of a JIT compiler in either order of bytes. */
static bool is_ours(int fd)
{
	static const char magics[][4] = { { 0x7f, 'E', 'L', 'F' },
					  { 'J', 'i', 'T', 'D' },
					  { 'D', 'T', 'i', 'J' } };
	char magic[4];

	if (pread(fd, magic, sizeof(magic), 0) != sizeof(magic))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
		if (memcmp(magic, magics[i], sizeof(magic)) == 0)
			return true;
	return false;
}

/*
 * A file goes out when it is one that we have a use for. So nobody who has taken the agent over gets
 * passwords or keys, whatever path he names. @path: NULL: nobody named one.
 */
static int gave_file(const struct asked *asked, const char *path, int r)
{
	if (r == 0 && !(path && is_perf_map(path)) && !is_ours(asked->result->fd)) {
		fd_close(TAKE_FD(asked->result->fd));
		return PROCESS_FILE_FOREIGN;
	}
	return r;
}

/* --- files ------------------------------------------------------------------------------------- */

static int answer_open_in_root(const struct asked *asked)
{
	const struct process_file_rules rules = rules_of(asked);
	const char *path = text_of(asked);
	int process_fd = process_of(asked);

	if (!is_path(path))
		return -EINVAL;
	return process_fd < 0 ? -EBADF
			      : gave_file(asked, path,
					  process_files_open_in_root(asked->files, process_fd, path,
								     &rules, &asked->result->fd));
}

static int answer_open_first(const struct asked *asked)
{
	const struct process_file_rules rules = rules_of(asked);
	const char *paths = paths_of(asked);
	int process_fd = asked->fd_count ? process_of(asked) : -1;
	unsigned int first = (unsigned int)asked->numbers[5], index = 0;
	int r;

	if (!paths || asked->numbers[5] > PRIVILEGED_BODY_SIZE_MAX)
		return -EINVAL;
	if (asked->fd_count && process_fd < 0)
		return -EBADF;
	/* What is none of ours is passed over, as what cannot be opened is. */
	do {
		r = gave_file(asked, NULL,
			      process_files_open_first(asked->files, process_fd, paths, first,
						       &rules, &index, &asked->result->fd));
		first = index + 1;
	} while (r == PROCESS_FILE_FOREIGN);
	asked->result->reply.number = index;
	return r;
}

static int answer_open_path(const struct asked *asked)
{
	const struct process_file_rules rules = rules_of(asked);
	const char *path = text_of(asked);

	if (!is_path(path))
		return -EINVAL;
	return gave_file(asked, NULL,
			 process_files_open_path(asked->files, path, &rules, &asked->result->fd));
}

/* --- the process ------------------------------------------------------------------------------- */

static int (*const answers[PRIVILEGED_KINDS])(const struct asked *asked) = {
	[PRIVILEGED_OPEN_IN_ROOT] = answer_open_in_root,
	[PRIVILEGED_OPEN_FIRST] = answer_open_first,
	[PRIVILEGED_OPEN_PATH] = answer_open_path,
};

void privileged_server_answer(struct process_files *files, const void *bytes, size_t size,
			      const int *fds, size_t fd_count, struct privileged_result *result)
{
	struct bytes_reader reader = bytes_reader_of(bytes, size);
	struct privileged_request request;
	struct asked asked = { .files = files, .fds = fds, .fd_count = fd_count, .result = result };

	*result = (struct privileged_result){ .reply.result = -EINVAL, .fd = -1 };
	if (!bytes_read_into(&reader, &request, sizeof(request)) ||
	    request.kind >= PRIVILEGED_KINDS || request.body_size != bytes_left(&reader))
		return;
	asked.numbers = request.numbers;
	asked.body = (const char *)bytes + sizeof(request);
	asked.body_size = request.body_size;
	result->reply.result = answers[request.kind](&asked);
}

static int serve(int socket, struct process_files *files, uint8_t *message, size_t message_size)
{
	struct privileged_result result;
	int fds[PRIVILEGED_FDS_MAX];
	size_t size, fd_count = 0;
	int r = packet_receive(socket, message, message_size, &size, fds, ARRAY_SIZE(fds));

	if (r < 0)
		return r;
	while (fd_count < ARRAY_SIZE(fds) && fds[fd_count] >= 0)
		fd_count++;
	privileged_server_answer(files, message, size, fds, fd_count, &result);
	r = packet_send(socket, &result.reply, sizeof(result.reply), NULL, 0, &result.fd,
			result.fd >= 0);
	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]);
	fd_close(result.fd);
	return r;
}

noreturn void privileged_server_run(int socket, pid_t agent_pid)
{
	const size_t message_size = sizeof(struct privileged_request) + PRIVILEGED_BODY_SIZE_MAX;
	uint8_t *message = malloc(message_size);
	struct process_files *files;

	socket = own_process_begin("flicker-paths", socket);
	if (!message || socket < 0 || own_process_die_with(agent_pid) < 0 ||
	    process_files_new(&files) < 0 || confine_opener() < 0)
		_exit(1);
	while (serve(socket, files, message, message_size) >= 0)
		;
	_exit(0);
}
