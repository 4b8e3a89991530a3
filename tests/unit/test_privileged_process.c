/* SPDX-License-Identifier: Apache-2.0 */
/* What the privileged process gives, and that it gives nothing else. */
#include "privileged/privileged_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "check.h"
#include "privileged/perf_events.h"
#include "privileged/process_files.h"
#include "privileged/privileged_server.h"
#include "sample_abi.h"

struct place {
	struct privileged_process *process;
	struct process_files *files;
	int own_fd; /* our own folder in /proc */
	struct privileged_options options;
};

static void place_close(struct place *place)
{
	fd_close(place->own_fd);
	process_files_free(place->files);
	privileged_process_free(place->process);
}

static inline void cleanup_place_close(struct place *place)
{
	place_close(place);
}

static bool place_open(struct place *place)
{
	place->process = NULL;
	place->files = NULL;
	place->own_fd = -1;
	if (privileged_process_new(&place->options, &place->process) < 0 ||
	    process_files_new(&place->files) < 0)
		return false;
	process_files_ask(place->files, place->process);
	return process_files_open_process(place->files, (uint32_t)getpid(), &place->own_fd) == 0;
}

/* Returns the answer to a request of these, whatever they are. */
static int ask(const struct place *place, struct privileged_request request, const void *body,
	       size_t body_size, int fd)
{
	CLEANUP(privileged_result_close) struct privileged_result result = { 0 };

	return privileged_process_ask(place->process, &request, fd, body, body_size, &result);
}

/* --- what it gives ------------------------------------------------------------------------------ */

