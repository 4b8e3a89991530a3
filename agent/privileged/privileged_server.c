/* SPDX-License-Identifier: Apache-2.0 */
#include "privileged/privileged_server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/confinement.h"
#include "base/own_process.h"
#include "base/packet.h"
#include "privileged/debug_folder.h"
#include "privileged/dump_folder.h"
#include "privileged/perf_events.h"
#include "privileged/process_files.h"
#include "privileged/unwind_maps.h"
#include "sample_abi.h"

enum { NICE = -20 }; /* the first to get a CPU */

enum rules_flag {
	RULES_OWNER = 1,
	RULES_IDENTITY = 2,
};

/* A request, taken apart. */
struct asked {
	struct privileged_server *server;
	struct process_files *files; /* the server's */
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

/*
 * Which process is meant: by a descriptor that is that of a process's folder, or of nothing that could be
 * mistaken for one; or by its pid.
 */
static int place_of(const struct asked *asked, struct process_place *ret_place)
{
	const uint64_t pid = asked->numbers[PRIVILEGED_NUMBER_PID];

	if (asked->fd_count > 1 ||
	    (asked->fd_count && !process_files_is_folder(asked->files, asked->fds[0])))
		return -EBADF;
	if (pid > UINT32_MAX)
		return -EINVAL;
	*ret_place = asked->fd_count ? process_place_of(asked->fds[0])
				     : process_place_of_pid((uint32_t)pid);
	return 0;
}

static int place_and_path_of(const struct asked *asked, struct process_place *ret_place,
			     const char **ret_path)
{
	*ret_path = text_of(asked);
	return is_path(*ret_path) ? place_of(asked, ret_place) : -EINVAL;
}

static struct process_range range_of(const struct asked *asked)
{
	return (struct process_range){ .start = asked->numbers[5], .end = asked->numbers[6] };
}

static int *place_for_fd(const struct asked *asked)
{
	return &asked->result->fds[0];
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
	if (r == 0 && !(path && is_perf_map(path)) && !is_ours(asked->result->fds[0])) {
		fd_close(TAKE_FD(asked->result->fds[0]));
		return PROCESS_FILE_FOREIGN;
	}
	return r;
}

/* --- files ------------------------------------------------------------------------------------- */

static int answer_open_process(const struct asked *asked)
{
	struct process_place place;
	int r = place_of(asked, &place);

	return r < 0 ? r : process_files_open_process(asked->files, place.pid, place_for_fd(asked));
}

static int answer_look(const struct asked *asked)
{
	struct process_look look;
	struct process_place place;
	int r = place_of(asked, &place);

	_Static_assert(sizeof(look.texts) <= PRIVILEGED_REPLY_SIZE_MAX, "they fit");
	if (r == 0)
		r = process_files_look(asked->files, place.pid, &look);
	if (r < 0)
		return r;
	memcpy(asked->result->packet.body, &look.texts, sizeof(look.texts));
	asked->result->body_size = sizeof(look.texts);
	asked->result->fds[0] = look.process_fd;
	asked->result->fds[1] = look.maps_fd;
	return 0;
}

static int answer_open_text(const struct asked *asked)
{
	static const char *const names[] = { "status", "cgroup" };
	const char *name = text_of(asked);
	struct process_place place;
	int r = place_of(asked, &place);

	if (r < 0)
		return r;
	for (size_t i = 0; name && i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return process_files_open_text(asked->files, place, names[i],
						       place_for_fd(asked));
	return -EINVAL;
}

static int answer_times_changed(const struct asked *asked)
{
	struct process_range ranges[PROCESS_RANGES_MAX];
	uint64_t times_ns[PROCESS_RANGES_MAX];
	uint32_t count = (uint32_t)(asked->body_size / sizeof(ranges[0]));
	struct process_place place;
	int r = place_of(asked, &place);

	_Static_assert(sizeof(times_ns) <= PRIVILEGED_REPLY_SIZE_MAX, "they fit");
	if (asked->body_size % sizeof(ranges[0]) || count > PROCESS_RANGES_MAX)
		return -EINVAL;
	memcpy(ranges, asked->body, asked->body_size);
	if (r == 0)
		r = process_files_times_changed(asked->files, place, ranges, count, times_ns);
	if (r < 0)
		return r;
	asked->result->body_size = count * sizeof(times_ns[0]);
	memcpy(asked->result->packet.body, times_ns, asked->result->body_size);
	return 0;
}

static int answer_shares_root(const struct asked *asked)
{
	struct process_place place;
	int r = place_of(asked, &place);

	if (r == 0)
		asked->result->packet.reply.number = process_files_shares_root(asked->files, place);
	return r;
}

static int answer_open_mapped(const struct asked *asked)
{
	const struct process_file_rules rules = rules_of(asked);
	struct process_place place;
	int r = place_of(asked, &place);

	return r < 0 ? r
		     : gave_file(asked, NULL,
				 process_files_open_mapped(asked->files, place, range_of(asked),
							   &rules, place_for_fd(asked)));
}

static int answer_open_executable(const struct asked *asked)
{
	const struct process_file_rules rules = rules_of(asked);
	struct process_place place;
	const char *path;
	int r = place_and_path_of(asked, &place, &path);

	return r < 0 ? r
		     : gave_file(asked, NULL,
				 process_files_open_executable(asked->files, place.pid,
							       range_of(asked), path, &rules,
							       place_for_fd(asked)));
}

static int answer_open_in_root(const struct asked *asked)
{
	const struct process_file_rules rules = rules_of(asked);
	struct process_place place;
	const char *path;
	int r = place_and_path_of(asked, &place, &path);

	return r < 0 ? r
		     : gave_file(asked, path,
				 process_files_open_in_root(asked->files, place, path, &rules,
							    place_for_fd(asked)));
}

static int answer_open_first(const struct asked *asked)
{
	const struct process_file_rules rules = rules_of(asked);
	const char *paths = paths_of(asked);
	unsigned int first = (unsigned int)asked->numbers[5], index = 0;
	struct process_place place;
	int r = place_of(asked, &place);

	if (!paths || asked->numbers[5] > PRIVILEGED_BODY_SIZE_MAX)
		return -EINVAL;
	if (r < 0)
		return r;
	/* What is none of ours is passed over, as what cannot be opened is. */
	do {
		r = gave_file(asked, NULL,
			      process_files_open_first(asked->files, place.fd, paths, first, &rules,
						       &index, place_for_fd(asked)));
		first = index + 1;
	} while (r == PROCESS_FILE_FOREIGN);
	if (r == 0)
		asked->result->packet.reply.number = index;
	return r;
}

static int answer_open_path(const struct asked *asked)
{
	const struct process_file_rules rules = rules_of(asked);
	const char *path = text_of(asked);

	if (!is_path(path))
		return -EINVAL;
	return gave_file(asked, NULL,
			 process_files_open_path(asked->files, path, &rules, place_for_fd(asked)));
}

/* --- for the agent itself ---------------------------------------------------------------------- */

static int answer_create_slabs(const struct asked *asked)
{
	uint64_t count = asked->numbers[0];

	if (!count || count > PRIVILEGED_FDS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		int r = unwind_maps_create_slab(&asked->result->fds[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static int answer_open_cpu(const struct asked *asked)
{
	const uint64_t cpu = asked->numbers[0], period_ns = asked->numbers[1];
	struct perf_cpu_events events;
	int r;

	if (cpu >= SAMPLE_CPUS_MAX || period_ns > NS_PER_S ||
	    (period_ns && period_ns < NS_PER_S / SAMPLE_FREQUENCY_MAX_HZ))
		return -EINVAL;
	r = perf_events_open((uint32_t)cpu, period_ns, &events);
	if (r < 0)
		return r;
	asked->result->fds[0] = events.process_fd;
	asked->result->fds[1] = events.timer_fd;
	return 0;
}

static int answer_signal(const struct asked *asked)
{
	int signal = (int)asked->numbers[0];

	if (asked->numbers[0] > NSIG || (signal != SIGINT && signal != SIGTERM && signal != SIGHUP))
		return -EINVAL;
	if (asked->server->command_fd < 0)
		return -ESRCH;
	return syscall(SYS_pidfd_send_signal, asked->server->command_fd, signal, NULL, 0) < 0
		       ? -errno
		       : 0;
}

static bool is_socket_at(const struct privileged_socket *socket, uint64_t *ret_inode)
{
	struct stat status;

	if (fstatat(AT_FDCWD, socket->path, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISSOCK(status.st_mode))
		return false;
	*ret_inode = status.st_ino;
	return true;
}

/* Nobody names a path: the socket has one, and only who bound it there can listen on it. */
static int answer_remove_at_end(const struct asked *asked)
{
	struct privileged_server *server = asked->server;
	struct privileged_socket *kept = &server->sockets[server->socket_count];
	struct sockaddr_un address;
	socklen_t size = sizeof(address), listens_size = sizeof(int);
	int listens = 0;

	if (asked->fd_count != 1)
		return -EBADF;
	if (getsockopt(asked->fds[0], SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_size) < 0 ||
	    getsockname(asked->fds[0], (struct sockaddr *)&address, &size) < 0)
		return -errno;
	if (!listens || address.sun_family != AF_UNIX ||
	    size <= offsetof(struct sockaddr_un, sun_path) || !address.sun_path[0])
		return -EINVAL;
	if (server->socket_count == PRIVILEGED_SOCKETS_MAX)
		return -ENOSPC;
	snprintf(kept->path, sizeof(kept->path), "%.*s", (int)sizeof(address.sun_path) - 1,
		 address.sun_path);
	if (!is_socket_at(kept, &kept->inode))
		return -ENOENT;
	server->socket_count++;
	return 0;
}

static void remove_sockets(const struct privileged_server *server)
{
	for (size_t i = 0; i < server->socket_count; i++) {
		const struct privileged_socket *socket = &server->sockets[i];
		uint64_t inode;

		if (is_socket_at(socket, &inode) && inode == socket->inode)
			unlinkat(AT_FDCWD, socket->path, 0);
	}
}

/* Whether it still is there, and nothing was written to it. */
static bool is_empty_there(const struct privileged_file *file)
{
	struct stat status;

	return fstatat(file->folder_fd, file->name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(status.st_mode) && status.st_size == 0 && status.st_dev == file->device &&
	       status.st_ino == file->inode;
}

/* The folder is held: whatever its path leads to at the end, nothing is removed elsewhere. */
static int find_place(int fd, struct privileged_file *ret_file)
{
	char link[32], path[PATH_MAX];
	ssize_t size;
	char *slash;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	size = readlinkat(AT_FDCWD, link, path, sizeof(path) - 1);
	if (size < 0)
		return -errno;
	path[size] = '\0';
	slash = strrchr(path, '/');
	if (path[0] != '/' || !slash[1] || strlen(slash + 1) > NAME_MAX)
		return -EINVAL;
	strcpy(ret_file->name, slash + 1);
	slash[1] = '\0';
	ret_file->folder_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return ret_file->folder_fd < 0 ? -errno : 0;
}

/* Nobody names a path, and who may not write to a file cannot have it removed. One file, once: main asks before it reads anything. */
static int answer_remove_empty(const struct asked *asked)
{
	struct privileged_server *server = asked->server;
	struct privileged_file file = { .folder_fd = -1 };
	struct stat status;
	int flags, r;

	if (asked->fd_count != 1 || fstat(asked->fds[0], &status) < 0)
		return -EBADF;
	if (server->file.folder_fd >= 0)
		return -ENOSPC;
	flags = fcntl(asked->fds[0], F_GETFL);
	if (flags < 0 || flags & O_PATH || (flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	r = find_place(asked->fds[0], &file);
	if (r < 0)
		return r;
	file.device = status.st_dev;
	file.inode = status.st_ino;
	if (!is_empty_there(&file)) {
		close(file.folder_fd);
		return -EINVAL;
	}
	server->file = file;
	return 0;
}

static void remove_empty(const struct privileged_file *file)
{
	if (file->folder_fd >= 0 && is_empty_there(file))
		unlinkat(file->folder_fd, file->name, 0);
}

/* --- new files --------------------------------------------------------------------------------- */

/* Named here: nobody chooses where it is made, or what it replaces. */
static int answer_create_dump(const struct asked *asked)
{
	char *name = (char *)asked->result->packet.body;
	int r = -ENOTDIR;

	_Static_assert((int)DUMP_NAME_SIZE_MAX <= (int)PRIVILEGED_REPLY_SIZE_MAX, "it fits");
	if (asked->server->dump_folder_fd >= 0)
		r = dump_folder_create(asked->server->dump_folder_fd, name, place_for_fd(asked));
	if (r == 0)
		asked->result->body_size = strlen(name) + 1;
	return r;
}

/* The build id that is meant; what stands there is checked by debug_folder. */
static int debug_folder_of(const struct asked *asked, const char **ret_id)
{
	*ret_id = text_of(asked);
	if (!*ret_id)
		return -EINVAL;
	return asked->server->debug_folder_fd < 0 ? -ENOTDIR : 0;
}

static int answer_find_debug_file(const struct asked *asked)
{
	const char *id;
	int r = debug_folder_of(asked, &id);

	return r < 0 ? r
		     : gave_file(asked, NULL,
				 debug_folder_find(asked->server->debug_folder_fd, id,
						   place_for_fd(asked)));
}

static int answer_begin_debug_file(const struct asked *asked)
{
	const char *id;
	int r = debug_folder_of(asked, &id);

	return r < 0 ? r
		     : debug_folder_begin(asked->server->debug_folder_fd, id, place_for_fd(asked));
}

static int answer_end_debug_file(const struct asked *asked)
{
	const char *id;
	int r = debug_folder_of(asked, &id);

	if (asked->numbers[0] >= DEBUG_FOLDER_ENDS)
		return -EINVAL;
	return r < 0 ? r
		     : debug_folder_end(asked->server->debug_folder_fd, id,
					(enum debug_folder_end)asked->numbers[0]);
}

/* --- the process ------------------------------------------------------------------------------- */

static int (*const answers[PRIVILEGED_KINDS])(const struct asked *asked) = {
	[PRIVILEGED_OPEN_PROCESS] = answer_open_process,
	[PRIVILEGED_LOOK] = answer_look,
	[PRIVILEGED_OPEN_TEXT] = answer_open_text,
	[PRIVILEGED_TIMES_CHANGED] = answer_times_changed,
	[PRIVILEGED_SHARES_ROOT] = answer_shares_root,
	[PRIVILEGED_OPEN_MAPPED] = answer_open_mapped,
	[PRIVILEGED_OPEN_EXECUTABLE] = answer_open_executable,
	[PRIVILEGED_OPEN_IN_ROOT] = answer_open_in_root,
	[PRIVILEGED_OPEN_FIRST] = answer_open_first,
	[PRIVILEGED_OPEN_PATH] = answer_open_path,
	[PRIVILEGED_CREATE_SLABS] = answer_create_slabs,
	[PRIVILEGED_OPEN_CPU] = answer_open_cpu,
	[PRIVILEGED_SIGNAL] = answer_signal,
	[PRIVILEGED_REMOVE_AT_END] = answer_remove_at_end,
	[PRIVILEGED_CREATE_DUMP] = answer_create_dump,
	[PRIVILEGED_FIND_DEBUG_FILE] = answer_find_debug_file,
	[PRIVILEGED_BEGIN_DEBUG_FILE] = answer_begin_debug_file,
	[PRIVILEGED_END_DEBUG_FILE] = answer_end_debug_file,
	[PRIVILEGED_REMOVE_EMPTY] = answer_remove_empty,
};

void privileged_server_answer(struct privileged_server *server, const void *bytes, size_t size,
			      const int *fds, size_t fd_count, struct privileged_result *result)
{
	struct bytes_reader reader = bytes_reader_of(bytes, size);
	struct privileged_request request;
	struct asked asked = { .server = server,
			       .files = server->files,
			       .fds = fds,
			       .fd_count = fd_count,
			       .result = result };

	privileged_result_init(result);
	result->packet.reply.result = -EINVAL;
	if (!bytes_read_into(&reader, &request, sizeof(request)) ||
	    request.kind >= PRIVILEGED_KINDS || request.body_size != bytes_left(&reader))
		return;
	asked.numbers = request.numbers;
	asked.body = (const char *)bytes + sizeof(request);
	asked.body_size = request.body_size;
	result->packet.reply.result = answers[request.kind](&asked);
	if (result->packet.reply.result)
		privileged_result_close(result); /* of several, some may be there */
}

static size_t count_fds(const int fds[PRIVILEGED_FDS_MAX])
{
	size_t count = 0;

	while (count < PRIVILEGED_FDS_MAX && fds[count] >= 0)
		count++;
	return count;
}

static int serve(int socket, struct privileged_server *server, uint8_t *message,
		 size_t message_size)
{
	CLEANUP(privileged_result_close) struct privileged_result result;
	int fds[PRIVILEGED_FDS_MAX];
	size_t size, fd_count = 0;
	int r = packet_receive(socket, message, message_size, &size, fds, ARRAY_SIZE(fds));

	privileged_result_init(&result);
	if (r < 0)
		return r;
	fd_count = count_fds(fds);
	privileged_server_answer(server, message, size, fds, fd_count, &result);
	r = packet_send(socket, &result.packet.reply, sizeof(result.packet.reply),
			result.packet.body, result.body_size, result.fds, count_fds(result.fds));
	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]);
	return r;
}

/* What it has to do beside opening files. */
static unsigned int tasks_of(const struct privileged_server *server)
{
	unsigned int tasks = 0;

	if (server->command_fd >= 0)
		tasks |= OPENER_SIGNALS;
	if (server->dump_folder_fd >= 0 || server->debug_folder_fd >= 0)
		tasks |= OPENER_MAKES_FILES;
	if (server->dump_folder_fd >= 0 && dump_folder_is_of_others(server->dump_folder_fd))
		tasks |= OPENER_MAKES_FILES_OF_OTHERS;
	if (perf_events_need_admin())
		tasks |= OPENER_NEEDS_ADMIN;
	return tasks;
}

noreturn void privileged_server_run(int socket, const struct privileged_server *start,
				    pid_t command_pid)
{
	const size_t message_size = sizeof(struct privileged_request) + PRIVILEGED_BODY_SIZE_MAX;
	const struct rlimit any = { RLIM_INFINITY, RLIM_INFINITY };
	int fds[] = { socket, start->dump_folder_fd, start->debug_folder_fd };
	struct privileged_server server = PRIVILEGED_SERVER_NONE;
	uint8_t *message = malloc(message_size);

	if (!message || own_process_begin("flicker-paths", fds, ARRAY_SIZE(fds)) < 0)
		_exit(1);
	server.dump_folder_fd = fds[1];
	server.debug_folder_fd = fds[2];
	/* Both as good as it gets. */
	setpriority(PRIO_PROCESS, 0, NICE);
	setrlimit(RLIMIT_MEMLOCK, &any); /* of which BPF maps took their memory before 5.11 */
	if (command_pid > 0)
		server.command_fd = (int)syscall(SYS_pidfd_open, command_pid, 0);
	/* It is not killed with the agent: however that ends, its end of the socket is closed, and no other has it. */
	if (process_files_new(&server.files) < 0 || confine_opener(tasks_of(&server)) < 0)
		_exit(1);
	while (serve(fds[0], &server, message, message_size) >= 0)
		;
	remove_sockets(&server);
	remove_empty(&server.file);
	_exit(0);
}
