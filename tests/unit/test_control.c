/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/loop.h"
#include "capture_fixture.h"
#include "privileged/privileged_process.h"
#include "profile/sample_window.h"
#include "serve/control_message.h"

#include "check.h"

enum {
	PORT = 1, /* no page is served there */
	TURNS_MAX = 2000,
	TURN_MS = 5,
};

struct agent {
	struct capture_fixture capture; /* what the window holds; its folder is for dumps */
	struct loop *loop;
	struct sample_window *window;
	struct control *control;
	struct privileged_process *privileged; /* NULL: there are no dumps without a peer */
	int flushes;
	char path[CONTROL_PATH_SIZE_MAX];
};

static void on_flush(void *context)
{
	struct agent *agent = context;

	agent->flushes++;
}

static void agent_start_with(struct agent *agent, bool makes_files)
{
	const struct sample_window_options window = { .bytes_max = 1 << 24 };
	struct control_options control = {
		.port = PORT,
		.instance_id = 77,
		.flush = on_flush,
		.context = agent,
	};

	memset(agent, 0, sizeof(*agent));
	capture_fixture_init(&agent->capture);
	capture_fixture_fill(&agent->capture, 3, 4, 5);
	control_path(PORT, agent->path);
	if (loop_new(&agent->loop) < 0 || sample_window_new(&window, &agent->window) < 0)
		check_give_up();
	for (uint32_t i = 0; i < agent->capture.stream.chunk_count; i++)
		sample_window_add(agent->window, agent->capture.stream.chunks[i]);
	control.loop = agent->loop;
	control.window = agent->window;
	if (makes_files) {
		const struct privileged_options privileged = {
			.dump_folder = agent->capture.folder,
		};

		if (privileged_process_new(&privileged, &agent->privileged) < 0)
			check_give_up();
		control.dump_folder = agent->capture.folder;
		control.privileged = agent->privileged;
	}
	if (control_new(&control, &agent->control) < 0)
		check_give_up();
}

static void agent_start(struct agent *agent)
{
	agent_start_with(agent, false);
}

static void agent_stop(struct agent *agent)
{
	control_free(agent->control);
	privileged_process_free(agent->privileged);
	sample_window_free(agent->window);
	loop_free(agent->loop);
	capture_fixture_free(&agent->capture);
}

static void cleanup_agent_stop(struct agent *agent)
{
	agent_stop(agent);
}

static int peer_connect(const struct agent *agent)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, agent->path, sizeof(agent->path));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

static void peer_send(int peer, const void *bytes, size_t size, const int *fds, size_t fd_count)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(16 * sizeof(int))];
	} parts = { 0 };
	struct iovec place = { (void *)bytes, size };
	struct msghdr header = { .msg_iov = &place, .msg_iovlen = 1 };

	if (fd_count) {
		header.msg_control = &parts;
		header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		parts.header.cmsg_level = SOL_SOCKET;
		parts.header.cmsg_type = SCM_RIGHTS;
		parts.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(&parts.header), fds, fd_count * sizeof(int));
	}
	sendmsg(peer, &header, MSG_NOSIGNAL);
}

static void ask(int peer, uint64_t last_us, const int *fds, size_t fd_count)
{
	const struct control_request request = { .last_us = last_us };
	uint8_t bytes[CONTROL_REQUEST_SIZE];

	control_request_write(&request, bytes);
	peer_send(peer, bytes, sizeof(bytes), fds, fd_count);
}