static void programs_come_by_any_way(void)
{
	CLEANUP(place_close) struct place place = { 0 };
	const struct process_file_rules rules = { .size_max = UINT64_MAX };
	const struct process_file_rules small = { .size_max = 10 };
	static const char places[] = "/nowhere\0/etc/passwd\0";
	char own[PROCESS_USER_PATH_SIZE_MAX] = "", paths[PROCESS_USER_PATH_SIZE_MAX + 32] = "";
	unsigned int index = 9;
	int fd = -1;

	CHECK_OR_RETURN(place_open(&place));
	CHECK_OR_RETURN(readlink("/proc/self/exe", own, sizeof(own) - 1) > 0);
	CHECK_EQ(process_files_open_in_root(place.files, process_place_of(place.own_fd), own,
					    &rules, &fd),
		 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	close(fd);
	CHECK_EQ(process_files_open_path(place.files, own, &rules, &fd), 0);
	close(fd);
	/* What is not there is passed over, and what is no program. */
	memcpy(paths, places, sizeof(places));
	strcpy(paths + sizeof(places) - 1, own);
	CHECK_EQ(process_files_open_first(place.files, -1, paths, 0, &rules, &index, &fd), 0);
	CHECK_EQ(index, 2);
	close(fd);
	CHECK_EQ(process_files_open_first(place.files, place.own_fd, paths, 3, &rules, &index, &fd),
		 -ENOENT);
	CHECK_EQ(process_files_open_path(place.files, own, &small, &fd), PROCESS_FILE_TOO_LARGE);
	CHECK_EQ(process_files_counters(place.files)->opened, 3);
	CHECK_EQ(process_files_counters(place.files)->refused, 1);
	CHECK(privileged_process_cpu_us(place.process) > 0);
}

/* What /proc says of ourselves, asked for, is what we read. */
static void a_look_tells_all_of_one_process(void)
{
	CLEANUP(place_close) struct place place = { 0 };
	CLEANUP(process_look_close) struct process_look look = { .process_fd = -1, .maps_fd = -1 };
	CLEANUP(bytes_writer_free) struct bytes_writer text = bytes_writer_with_max(1 << 20);
	char own[PROCESS_USER_PATH_SIZE_MAX] = "", start[32];

	CHECK_OR_RETURN(place_open(&place));
	CHECK_OR_RETURN(process_files_look(place.files, (uint32_t)getpid(), &look) == 0);
	CHECK_OR_RETURN(readlink("/proc/self/exe", own, sizeof(own) - 1) > 0);
	CHECK_STR_EQ(look.texts.exe, own);
	snprintf(start, sizeof(start), "%d (", getpid());
	CHECK(strncmp(look.texts.stat, start, strlen(start)) == 0);
	CHECK(look.texts.comm[0]);
	CHECK_EQ(bytes_writer_read(&text, look.maps_fd), 0);
	bytes_write_u8(&text, 0);
	CHECK(strstr((const char *)text.bytes, own));
	CHECK_EQ(process_files_shares_root(place.files, process_place_of(look.process_fd)), true);
	bytes_writer_clear(&text);
	CHECK_EQ(process_files_read(place.files, process_place_of_pid((uint32_t)getpid()), "cgroup",
				    &text),
		 0);
	CHECK(text.size > 0);
	CHECK_EQ(process_files_look(place.files, UINT32_MAX, &look), -ENOENT);
}

/* The way of all programs that are sampled. */
static void what_a_process_maps_is_given_when_it_is_what_is_meant(void)
{
	CLEANUP(place_close) struct place place = { 0 };
	CLEANUP(fd_close) int own = -1, fd = -1;
	struct process_file_rules rules = { .size_max = UINT64_MAX, .identity_matters = true };
	struct process_range range;
	uint64_t time_ns = 0;
	struct stat status;
	void *memory;

	CHECK_OR_RETURN(place_open(&place));
	own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	memory = mmap(NULL, 1, PROT_READ, MAP_PRIVATE, own, 0);
	CHECK_OR_RETURN(memory != MAP_FAILED && fstat(own, &status) == 0);
	rules.inode = status.st_ino;
	range.start = (uint64_t)(uintptr_t)memory;
	range.end = range.start + (uint64_t)sysconf(_SC_PAGESIZE);
	CHECK_EQ(process_files_open_executable(place.files, (uint32_t)getpid(), range, "/other",
					       &rules, &fd),
		 0);
	fd_close(TAKE_FD(fd));
	CHECK_EQ(process_files_times_changed(place.files, process_place_of_pid((uint32_t)getpid()),
					     &range, 1, &time_ns),
		 0);
	CHECK_EQ(time_ns,
		 (uint64_t)status.st_mtim.tv_sec * 1000000000 + (uint64_t)status.st_mtim.tv_nsec);
	rules.inode++;
	CHECK_EQ(process_files_open_executable(place.files, (uint32_t)getpid(), range, "/other",
					       &rules, &fd),
		 PROCESS_FILE_OTHER);
	munmap(memory, 1);
}

/* --- what it does for the agent itself ----------------------------------------------------------- */

static void slabs_are_made_by_the_handful(void)
{
	const uint64_t refused[] = { 0, PRIVILEGED_FDS_MAX + 1, UINT64_MAX };
	struct privileged_request request = { .kind = PRIVILEGED_CREATE_SLABS,
					      .numbers = { PRIVILEGED_FDS_MAX } };
	CLEANUP(place_close) struct place place = { 0 };
	CLEANUP(privileged_result_close) struct privileged_result result = { 0 };

	privileged_result_init(&result);
	CHECK_OR_RETURN(place_open(&place));
	CHECK_EQ(privileged_process_ask(place.process, &request, -1, NULL, 0, &result), 0);
	for (size_t i = 0; i < PRIVILEGED_FDS_MAX; i++)
		CHECK(result.fds[i] >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		request.numbers[0] = refused[i];
		CHECK_EQ(ask(&place, request, NULL, 0, -1), -EINVAL);
	}
}

/* Those of a CPU that comes, as they were opened for the others at the start. */
static void events_of_a_cpu_are_opened(void)
{
	const uint64_t period_ns = NS_PER_S / 99;
	const uint64_t refused[][2] = { { SAMPLE_CPUS_MAX, period_ns },
					{ UINT64_MAX, period_ns },
					{ UINT64_C(1) << 32, period_ns },
					{ 0, 1 },
					{ 0, NS_PER_S / SAMPLE_FREQUENCY_MAX_HZ - 1 },
					{ 0, NS_PER_S + 1 } };
	CLEANUP(place_close) struct place place = { 0 };
	struct perf_cpu_events events = { -1, -1 };
	uint64_t before_ns = 0, after_ns = 0;
	int r;

	CHECK_OR_RETURN(place_open(&place));
	r = privileged_process_open_cpu(place.process, 0, period_ns, &events);
	if (r == -EACCES || r == -EPERM)
		SKIP("the kernel does not let this process sample");
	CHECK_OR_RETURN(r == 0);
	CHECK_EQ(perf_events_start(events.process_fd), 0);
	CHECK_EQ(perf_events_start(events.timer_fd), 0);
	CHECK_EQ(perf_events_enabled_ns(events.process_fd, &before_ns), 0);
	CHECK_EQ(perf_events_enabled_ns(events.process_fd, &after_ns), 0);
	CHECK(after_ns > before_ns);
	close(events.process_fd);
	close(events.timer_fd);
	CHECK_EQ(privileged_process_open_cpu(place.process, 0, 0, &events), 0);
	CHECK_EQ(events.timer_fd, -1);
	close(events.process_fd);
	/* There are not so many: ENODEV, or EINVAL where there never can be. */
	CHECK(privileged_process_open_cpu(place.process, SAMPLE_CPUS_MAX - 1, 0, &events) < 0);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		CHECK_EQ(ask(&place,
			     (struct privileged_request){
				     .kind = PRIVILEGED_OPEN_CPU,
				     .numbers = { refused[i][0], refused[i][1] } },
			     NULL, 0, -1),
			 -EINVAL);
}

static void the_command_is_signalled_and_nobody_else(void)
{
	static const int refused[] = { 0, SIGKILL, SIGSTOP, SIGUSR1, -1, 1000 };
	CLEANUP(place_close) struct place place = { 0 };
	CLEANUP(place_close) struct place other = { 0 };
	int status = 0;

	place.options.command_pid = fork();
	if (place.options.command_pid == 0)
		for (;;)
			pause();
	CHECK_OR_RETURN(place_open(&place) && place_open(&other));
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		CHECK_EQ(privileged_process_signal(place.process, refused[i]), -EINVAL);
	CHECK_EQ(privileged_process_signal(other.process, SIGTERM), -ESRCH);
	CHECK_EQ(privileged_process_signal(place.process, SIGTERM), 0);
	waitpid(place.options.command_pid, &status, 0);
	CHECK_EQ(WTERMSIG(status), SIGTERM);
	CHECK_EQ(privileged_process_signal(place.process, SIGTERM), -ESRCH);
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0)
		fd_close(TAKE_FD(fd));
	return fd;
}

