/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug files from a server on loopback, which is one of those that one may meet: it has the file, has
 * not, sends something else, hangs, or never stops sending.
 */
#include "symbolize/debuginfod.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/log.h"
#include "base/loop.h"
#include "check.h"
#include "elf/executable_file.h"
#include "privileged/privileged_process.h"
#include "worker/worker.h"

enum {
	PATIENCE_MS = 20000, /* far beyond anything that is measured here */
	SIZE_MAX_OF_TESTS = 64 << 20,
	ENDLESS_PIECE = 64 << 10,
	TICK_MS = 20,
};

#define ENDLESS_SIZE (UINT64_C(10) << 30)

static char folder[] = "/tmp/test_debuginfod.XXXXXX";
static char debug_path[64]; /* of this program, by objcopy --only-keep-debug */

/* --- the server ------------------------------------------------------------------------------ */

enum server_kind {
	SERVER_GOOD,
	SERVER_LACKING,
	SERVER_BROKEN, /* says 500 */
	SERVER_GARBAGE,
	SERVER_OTHER,	 /* an ELF file of another build id */
	SERVER_HANGING,	 /* takes the request and never answers */
	SERVER_ENDLESS,	 /* 10 GB without saying so */
	SERVER_CLAIMING, /* 10 GB, and says so */
	SERVER_TURNING,	 /* leads to itself for ever */
};

struct server {
	pid_t pid;
	uint16_t port;
	uint32_t *requests; /* shared with the process */
};

static void say(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) < 0)
		_exit(0);
}

static void send_file(int fd, const char *path)
{
	CLEANUP(fd_close) int file = open(path, O_RDONLY | O_CLOEXEC);
	static char piece[ENDLESS_PIECE];
	char head[128];
	struct stat status;
	ssize_t size;

	if (file < 0 || fstat(file, &status) < 0)
		_exit(1);
	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %lld\r\n\r\n",
		 (long long)status.st_size);
	say(fd, head);
	while ((size = read(file, piece, sizeof(piece))) > 0)
		if (write(fd, piece, (size_t)size) < 0)
			return;
}

static void send_endless(int fd)
{
	static const char piece[ENDLESS_PIECE];

	say(fd, "HTTP/1.1 200 OK\r\n\r\n");
	for (uint64_t sent = 0; sent < ENDLESS_SIZE; sent += sizeof(piece))
		if (write(fd, piece, sizeof(piece)) < 0)
			return;
}

static void answer(enum server_kind kind, int fd)
{
	switch (kind) {
	case SERVER_GOOD:
		send_file(fd, debug_path);
		break;
	case SERVER_OTHER:
		send_file(fd, "/bin/true");
		break;
	case SERVER_LACKING:
		say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
		break;
	case SERVER_BROKEN:
		say(fd, "HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\nsorry");
		break;
	case SERVER_GARBAGE:
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n\177ELFgarbage!");
		break;
	case SERVER_HANGING:
		pause();
		break;
	case SERVER_ENDLESS:
		send_endless(fd);
		break;
	case SERVER_CLAIMING:
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n");
		pause();
		break;
	case SERVER_TURNING:
		say(fd, "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n");
		break;
	}
}

static void serve(enum server_kind kind, int listener, uint32_t *requests)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		char request[1024] = "";

		/* Each connection has its own process: one that hangs must not stop the rest. */
		if (fd >= 0 && fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (read(fd, request, sizeof(request) - 1) <= 0)
				_exit(0);
			__atomic_add_fetch(requests, 1, __ATOMIC_RELAXED);
			answer(kind, fd);
			_exit(0);
		}
		fd_close(fd);
	}
}

static bool start_server(enum server_kind kind, struct server *server)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	CLEANUP(fd_close) int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(address);

	*server = (struct server){ .requests = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
						    MAP_SHARED | MAP_ANONYMOUS, -1, 0) };
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 ||
	    listen(listener, 8) < 0 || server->requests == MAP_FAILED ||
	    getsockname(listener, (struct sockaddr *)&address, &size) < 0)
		return false;
	server->port = ntohs(address.sin_port);
	server->pid = fork();
	if (server->pid == 0)
		serve(kind, listener, server->requests);
	return server->pid > 0;
}

static void cleanup_server_stop(struct server *server)
{
	if (server->pid > 0) {
		kill(server->pid, SIGKILL);
		waitpid(server->pid, NULL, 0);
	}
	munmap(server->requests, 4096);
}

/* --- the fixture ----------------------------------------------------------------------------- */

struct fixture {
	struct loop *loop;
	struct worker *worker;
	struct privileged_process *privileged; /* has the folder */
	struct debuginfod *debuginfod;
	struct build_id build_id; /* of this program */
	char urls_text[2][64];
	const char *urls[2];
	char cache[64];
	uint64_t ahead_ns;
	uint32_t answers;
	uint64_t size; /* of the file of the last answer; 0: there was none */
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool read_own_build_id(struct build_id *ret_build_id)
{
	CLEANUP(fd_close) int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	CLEANUP(executable_file_free) struct executable_file *file = NULL;

	return executable_file_open(fd, &file) == 0 && executable_file_build_id(file, ret_build_id);
}

static void empty_cache(const char *cache)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf --one-file-system %s", cache);
	if (system(command) != 0)
		printf("# %s is left\n", cache);
}