/* Lets the agent work until the peer has an answer or was hung up on. */
static bool answered(struct agent *agent, int peer, struct control_reply *ret_reply)
{
	uint8_t bytes[CONTROL_MESSAGE_SIZE_MAX];

	for (int i = 0; i < TURNS_MAX; i++) {
		ssize_t size = recv(peer, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (size > 0)
			return control_reply_read(bytes, (size_t)size, ret_reply);
		if (size == 0 || errno != EAGAIN)
			return false;
		loop_dispatch(agent->loop, TURN_MS);
	}
	return false;
}

static int memory_file(void)
{
	return open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static uint64_t samples_of(int fd)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;

	if (capture_reader_open_fd(fd, "dump", true, &reader) || !capture_reader_ended(reader) ||
	    capture_read_totals(reader).damaged)
		return 0;
	return capture_read_totals(reader).samples;
}

static void window_is_written_to_the_file_that_is_brought(void)
{
	CLEANUP(agent_stop) struct agent agent = { 0 };
	CLEANUP(fd_close) int peer = -1;
	struct control_reply reply = { .error = 1 };
	struct stat status;
	int file = memory_file();

	agent_start(&agent);
	CHECK_EQ(stat(agent.path, &status), 0);
	CHECK_EQ(status.st_mode & 07777, 0700);
	peer = peer_connect(&agent);
	ask(peer, 0, &file, 1);
	CHECK(answered(&agent, peer, &reply));
	CHECK_EQ(reply.error, 0);
	CHECK_EQ(fstat(file, &status), 0);
	CHECK_EQ(reply.bytes, status.st_size);
	CHECK_EQ(samples_of(file), 3 * 4 * 5);
	CHECK_EQ(agent.flushes, 1);
}

/* The segments of four seconds that end within the last five: two of them. */
static void newest_part_is_whole_segments(void)
{
	CLEANUP(agent_stop) struct agent agent = { 0 };
	CLEANUP(fd_close) int peer = -1;
	struct control_reply reply = { .error = 1 };
	int file = memory_file();

	agent_start(&agent);
	peer = peer_connect(&agent);
	ask(peer, 5000000, &file, 1);
	CHECK(answered(&agent, peer, &reply));
	CHECK_EQ(reply.error, 0);
	CHECK_EQ(samples_of(file), 2 * 4 * 5);
}

static void only_an_empty_file_that_can_be_written_is_taken(void)
{
	CLEANUP(agent_stop) struct agent agent = { 0 };
	CLEANUP(fd_close) int full = memory_file(), read_only = open("/etc/passwd", O_RDONLY);
	struct control_reply reply;
	int pipes[2], many[8];

	agent_start(&agent);
	CHECK_EQ(write(full, "x", 1), 1);
	CHECK_EQ(pipe(pipes), 0);
	for (int i = 0; i < 8; i++)
		many[i] = full;
	for (int i = 0; i < 6; i++) {
		CLEANUP(fd_close) int peer = peer_connect(&agent);
		const int *fds[] = { NULL, &full, &read_only, &pipes[1], many, many };
		const size_t counts[] = { 0, 1, 1, 1, 2, 8 };
		const int errors[] = { EINVAL, EINVAL, EINVAL, EINVAL, EMSGSIZE, EMSGSIZE };

		ask(peer, 0, fds[i], counts[i]);
		CHECK(answered(&agent, peer, &reply));
		CHECK_EQ(reply.error, -errors[i]);
	}
	close(pipes[0]);
	close(pipes[1]);
}

static void nonsense_is_refused_and_the_next_one_is_served(void)
{
	CLEANUP(agent_stop) struct agent agent = { 0 };
	static const uint8_t noise[200] = { 1, 2, 3 };
	struct control_reply reply;

	agent_start(&agent);
	for (size_t size = 1; size <= sizeof(noise); size += 33) {
		CLEANUP(fd_close) int peer = peer_connect(&agent), file = memory_file();

		peer_send(peer, noise, size, &file, 1);
		CHECK(answered(&agent, peer, &reply));
		CHECK_EQ(reply.error, size <= CONTROL_MESSAGE_SIZE_MAX ? -EPROTO : -EMSGSIZE);
	}
	for (int i = 0; i < 3; i++) {
		CLEANUP(fd_close) int peer = peer_connect(&agent);
		int file = memory_file();

		ask(peer, 0, &file, 1);
		CHECK(answered(&agent, peer, &reply));
		CHECK_EQ(samples_of(file), 60);
	}
}

/* Silent ones take no place from others, and a peer that leaves takes its dump along. */
static void silent_peers_lock_nobody_out(void)
{
	CLEANUP(agent_stop) struct agent agent = { 0 };
	CLEANUP(fd_close) int last = -1;
	struct control_reply reply;
	int peers[3 * CONTROL_PEERS_MAX], file = memory_file();

	agent_start(&agent);
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		peers[i] = peer_connect(&agent);
		loop_dispatch(agent.loop, 0);
		CHECK(peers[i] >= 0);
	}
	last = peer_connect(&agent);
	ask(last, 0, &file, 1);
	CHECK(answered(&agent, last, &reply));
	CHECK_EQ(samples_of(file), 60);
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		close(peers[i]);
	for (int i = 0; i < 10; i++)
		loop_dispatch(agent.loop, TURN_MS);
	file = memory_file();
	last = (close(last), peer_connect(&agent));
	ask(last, 0, &file, 1);
	close(last);
	last = -1;
	for (int i = 0; i < 10; i++)
		loop_dispatch(agent.loop, TURN_MS);
	close(file);
}

/* Who is not root cannot reach it; and if the folder let him, he would be hung up on. */
static void only_root_is_heard(void)
{
	CLEANUP(agent_stop) struct agent agent = { 0 };
	int outcome = -1, status = 0;
	pid_t child;

	agent_start(&agent);
	CHECK_OR_RETURN(chmod(CONTROL_FOLDER, 0711) == 0 && chmod(agent.path, 0777) == 0);
	child = fork();
	if (child == 0) {
		struct pollfd end = { .events = POLLIN };
		char byte;

		if (setresuid(65534, 65534, 65534) < 0)
			_exit(9);
		end.fd = peer_connect(&agent);
		if (end.fd < 0)
			_exit(8);
		poll(&end, 1, TURNS_MAX * TURN_MS);
		_exit(recv(end.fd, &byte, 1, 0) == 0 ? 1 : 7);
	}
	for (int i = 0; i < TURNS_MAX && !waitpid(child, &status, WNOHANG); i++)
		loop_dispatch(agent.loop, TURN_MS);
	outcome = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	CHECK_EQ(chmod(CONTROL_FOLDER, 0700), 0);
	CHECK_EQ(outcome, 1);
}