/* Ours goes when we end; what was put in its place stays. */
static void our_sockets_go_at_the_end(void)
{
	char folder[] = "/tmp/flickerscope-test-XXXXXX", paths[2][64];
	CLEANUP(place_close) struct place place = { 0 };
	int sockets[2];

	CHECK_OR_RETURN(mkdtemp(folder) && place_open(&place));
	for (size_t i = 0; i < ARRAY_SIZE(sockets); i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/%zu", folder, i);
		sockets[i] = listen_at(paths[i]);
		CHECK_EQ(privileged_process_remove_at_end(place.process, sockets[i]), 0);
	}
	CHECK_EQ(privileged_process_remove_at_end(place.process, sockets[0]), -ENOSPC);
	/* Kept open, its inode is not given to another one. */
	unlink(paths[1]);
	close(open(paths[1], O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	privileged_process_free(TAKE(place.process));
	CHECK_EQ(access(paths[0], F_OK), -1);
	CHECK_EQ(access(paths[1], F_OK), 0);
	for (size_t i = 0; i < ARRAY_SIZE(sockets); i++)
		close(sockets[i]);
	unlink(paths[1]);
	rmdir(folder);
}

/* Nothing but a socket that listens at a path, which only who may make one there has. */
static void no_other_path_is_removed(void)
{
	CLEANUP(place_close) struct place place = { 0 };
	int ends[2], files[3];

	CHECK_OR_RETURN(place_open(&place) && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	files[0] = open("/etc/hostname", O_RDONLY | O_CLOEXEC);
	files[1] = open("/etc/hostname", O_PATH | O_CLOEXEC);
	files[2] = ends[0];
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		CHECK(privileged_process_remove_at_end(place.process, files[i]) < 0);
	CHECK_EQ(ask(&place, (struct privileged_request){ .kind = PRIVILEGED_REMOVE_AT_END },
		     "/etc/hostname", 14, -1),
		 -EBADF);
	close(files[0]);
	close(files[1]);
	close(ends[0]);
	close(ends[1]);
}

/* A new file that nothing was written to goes when we end; one with something in it stays, and what took its place. */
static void empty_file_goes_at_the_end(void)
{
	static const char *const contents[] = { "", "a capture", NULL };

	for (size_t i = 0; i < ARRAY_SIZE(contents); i++) {
		char folder[] = "/tmp/flickerscope-test-XXXXXX", path[64], other[64];
		CLEANUP(place_close) struct place place = { 0 };
		CLEANUP(fd_close) int fd = -1;

		CHECK_OR_RETURN(mkdtemp(folder) && place_open(&place));
		snprintf(path, sizeof(path), "%s/capture", folder);
		snprintf(other, sizeof(other), "%s/other", folder);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		CHECK_EQ(privileged_process_remove_empty(place.process, fd), 0);
		CHECK_EQ(privileged_process_remove_empty(place.process, fd), -ENOSPC);
		if (contents[i]) {
			CHECK_EQ(write(fd, contents[i], strlen(contents[i])), strlen(contents[i]));
		} else {
			CHECK_EQ(rename(path, other), 0);
			close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		}
		privileged_process_free(TAKE(place.process));
		CHECK_EQ(access(path, F_OK), i == 0 ? -1 : 0);
		unlink(path);
		unlink(other);
		rmdir(folder);
	}
}

/* Nothing is removed that could not be written to, has something in it, or is not where it was. */
static void no_other_file_is_removed(void)
{
	char folder[] = "/tmp/flickerscope-test-XXXXXX", path[64], full[64];
	CLEANUP(place_close) struct place place = { 0 };
	int files[6];

	CHECK_OR_RETURN(mkdtemp(folder) && place_open(&place));
	snprintf(path, sizeof(path), "%s/empty", folder);
	snprintf(full, sizeof(full), "%s/full", folder);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	files[0] = open(path, O_RDONLY | O_CLOEXEC);
	files[1] = open(path, O_PATH | O_CLOEXEC);
	files[2] = open(full, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK_EQ(write(files[2], "x", 1), 1);
	files[3] = open("/dev/null", O_WRONLY | O_CLOEXEC);
	files[4] = memfd_create("file", MFD_CLOEXEC);
	files[5] = open(folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		CHECK(privileged_process_remove_empty(place.process, files[i]) < 0);
	CHECK_EQ(ask(&place, (struct privileged_request){ .kind = PRIVILEGED_REMOVE_EMPTY }, path,
		     strlen(path) + 1, -1),
		 -EBADF);
	privileged_process_free(TAKE(place.process));
	CHECK_EQ(access(path, F_OK), 0);
	CHECK_EQ(access(full, F_OK), 0);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		fd_close(files[i]);
	unlink(path);
	unlink(full);
	rmdir(folder);
}

/* --- what it makes ------------------------------------------------------------------------------- */

static bool is_new_file_of_ours(int fd, int access_mode)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 0 &&
	       status.st_uid == geteuid() && (status.st_mode & 07777) == 0600 &&
	       (fcntl(fd, F_GETFL) & O_ACCMODE) == access_mode;
}

static int count_files(const char *folder)
{
	CLEANUP(dir_close) DIR *entries = opendir(folder);
	const struct dirent *entry;
	int count = 0;

	while (entries && (entry = readdir(entries)))
		count += entry->d_name[0] != '.';
	return count;
}

static void remove_folder(const char *folder)
{
	CLEANUP(dir_close) DIR *entries = opendir(folder);
	const struct dirent *entry;

	while (entries && (entry = readdir(entries)))
		unlinkat(dirfd(entries), entry->d_name, 0);
	rmdir(folder);
}

/* Also where root has no more rights than others but for a capability. */
static void a_dump_is_made_in_its_folder_and_named_there(void)
{
	enum { SOMEBODY = 1234 };
	char folder[] = "/tmp/flickerscope-test-XXXXXX", name[DUMP_NAME_SIZE_MAX];

	CHECK_OR_RETURN(mkdtemp(folder) != NULL);
	for (int i = 0; i < 2; i++) {
		CLEANUP(place_close) struct place place = { .options.dump_folder = folder };
		CLEANUP(fd_close) int fd = -1;

		CHECK_EQ(chown(folder, i ? SOMEBODY : 0, 0), 0);
		CHECK_OR_RETURN(place_open(&place));
		CHECK_EQ(privileged_process_create_dump(place.process, name, &fd), 0);
		CHECK(is_new_file_of_ours(fd, O_WRONLY));
		CHECK(strncmp(name, "flickerscope-2", 14) == 0);
		CHECK_EQ(count_files(folder), i + 1);
		CHECK_EQ(privileged_process_begin_debug_file(place.process, "0123", &fd), -ENOTDIR);
	}
	remove_folder(folder);
}

static void a_debug_file_is_there_when_it_is_whole(void)
{
	char folder[] = "/tmp/flickerscope-test-XXXXXX", name[DUMP_NAME_SIZE_MAX];
	static const char id[] = "0123456789abcdef0123456789abcdef01234567";
	CLEANUP(place_close) struct place place = { .options.debug_folder = folder };
	CLEANUP(fd_close) int begun = -1, found = -1, foreign = -1;

	CHECK_OR_RETURN(mkdtemp(folder) != NULL && place_open(&place));
	CHECK_EQ(privileged_process_find_debug_file(place.process, id, &found), -ENOENT);
	CHECK_EQ(privileged_process_begin_debug_file(place.process, id, &begun), 0);
	CHECK(is_new_file_of_ours(begun, O_RDWR));
	CHECK_EQ(write(begun, "\177ELF", 4), 4);
	CHECK_EQ(privileged_process_find_debug_file(place.process, id, &found), -ENOENT);
	CHECK_EQ(privileged_process_end_debug_file(place.process, id, DEBUG_FOLDER_CAME), 0);
	CHECK_EQ(privileged_process_find_debug_file(place.process, id, &found), 0);
	CHECK_EQ(fcntl(found, F_GETFL) & O_ACCMODE, O_RDONLY);
	/* What is no program is not given, whoever put it there. */
	CHECK_EQ(privileged_process_begin_debug_file(place.process, "00", &foreign), 0);
	CHECK_EQ(write(foreign, "text", 4), 4);
	CHECK_EQ(privileged_process_end_debug_file(place.process, "00", DEBUG_FOLDER_CAME), 0);
	fd_close(TAKE_FD(foreign));
	CHECK_EQ(privileged_process_find_debug_file(place.process, "00", &foreign),
		 PROCESS_FILE_FOREIGN);
	/* What did not come leaves nothing, and what no server had is known. */
	fd_close(TAKE_FD(begun));
	CHECK_EQ(privileged_process_begin_debug_file(place.process, "01", &begun), 0);
	CHECK_EQ(privileged_process_end_debug_file(place.process, "01", DEBUG_FOLDER_FAILED), 0);
	CHECK_EQ(count_files(folder), 2);
	CHECK_EQ(privileged_process_end_debug_file(place.process, "02", DEBUG_FOLDER_NONE_HAD_IT),
		 0);
	CHECK_EQ(privileged_process_find_debug_file(place.process, "02", &foreign),
		 DEBUG_FOLDER_LACKING);
	CHECK_EQ(privileged_process_create_dump(place.process, name, &foreign), -ENOTDIR);
	remove_folder(folder);
}

/* A name that leads elsewhere is no build id. */
static void debug_files_have_names_of_one_form(void)
{
	static const char *const ids[] = { "",
					   "0",
					   "abc",
					   "../../etc/passwd",
					   "/etc/shadow",
					   "00/11",
					   "..",
					   "AB",
					   "0123456789abcdef0123456789abcdef0123456789" };
	char folder[] = "/tmp/flickerscope-test-XXXXXX";
	CLEANUP(place_close) struct place place = { .options.debug_folder = folder };
	int fd;

	CHECK_OR_RETURN(mkdtemp(folder) != NULL && place_open(&place));
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		CHECK_EQ(privileged_process_find_debug_file(place.process, ids[i], &fd), -EINVAL);
		CHECK_EQ(privileged_process_begin_debug_file(place.process, ids[i], &fd), -EINVAL);
		for (int end = 0; end < DEBUG_FOLDER_ENDS; end++)
			CHECK_EQ(privileged_process_end_debug_file(place.process, ids[i],
								   (enum debug_folder_end)end),
				 -EINVAL);
	}
	CHECK_EQ(privileged_process_end_debug_file(place.process, "00", DEBUG_FOLDER_ENDS),
		 -EINVAL);
	CHECK_EQ(ask(&place, (struct privileged_request){ .kind = PRIVILEGED_BEGIN_DEBUG_FILE },
		     "00", 2, -1),
		 -EINVAL);
	CHECK_EQ(count_files(folder), 0);
	rmdir(folder);
}

/* --- what it does not --------------------------------------------------------------------------- */

/* What each request needs to be one; place for a process. */
static const struct {
	uint32_t kind;
	const char *body;
	size_t body_size;
} of_processes[] = {
	{ PRIVILEGED_OPEN_TEXT, "status", 7 },
	{ PRIVILEGED_TIMES_CHANGED, "", 0 },
	{ PRIVILEGED_SHARES_ROOT, "", 0 },
	{ PRIVILEGED_OPEN_MAPPED, "", 0 },
	{ PRIVILEGED_OPEN_EXECUTABLE, "/x", 3 },
	{ PRIVILEGED_OPEN_IN_ROOT, "/x", 3 },
	{ PRIVILEGED_OPEN_FIRST, "/x\0", 4 },
	{ PRIVILEGED_OPEN_PROCESS, "", 0 },
	{ PRIVILEGED_LOOK, "", 0 },
};

/* A folder that is not a process's cannot stand for one, nor a number that is no pid. */
static void only_folders_of_processes_are_taken(void)
{
	static const char *const paths[] = { "/etc", "/proc", "/tmp", "/etc/passwd" };
	CLEANUP(place_close) struct place place = { 0 };

	CHECK_OR_RETURN(place_open(&place));
	for (size_t i = 0; i < ARRAY_SIZE(of_processes); i++) {
		struct privileged_request request = { .kind = of_processes[i].kind };

		for (size_t j = 0; j < ARRAY_SIZE(paths); j++) {
			CLEANUP(fd_close) int fd = open(paths[j], O_PATH | O_CLOEXEC);

			CHECK_EQ(ask(&place, request, of_processes[i].body,
				     of_processes[i].body_size, fd),
				 -EBADF);
		}
		request.numbers[PRIVILEGED_NUMBER_PID] = UINT64_C(1) << 32;
		CHECK_EQ(ask(&place, request, of_processes[i].body, of_processes[i].body_size, -1),
			 -EINVAL);
	}
}

/* No memory, no environment: of all texts the two that are of use. */
static void other_texts_of_processes_are_not_given(void)
{
	static const char *const names[] = { "environ",	  "mem",  "cmdline",	 "status/",
					     "../status", "maps", "/etc/passwd", "root/etc/passwd",
					     "",	  "fd/0", "cwd",	 "statu" };
	CLEANUP(place_close) struct place place = { 0 };

	CHECK_OR_RETURN(place_open(&place));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		CHECK_EQ(ask(&place, (struct privileged_request){ .kind = PRIVILEGED_OPEN_TEXT },
			     names[i], strlen(names[i]) + 1, place.own_fd),
			 -EINVAL);
}

static void ranges_are_whole_and_bounded(void)
{
	static const struct process_range ranges[PROCESS_RANGES_MAX + 1];
	const struct privileged_request request = { .kind = PRIVILEGED_TIMES_CHANGED };
	CLEANUP(place_close) struct place place = { 0 };

	CHECK_OR_RETURN(place_open(&place));
	CHECK_EQ(ask(&place, request, ranges, sizeof(ranges) - sizeof(ranges[0]), place.own_fd), 0);
	CHECK_EQ(ask(&place, request, ranges, sizeof(ranges), place.own_fd), -EINVAL);
	CHECK_EQ(ask(&place, request, ranges, 1, place.own_fd), -EINVAL);
}

/* Whatever path is named: passwords and keys are no programs. */
static void what_is_no_program_is_not_given(void)
{
	const struct process_file_rules rules = { .size_max = UINT64_MAX };
	static const char *const paths[] = { "/etc/passwd", "/etc/shadow", "/etc/hostname" };
	CLEANUP(place_close) struct place place = { 0 };
	unsigned int index;
	int fd;

	CHECK_OR_RETURN(place_open(&place));
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		char list[64] = "";

		strcpy(list, paths[i]);
		CHECK_EQ(process_files_open_path(place.files, paths[i], &rules, &fd),
			 PROCESS_FILE_FOREIGN);
		CHECK_EQ(process_files_open_in_root(place.files, process_place_of(place.own_fd),
						    paths[i], &rules, &fd),
			 PROCESS_FILE_FOREIGN);
		CHECK_EQ(process_files_open_first(place.files, -1, list, 0, &rules, &index, &fd),
			 -ENOENT);
	}
	CHECK_EQ(process_files_open_path(place.files, "/dev/zero", &rules, &fd),
		 PROCESS_FILE_NOT_REGULAR);
}

static void paths_are_whole_and_absolute(void)
{
	static const struct {
		const char *bytes;
		size_t size;
	} bodies[] = { { "", 0 },	{ "", 1 },     { "x", 2 },	{ "/x", 2 },
		       { "/x\0/y", 6 }, { "../x", 5 }, { "/x\0y\0", 6 } };
	CLEANUP(place_close) struct place place = { 0 };

	CHECK_OR_RETURN(place_open(&place));
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		for (uint32_t kind = PRIVILEGED_OPEN_EXECUTABLE; kind <= PRIVILEGED_OPEN_PATH;
		     kind++) {
			int fd = kind == PRIVILEGED_OPEN_IN_ROOT ? place.own_fd : -1;
			int r = ask(&place, (struct privileged_request){ .kind = kind },
				    bodies[i].bytes, bodies[i].size, fd);

			/* An empty list is one. */
			CHECK_EQ(r, kind == PRIVILEGED_OPEN_FIRST && i == 1 ? -ENOENT : -EINVAL);
		}
}

static void there_are_no_other_requests(void)
{
	CLEANUP(process_files_free) struct process_files *files = NULL;
	CLEANUP(place_close) struct place place = { 0 };
	struct privileged_request request = { 0 };
	struct privileged_server server = PRIVILEGED_SERVER_NONE;
	struct privileged_result result;

	CHECK_OR_RETURN(place_open(&place));
	for (uint32_t kind = PRIVILEGED_KINDS; kind < 1024; kind++) {
		request.kind = kind;
		CHECK_EQ(ask(&place, request, "/x", 3, place.own_fd), -EINVAL);
	}
	request.kind = UINT32_MAX;
	CHECK_EQ(ask(&place, request, "/x", 3, place.own_fd), -EINVAL);

	/* Packets that were cut, or tell another size than they have. */
	CHECK_OR_RETURN(process_files_new(&files) == 0);
	server.files = files;
	request = (struct privileged_request){ .kind = PRIVILEGED_OPEN_PATH };
	for (size_t size = 0; size <= sizeof(request); size++) {
		privileged_server_answer(&server, &request, size, NULL, 0, &result);
		CHECK_EQ(result.packet.reply.result, -EINVAL);
		CHECK_EQ(result.fds[0], -1);
	}
	request.body_size = 1;
	privileged_server_answer(&server, &request, sizeof(request), NULL, 0, &result);
	CHECK_EQ(result.packet.reply.result, -EINVAL);
}

/* --- what it is --------------------------------------------------------------------------------- */

static uint64_t status_number(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	return line ? strtoull(line + strlen(name), NULL, 16) : UINT64_MAX;
}

static uint64_t capabilities(const struct privileged_options *options)
{
	CLEANUP(place_close) struct place place = { .options = *options };
	CLEANUP(bytes_writer_free) struct bytes_writer text = bytes_writer_with_max(1 << 20);
	CLEANUP(fd_close) int fd = -1;
	uint64_t set;

	CHECK(place_open(&place));
	/* It is what it will be when it has answered. */
	CHECK_EQ(ask(&place, (struct privileged_request){ .kind = PRIVILEGED_KINDS }, NULL, 0, -1),
		 -EINVAL);
	CHECK(process_files_open_process(
		      place.files, (uint32_t)privileged_process_pid(place.process), &fd) == 0);
	CHECK_EQ(process_files_read(place.files, process_place_of(fd), "status", &text), 0);
	bytes_write_u8(&text, 0);
	set = status_number((char *)text.bytes, "CapEff:");
	CHECK_EQ(status_number((char *)text.bytes, "CapPrm:"), set);
	CHECK_EQ(status_number((char *)text.bytes, "CapBnd:") & ~set, 0);
	CHECK_EQ(status_number((char *)text.bytes, "CapInh:"), 0);
	CHECK_EQ(status_number((char *)text.bytes, "NoNewPrivs:"), 1);
	CHECK_EQ(status_number((char *)text.bytes, "Seccomp:"), 2);
	return set;
}

static void it_has_no_more_rights_than_it_needs(void)
{
	const uint64_t least = UINT64_C(1) << CAP_SYS_PTRACE | UINT64_C(1) << CAP_DAC_READ_SEARCH |
			       UINT64_C(1) << CAP_CHECKPOINT_RESTORE | UINT64_C(1) << CAP_BPF |
			       UINT64_C(1) << CAP_PERFMON |
			       (uint64_t)perf_events_need_admin() << CAP_SYS_ADMIN;
	char folder[] = "/tmp/flickerscope-test-XXXXXX";

	CHECK_OR_RETURN(mkdtemp(folder) != NULL);
	CHECK_EQ(capabilities(&(struct privileged_options){ 0 }), least);
	CHECK_EQ(capabilities(&(struct privileged_options){ .dump_folder = folder }), least);
	CHECK_EQ(capabilities(&(struct privileged_options){ .debug_folder = folder }), least);
	CHECK_EQ(capabilities(&(struct privileged_options){ .dump_folder = "/proc" }),
		 least | UINT64_C(1) << CAP_DAC_OVERRIDE);
	CHECK_EQ(capabilities(&(struct privileged_options){ .command_pid = getpid() }),
		 least | UINT64_C(1) << CAP_KILL);
	rmdir(folder);
}

/* The requests are those of the table in agent/privileged/README.md: "| open process | a pid | ...". */
static void its_requests_are_those_of_the_readme(void)
{
	CLEANUP(file_close) FILE *file = fopen("agent/privileged/README.md", "re");
	char line[1024];
	int rows = 0;

	while (file && fgets(line, sizeof(line), file) && strncmp(line, "| request |", 11) != 0)
		;
	while (file && fgets(line, sizeof(line), file) && line[0] == '|')
		rows += strncmp(line, "| --- |", 7) != 0;
	CHECK_EQ(rows, PRIVILEGED_KINDS);
}

static void when_it_is_gone_all_is_refused(void)
{
	const struct process_file_rules rules = { .size_max = UINT64_MAX };
	CLEANUP(place_close) struct place place = { 0 };
	int fd;

	CHECK_OR_RETURN(place_open(&place));
	kill(privileged_process_pid(place.process), SIGKILL);
	CHECK_EQ(process_files_open_path(place.files, "/bin/true", &rules, &fd), -EPIPE);
	CHECK_EQ(process_files_open_path(place.files, "/bin/true", &rules, &fd), -EPIPE);
}

TESTS(TEST(programs_come_by_any_way), TEST(a_look_tells_all_of_one_process),
      TEST(what_a_process_maps_is_given_when_it_is_what_is_meant),
      TEST(other_texts_of_processes_are_not_given), TEST(ranges_are_whole_and_bounded),
      TEST(slabs_are_made_by_the_handful), TEST(events_of_a_cpu_are_opened),
      TEST(the_command_is_signalled_and_nobody_else),
      TEST(a_dump_is_made_in_its_folder_and_named_there),
      TEST(a_debug_file_is_there_when_it_is_whole), TEST(debug_files_have_names_of_one_form),
      TEST(its_requests_are_those_of_the_readme), TEST(our_sockets_go_at_the_end),
      TEST(no_other_path_is_removed), TEST(empty_file_goes_at_the_end),
      TEST(no_other_file_is_removed), TEST(only_folders_of_processes_are_taken),
      TEST(what_is_no_program_is_not_given), TEST(paths_are_whole_and_absolute),
      TEST(there_are_no_other_requests), TEST(it_has_no_more_rights_than_it_needs),
      TEST(when_it_is_gone_all_is_refused))