/* Without servers: the first URL leads to nobody. */
static bool open_fixture(struct fixture *fixture, const struct server *servers, size_t count)
{
	struct debuginfod_options options = { .url_count = count,
					      .size_max = SIZE_MAX_OF_TESTS,
					      .silence_max_s = 1 };
	struct privileged_options privileged = { 0 };

	*fixture = (struct fixture){ 0 };
	for (size_t i = 0; i < count; i++) {
		snprintf(fixture->urls_text[i], sizeof(fixture->urls_text[i]),
			 "http://127.0.0.1:%u/", servers[i].port);
		fixture->urls[i] = fixture->urls_text[i];
	}
	snprintf(fixture->cache, sizeof(fixture->cache), "%s/cache", folder);
	if (!read_own_build_id(&fixture->build_id) || loop_new(&fixture->loop) < 0 ||
	    worker_new(fixture->loop, debuginfod_job_type(), 1, &fixture->worker) < 0)
		return false;
	options.worker = fixture->worker;
	options.urls = fixture->urls;
	privileged.debug_folder = fixture->cache;
	if (privileged_process_new(&privileged, &fixture->privileged) < 0)
		return false;
	options.privileged = fixture->privileged;
	return debuginfod_new(&options, &fixture->debuginfod) == 0;
}

static void cleanup_fixture_close(struct fixture *fixture)
{
	worker_free(fixture->worker);
	debuginfod_free(fixture->debuginfod);
	privileged_process_free(fixture->privileged);
	loop_free(fixture->loop);
}

static void take_file(int debug_fd, void *context)
{
	struct fixture *fixture = context;
	struct stat status;

	fixture->answers++;
	fixture->size = debug_fd >= 0 && fstat(debug_fd, &status) == 0 ? (uint64_t)status.st_size
								       : 0;
}

/* Asks, and waits for the answer. The loop itself never waits for the server. */
static void ask(struct fixture *fixture)
{
	uint64_t end = now_ms() + PATIENCE_MS;
	uint32_t answers = fixture->answers;

	CHECK_EQ(debuginfod_find(fixture->debuginfod, &fixture->build_id, take_file, fixture), 0);
	CHECK_EQ(fixture->answers, answers); /* never from inside */
	while (fixture->answers == answers && now_ms() < end) {
		uint64_t before = now_ms();

		debuginfod_tick(fixture->debuginfod, before * 1000000 + fixture->ahead_ns);
		CHECK(now_ms() - before < 1000);
		loop_dispatch(fixture->loop, TICK_MS);
	}
	CHECK_EQ(fixture->answers, answers + 1);
}

static const struct debuginfod_counters *counters(const struct fixture *fixture)
{
	return debuginfod_counters(fixture->debuginfod);
}

static uint32_t files_in_cache(const struct fixture *fixture, const char *ending)
{
	CLEANUP(dir_close) DIR *cache = opendir(fixture->cache);
	const struct dirent *entry;
	uint32_t count = 0;

	while (cache && (entry = readdir(cache)))
		count += strstr(entry->d_name, ending) != NULL;
	return count;
}