static void socket_goes_with_the_agent_and_a_stale_one_is_replaced(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct agent agent;
	int stale = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), file = memory_file(), peer;
	struct control_reply reply;

	control_path(PORT, address.sun_path);
	CHECK_EQ(mkdir(CONTROL_FOLDER, 0700) < 0 && errno != EEXIST, 0);
	unlink(address.sun_path);
	CHECK_EQ(bind(stale, (const struct sockaddr *)&address, sizeof(address)), 0);
	close(stale);
	CHECK_EQ(access(address.sun_path, F_OK), 0);
	agent_start(&agent);
	peer = peer_connect(&agent);
	CHECK(peer >= 0);
	ask(peer, 0, &file, 1);
	CHECK(answered(&agent, peer, &reply));
	CHECK_EQ(samples_of(file), 60);
	close(peer);
	agent_stop(&agent);
	CHECK(access(address.sun_path, F_OK) < 0);
}

/* A socket that nobody serves, of an agent that was killed so many seconds ago. */
static void leave_socket(uint16_t port, time_t age_s, struct sockaddr_un *ret_address)
{
	struct timespec times[2] = { { .tv_sec = time(NULL) - age_s }, { 0 } };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	times[1] = times[0];
	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	control_path(port, ret_address->sun_path);
	unlink(ret_address->sun_path);
	CHECK_EQ(bind(fd, (const struct sockaddr *)ret_address, sizeof(*ret_address)), 0);
	CHECK_EQ(utimensat(AT_FDCWD, ret_address->sun_path, times, 0), 0);
	close(fd);
}

static void sockets_of_killed_agents_are_removed_and_no_others(void)
{
	struct sockaddr_un old, young;
	struct agent first, second;

	CHECK_EQ(mkdir(CONTROL_FOLDER, 0700) < 0 && errno != EEXIST, 0);
	leave_socket(PORT + 2, 60, &old);
	leave_socket(PORT + 3, 0, &young); /* it may be about to listen */
	agent_start(&first);
	CHECK(access(old.sun_path, F_OK) < 0);
	CHECK_EQ(access(young.sun_path, F_OK), 0);
	agent_start(&second);
	CHECK_EQ(access(first.path, F_OK), 0);
	agent_stop(&second);
	agent_stop(&first);
	unlink(young.sun_path);
}

/* An agent with the same port, at another address: the first one keeps the socket. */
static void socket_of_another_agent_is_left_alone(void)
{
	CLEANUP(agent_stop) struct agent agent = { 0 };
	struct agent other;

	agent_start(&agent);
	agent_start(&other);
	agent_stop(&other);
	CHECK_EQ(access(agent.path, F_OK), 0);
	CHECK_EQ(close(peer_connect(&agent)), 0);
}

static void signal_writes_a_new_file_to_the_folder(void)
{
	CLEANUP(agent_stop) struct agent agent = { 0 };
	CLEANUP(dir_close) DIR *folder = NULL;
	const struct dirent *entry;
	uint64_t samples = 0;

	agent_start_with(&agent, true);
	control_dump(agent.control);
	for (int i = 0; i < TURNS_MAX && !samples; i++) {
		loop_dispatch(agent.loop, TURN_MS);
		dir_close(folder);
		folder = opendir(agent.capture.folder);
		while ((entry = readdir(folder))) {
			struct stat status;
			int fd;

			if (entry->d_name[0] == '.')
				continue;
			CHECK(strncmp(entry->d_name, "flickerscope-2", 14) == 0);
			CHECK_EQ(fstatat(dirfd(folder), entry->d_name, &status, 0), 0);
			CHECK_EQ(status.st_mode & 07777, 0600);
			fd = openat(dirfd(folder), entry->d_name, O_RDONLY | O_CLOEXEC);
			samples = samples_of(fd);
			if (samples)
				unlinkat(dirfd(folder), entry->d_name, 0);
		}
	}
	CHECK_EQ(samples, 60);
}

TESTS(TEST(window_is_written_to_the_file_that_is_brought), TEST(newest_part_is_whole_segments),
      TEST(only_an_empty_file_that_can_be_written_is_taken),
      TEST(nonsense_is_refused_and_the_next_one_is_served), TEST(silent_peers_lock_nobody_out),
      TEST(only_root_is_heard), TEST(sockets_of_killed_agents_are_removed_and_no_others),
      TEST(socket_goes_with_the_agent_and_a_stale_one_is_replaced),
      TEST(socket_of_another_agent_is_left_alone), TEST(signal_writes_a_new_file_to_the_folder))
