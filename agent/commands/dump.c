/* SPDX-License-Identifier: Apache-2.0 */
/* `flickerscope dump`: ask a running agent for its window. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/clock.h"
#include "base/loop.h"
#include "base/output_file.h"
#include "base/packet.h"
#include "commands/commands.h"
#include "commands/options.h"
#include "commands/sampling.h"
#include "convert/capture_cut.h"
#include "privileged/dump_folder.h"
#include "serve/control.h"
#include "serve/control_message.h"
#include "stream/capture_reader.h"

enum { PORTS_LISTED_MAX = 16 };

const struct options_usage usage_dump = {
	.name = "dump",
	.arguments = "",
	.summary = "Writes what a running 'flickerscope live' holds to a capture. Needs root.",
	.details = "Sampling goes on meanwhile. Without -o the file is named by the time; '-' is "
		   "standard\noutput.",
	.groups = OPTIONS_DUMP | OPTIONS_OUTPUT,
};

/* Asks one agent; @fd of the file that it fills. */
struct asking {
	struct loop *loop;
	int socket;
	int fd;
	bool terminal;
	bool answered;
	struct control_reply reply;
};

/* Returns the socket, or -errno. */
static int connect_to(uint16_t port)
{
	CLEANUP(fd_close) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	control_path(port, address.sun_path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* The number in "7780.sock", 0 for an agent behind a proxy; -1 for any other name. */
static int port_of(const char *name)
{
	char *end;
	unsigned long port = isdigit((unsigned char)name[0]) ? strtoul(name, &end, 10) : ULONG_MAX;

	return port <= UINT16_MAX && strcmp(end, ".sock") == 0 ? (int)port : -1;
}

/* Connects to the only agent that runs. */
static int find_agent(int *ret_socket)
{
	CLEANUP(dir_close) DIR *folder = opendir(CONTROL_FOLDER);
	CLEANUP(fd_close) int found = -1;
	char ports[PORTS_LISTED_MAX * 8] = "";
	const struct dirent *entry;
	unsigned int count = 0;

	while (folder && (entry = readdir(folder))) {
		int port = port_of(entry->d_name);
		int fd = port >= 0 ? connect_to((uint16_t)port) : -1;
		size_t used = strlen(ports);

		if (fd < 0)
			continue; /* left by one that was killed */
		snprintf(ports + used, sizeof(ports) - used, "%s%d", count++ ? ", " : "", port);
		fd_close(found);
		found = fd;
	}
	if (!count) {
		log_error("no agent is running: none answers in " CONTROL_FOLDER
			  "; 'flickerscope live' starts one");
		return -ENOENT;
	}
	if (count > 1) {
		log_error("%u agents are running: choose with --port, one of %s", count, ports);
		return -EINVAL;
	}
	*ret_socket = TAKE_FD(found);
	return 0;
}

static int open_agent(int port, int *ret_socket)
{
	int fd;

	if (geteuid() != 0) {
		log_error("asking an agent needs root: run it with sudo");
		return -EPERM;
	}
	if (port < 0)
		return find_agent(ret_socket);
	fd = connect_to((uint16_t)port);
	if (fd == -ENOENT || fd == -ECONNREFUSED) {
		log_error("--port %d: no agent is running there", port);
		return fd;
	}
	if (fd < 0)
		return log_errno(fd, "--port %d: ask the agent", port);
	*ret_socket = fd;
	return 0;
}

/* --- the request ----------------------------------------------------------------------------- */

static int send_request(const struct asking *asking, uint64_t last_us)
{
	const struct control_request request = { .last_us = last_us };
	uint8_t bytes[CONTROL_REQUEST_SIZE];

	control_request_write(&request, bytes);
	return packet_send(asking->socket, bytes, sizeof(bytes), NULL, 0, &asking->fd, 1);
}

static void on_reply(uint32_t events, void *context)
{
	struct asking *asking = context;
	uint8_t bytes[CONTROL_MESSAGE_SIZE_MAX];
	ssize_t size = recv(asking->socket, bytes, sizeof(bytes), MSG_DONTWAIT);

	asking->answered = size > 0 && control_reply_read(bytes, (size_t)size, &asking->reply);
	loop_stop(asking->loop, 0);
}

static void on_second(void *context)
{
	const struct asking *asking = context;
	struct stat status;

	if (asking->terminal && fstat(asking->fd, &status) == 0)
		fprintf(stderr, "\r%.1f MB  ", (double)status.st_size / 1e6);
}

/* Waits until the file is complete. Returns 0, or what stands in the way. */
static int ask(struct asking *asking, const struct options *options)
{
	int r = send_request(asking, options->last_ms * 1000);

	if (r == 0)
		r = loop_add_fd(asking->loop, asking->socket, EPOLLIN, on_reply, asking, NULL);
	if (r == 0)
		r = loop_add_timer(asking->loop, NS_PER_S, on_second, asking, NULL);
	if (r < 0)
		return log_errno(r, "ask the agent");
	r = loop_run(asking->loop);
	if (r < 0)
		return log_errno(r, "wait for the agent");
	if (r > 0)
		return -EINTR; /* a signal: whoever sent it knows */
	if (!asking->answered) {
		log_error("the agent ended before the capture was complete");
		return -EPIPE;
	}
	if (asking->reply.error == -EBUSY) {
		log_error("the agent writes %d captures at once already: try again later",
			  CONTROL_DUMPS_MAX);
		return -EBUSY;
	}
	return asking->reply.error < 0 ? log_errno(asking->reply.error, "write the window") : 0;
}

/* --- the file -------------------------------------------------------------------------------- */

/* A pipe cannot be given away: the agent fills memory, and that is passed on. */
static int copy_out(int from, int to)
{
	char bytes[65536];
	off_t offset = 0;
	ssize_t size;

	while ((size = pread(from, bytes, sizeof(bytes), offset)) > 0) {
		offset += size;
		for (char *at = bytes; size > 0;) {
			ssize_t written = write(to, at, (size_t)size);

			if (written < 0 && errno != EINTR)
				return log_errno(-errno, "write to standard output");
			at += written > 0 ? written : 0;
			size -= written > 0 ? written : 0;
		}
	}
	return size < 0 ? log_errno(-errno, "read the capture") : 0;
}

/* The agent gives the whole segments that are asked for: of those exactly what was. */
static int cut(int from, const char *name, uint64_t last_us, int to)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	int64_t end_us = 0;
	int r = capture_reader_open_fd(fcntl(from, F_DUPFD_CLOEXEC, 0), name, false, &reader);

	if (r)
		return r > 0 ? -EBADMSG : r;
	for (uint32_t i = 0; i < capture_reader_segment_count(reader); i++)
		if ((int64_t)capture_reader_segment(reader, i)->end_us > end_us)
			end_us = (int64_t)capture_reader_segment(reader, i)->end_us;
	r = capture_cut(fcntl(from, F_DUPFD_CLOEXEC, 0), name, end_us - (int64_t)last_us, INT64_MAX,
			to);
	return r == -ENOMEM ? log_errno(r, "cut %s", name) : r;
}

static int open_memory(int *ret_fd)
{
	*ret_fd = memfd_create("dump", MFD_CLOEXEC);
	return *ret_fd < 0 ? log_errno(-errno, "make room for the capture") : 0;
}

static int dump(const struct options *options, struct loop *loop)
{
	CLEANUP(output_file_free) struct output_file *file = NULL;
	CLEANUP(fd_close) int whole = -1, memory = -1, agent = -1;
	struct asking asking = { .loop = loop, .terminal = isatty(STDERR_FILENO) };
	char name[DUMP_NAME_SIZE_MAX];
	const char *path = options->output ? options->output : name;
	bool to_output = strcmp(path, "-") == 0;
	struct stat status;
	int target, r = open_agent(options->port, &agent);

	if (r < 0)
		return r;
	dump_name(name);
	r = output_file_open(path, options->force, &file);
	if (r == 0 && to_output)
		r = open_memory(&memory);
	if (r == 0 && options->last_ms)
		r = open_memory(&whole);
	if (r < 0)
		return r;
	target = to_output ? memory : output_file_fd(file);
	asking.socket = agent;
	asking.fd = options->last_ms ? whole : target;
	r = ask(&asking, options);
	if (r == 0 && options->last_ms)
		r = cut(whole, path, options->last_ms * 1000, target);
	if (r == 0 && fstat(target, &status) < 0)
		r = log_errno(-errno, "%s", path);
	if (r == 0 && to_output)
		r = copy_out(memory, output_file_fd(file));
	if (r == 0)
		r = output_file_commit(file);
	if (r < 0)
		return r;
	if (asking.terminal)
		fprintf(stderr, "\r%.1f MB are in %s\n", (double)status.st_size / 1e6, path);
	else if (!options->output)
		printf("%s\n", path);
	return 0;
}

int command_dump(int argc, char **argv)
{
	CLEANUP(loop_free) struct loop *loop = NULL;
	struct options options;
	int r = options_parse(&usage_dump, argc, argv, &options);

	if (r)
		return r == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	if (options.output && strcmp(options.output, "-") == 0 && isatty(STDOUT_FILENO)) {
		log_error(
			"-o -: a capture is nothing for a terminal; lead it into a file or a pipe");
		return EXIT_CODE_USAGE;
	}
	r = sampling_loop_new(&loop);
	if (r < 0)
		return EXIT_CODE_FAILED;
	return dump(&options, loop) < 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}