static uint64_t size_of(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

/* --- tests ----------------------------------------------------------------------------------- */

static void the_program_has_a_debug_file(void)
{
	char command[256];

	CHECK_OR_RETURN(mkdtemp(folder) != NULL);
	snprintf(debug_path, sizeof(debug_path), "%s/debug", folder);
	snprintf(command, sizeof(command), "objcopy --only-keep-debug /proc/%d/exe %s", getpid(),
		 debug_path);
	CHECK_EQ(system(command), 0);
	CHECK(size_of(debug_path) > 0);
}

static void a_file_comes_once_and_is_kept(void)
{
	CLEANUP(server_stop) struct server server = { 0 };
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct stat status;

	CHECK_OR_RETURN(start_server(SERVER_GOOD, &server) && open_fixture(&fixture, &server, 1));
	CHECK_OR_RETURN(stat(fixture.cache, &status) == 0);
	CHECK_EQ(status.st_mode & 0777, 0700);
	ask(&fixture);
	CHECK_EQ(fixture.size, size_of(debug_path));
	ask(&fixture);
	CHECK_EQ(fixture.size, size_of(debug_path));
	CHECK_EQ(*server.requests, 1);
	CHECK_EQ(counters(&fixture)->cached, 1);
	CHECK_EQ(files_in_cache(&fixture, ".debug"), 1);
	CHECK_EQ(files_in_cache(&fixture, ".part"), 0);
	empty_cache(fixture.cache);
}

/* The second server is asked when the first one does not have it. */
static void servers_are_asked_in_order(void)
{
	struct server servers[2];
	CLEANUP(fixture_close) struct fixture fixture = { 0 };

	CHECK_OR_RETURN(start_server(SERVER_LACKING, &servers[0]) &&
			start_server(SERVER_GOOD, &servers[1]) &&
			open_fixture(&fixture, servers, 2));
	ask(&fixture);
	CHECK_EQ(fixture.size, size_of(debug_path));
	CHECK_EQ(*servers[0].requests, 1);
	CHECK_EQ(*servers[1].requests, 1);
	cleanup_server_stop(&servers[0]);
	cleanup_server_stop(&servers[1]);
	empty_cache(fixture.cache);
}

/* What does not come is remembered, on the disk too, and asked for again after an hour. */
static void check_not_asked_again(enum server_kind kind)
{
	CLEANUP(server_stop) struct server server = { 0 };
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct timespec long_ago[2] = { { .tv_sec = time(NULL) - DEBUG_FOLDER_NONE_KEPT_S - 1 },
					{ .tv_sec = time(NULL) - DEBUG_FOLDER_NONE_KEPT_S - 1 } };
	char id[BUILD_ID_TEXT_SIZE], mark[256];
	uint32_t requests;

	CHECK_OR_RETURN(start_server(kind, &server) && open_fixture(&fixture, &server, 1));
	ask(&fixture);
	CHECK_EQ(fixture.size, 0);
	requests = *server.requests;
	CHECK(requests > 0);
	CHECK_EQ(files_in_cache(&fixture, ".none"), 1);
	ask(&fixture);
	cleanup_fixture_close(&fixture);
	CHECK_OR_RETURN(open_fixture(&fixture, &server, 1));
	ask(&fixture);
	CHECK_EQ(*server.requests, requests);
	build_id_text(&fixture.build_id, id);
	snprintf(mark, sizeof(mark), "%s/%s.none", fixture.cache, id);
	CHECK_EQ(utimensat(AT_FDCWD, mark, long_ago, 0), 0);
	ask(&fixture);
	CHECK(*server.requests > requests);
	CHECK_EQ(files_in_cache(&fixture, ".debug"), 0);
	CHECK_EQ(files_in_cache(&fixture, ".part"), 0);
	empty_cache(fixture.cache);
}

static void what_no_server_has_is_not_asked_for_again_for_an_hour(void)
{
	check_not_asked_again(SERVER_LACKING);
}

static void garbage_is_refused(void)
{
	check_not_asked_again(SERVER_GARBAGE);
}

static void the_file_of_another_program_is_refused(void)
{
	check_not_asked_again(SERVER_OTHER);
}

static void an_endless_file_is_refused(void)
{
	check_not_asked_again(SERVER_ENDLESS);
}

static void a_file_of_ten_gigabytes_is_refused(void)
{
	check_not_asked_again(SERVER_CLAIMING);
}

static void check_server_is_left_alone(enum server_kind kind)
{
	CLEANUP(server_stop) struct server server = { 0 };
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	uint32_t requests;

	CHECK_OR_RETURN(start_server(kind, &server) && open_fixture(&fixture, &server, 1));
	log_set_level(LOG_LEVEL_ERROR);
	ask(&fixture);
	log_set_level(LOG_LEVEL_INFO);
	CHECK_EQ(fixture.size, 0);
	CHECK_EQ(counters(&fixture)->unreachable, 1);
	CHECK_EQ(files_in_cache(&fixture, "."), 2); /* . and .. */
	requests = *server.requests;
	ask(&fixture);
	CHECK_EQ(*server.requests, requests);
	fixture.ahead_ns = (DEBUGINFOD_UNREACHABLE_PAUSE_S + 1) * UINT64_C(1000000000);
	ask(&fixture);
	CHECK(*server.requests > requests);
	empty_cache(fixture.cache);
}

static void a_server_that_hangs_is_left_alone_for_a_minute(void)
{
	check_server_is_left_alone(SERVER_HANGING);
}

static void a_server_that_is_broken_is_left_alone_for_a_minute(void)
{
	check_server_is_left_alone(SERVER_BROKEN);
}

static void a_server_that_leads_in_circles_is_left_alone_for_a_minute(void)
{
	check_server_is_left_alone(SERVER_TURNING);
}

static void a_folder_that_others_may_use_is_refused(void)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/open", folder);
	CHECK_OR_RETURN(mkdir(path, 0777) == 0 && chmod(path, 0755) == 0);
	CHECK_EQ(debug_folder_open(path, &fd), -EPERM);
	CHECK(symlink("open", strcat(path, "_link")) == 0);
	CHECK_EQ(debug_folder_open(path, &fd), -ENOTDIR);
	empty_cache(folder);
}

TESTS(TEST(the_program_has_a_debug_file), TEST(a_file_comes_once_and_is_kept),
      TEST(servers_are_asked_in_order), TEST(what_no_server_has_is_not_asked_for_again_for_an_hour),
      TEST(garbage_is_refused), TEST(the_file_of_another_program_is_refused),
      TEST(an_endless_file_is_refused), TEST(a_file_of_ten_gigabytes_is_refused),
      TEST(a_server_that_hangs_is_left_alone_for_a_minute),
      TEST(a_server_that_is_broken_is_left_alone_for_a_minute),
      TEST(a_server_that_leads_in_circles_is_left_alone_for_a_minute),
      TEST(a_folder_that_others_may_use_is_refused))
