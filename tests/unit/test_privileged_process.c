/* SPDX-License-Identifier: Apache-2.0 */
/* What the privileged process gives, and that it gives nothing else. */
#include "privileged/privileged_process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "check.h"
#include "privileged/process_files.h"
#include "privileged/privileged_server.h"

struct place {
	struct privileged_process *process;
	struct process_files *files;
	int own_fd; /* our own folder in /proc */
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
	*place = (struct place){ .own_fd = -1 };
	if (privileged_process_new(&place->process) < 0 || process_files_new(&place->files) < 0)
		return false;
	process_files_ask(place->files, place->process);
	return process_files_open_process(place->files, (uint32_t)getpid(), &place->own_fd) == 0;
}

/* --- what it gives ------------------------------------------------------------------------------ */

static void programs_come_by_any_way(void)
{
	CLEANUP(place_close) struct place place;
	const struct process_file_rules rules = { .size_max = UINT64_MAX };
	const struct process_file_rules small = { .size_max = 10 };
	static const char places[] = "/nowhere\0/etc/passwd\0";
	char own[PROCESS_USER_PATH_SIZE_MAX] = "", paths[PROCESS_USER_PATH_SIZE_MAX + 32] = "";
	unsigned int index = 9;
	int fd = -1;

	CHECK_OR_RETURN(place_open(&place));
	CHECK_OR_RETURN(process_files_read_link(place.own_fd, "exe", own) == 0);
	CHECK_EQ(process_files_open_in_root(place.files, place.own_fd, own, &rules, &fd), 0);
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

/* --- what it does not --------------------------------------------------------------------------- */

/* Returns the answer to a request of these, whatever they are. */
static int ask(const struct place *place, struct privileged_request request, const void *body,
	       size_t body_size, int fd)
{
	int given = -1;
	int r = privileged_process_ask(place->process, request, fd, body, body_size, NULL, &given);

	fd_close(given);
	return r;
}

/* A folder that is not a process's cannot stand for one. */
static void only_folders_of_processes_are_taken(void)
{
	static const char *const paths[] = { "/etc", "/proc", "/tmp", "/etc/passwd" };
	CLEANUP(place_close) struct place place;

	CHECK_OR_RETURN(place_open(&place));
	for (size_t j = 0; j <= ARRAY_SIZE(paths); j++) {
		int fd = j < ARRAY_SIZE(paths) ? open(paths[j], O_PATH | O_CLOEXEC) : -1;

		CHECK_EQ(ask(&place, (struct privileged_request){ .kind = PRIVILEGED_OPEN_IN_ROOT },
			     "/x", 3, fd),
			 -EBADF);
		CHECK_EQ(ask(&place, (struct privileged_request){ .kind = PRIVILEGED_OPEN_FIRST },
			     "/x\0", 4, fd),
			 fd < 0 ? -ENOENT : -EBADF);
		fd_close(fd);
	}
}

/* Whatever path is named: passwords and keys are no programs. */
static void what_is_no_program_is_not_given(void)
{
	const struct process_file_rules rules = { .size_max = UINT64_MAX };
	static const char *const paths[] = { "/etc/passwd", "/etc/shadow", "/etc/hostname" };
	CLEANUP(place_close) struct place place;
	unsigned int index;
	int fd;

	CHECK_OR_RETURN(place_open(&place));
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		char list[64] = "";

		strcpy(list, paths[i]);
		CHECK_EQ(process_files_open_path(place.files, paths[i], &rules, &fd),
			 PROCESS_FILE_FOREIGN);
		CHECK_EQ(process_files_open_in_root(place.files, place.own_fd, paths[i], &rules,
						    &fd),
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
	CLEANUP(place_close) struct place place;

	CHECK_OR_RETURN(place_open(&place));
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		for (uint32_t kind = 0; kind < PRIVILEGED_KINDS; kind++) {
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
	CLEANUP(place_close) struct place place;
	struct privileged_request request = { 0 };
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
	request = (struct privileged_request){ .kind = PRIVILEGED_OPEN_PATH };
	for (size_t size = 0; size <= sizeof(request); size++) {
		privileged_server_answer(files, &request, size, NULL, 0, &result);
		CHECK_EQ(result.reply.result, -EINVAL);
		CHECK_EQ(result.fd, -1);
	}
	request.body_size = 1;
	privileged_server_answer(files, &request, sizeof(request), NULL, 0, &result);
	CHECK_EQ(result.reply.result, -EINVAL);
}

/* --- what it is --------------------------------------------------------------------------------- */

static uint64_t status_number(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	return line ? strtoull(line + strlen(name), NULL, 16) : UINT64_MAX;
}

static void it_has_no_more_rights_than_it_needs(void)
{
	const uint64_t most = UINT64_C(1) << CAP_SYS_PTRACE | UINT64_C(1) << CAP_DAC_READ_SEARCH;
	CLEANUP(place_close) struct place place;
	CLEANUP(bytes_writer_free) struct bytes_writer text = bytes_writer_with_max(1 << 20);
	CLEANUP(fd_close) int fd = -1;

	CHECK_OR_RETURN(place_open(&place));
	/* It is what it will be when it has answered. */
	CHECK_EQ(ask(&place, (struct privileged_request){ 0 }, NULL, 0, -1), -EINVAL);
	CHECK_OR_RETURN(process_files_open_process(place.files,
						   (uint32_t)privileged_process_pid(place.process),
						   &fd) == 0);
	CHECK_EQ(process_files_read(fd, "status", &text), 0);
	bytes_write_u8(&text, 0);
	CHECK_EQ(status_number((char *)text.bytes, "CapEff:") & ~most, 0);
	CHECK_EQ(status_number((char *)text.bytes, "CapPrm:") & ~most, 0);
	CHECK_EQ(status_number((char *)text.bytes, "CapBnd:") & ~most, 0);
	CHECK_EQ(status_number((char *)text.bytes, "CapInh:"), 0);
	CHECK_EQ(status_number((char *)text.bytes, "NoNewPrivs:"), 1);
	CHECK_EQ(status_number((char *)text.bytes, "Seccomp:"), 2);
}

static void when_it_is_gone_all_is_refused(void)
{
	const struct process_file_rules rules = { .size_max = UINT64_MAX };
	CLEANUP(place_close) struct place place;
	int fd;

	CHECK_OR_RETURN(place_open(&place));
	kill(privileged_process_pid(place.process), SIGKILL);
	CHECK_EQ(process_files_open_path(place.files, "/bin/true", &rules, &fd), -EPIPE);
	CHECK_EQ(process_files_open_path(place.files, "/bin/true", &rules, &fd), -EPIPE);
}

TESTS(TEST(programs_come_by_any_way), TEST(only_folders_of_processes_are_taken),
      TEST(what_is_no_program_is_not_given), TEST(paths_are_whole_and_absolute),
      TEST(there_are_no_other_requests), TEST(it_has_no_more_rights_than_it_needs),
      TEST(when_it_is_gone_all_is_refused))
