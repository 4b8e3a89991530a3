/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which process maps what: by events, by /proc of real processes, and by a folder that looks like
 * /proc and lies.
 */
#include "process/process_table.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/descriptors.h"
#include "base/log.h"
#include "check.h"
#include "few_descriptors.h"
#include "privileged/process_files.h"
#include "process/executable_table.h"
#include "process/mapping_table.h"

enum {
	PID = 4000000,
	OTHER = 4000001,
	THIRD = 4000002,
	PAGE = 4096
}; /* beyond PID_MAX_LIMIT's use */

struct fixture {
	struct process_files *files;
	struct process_table *table;
};

static bool open_fixture(struct fixture *fixture)
{
	*fixture = (struct fixture){ 0 };
	return process_files_new(&fixture->files) == 0 &&
	       process_table_new(fixture->files, &fixture->table) == 0;
}

static void cleanup_fixture_close(struct fixture *fixture)
{
	process_table_free(fixture->table);
	process_files_free(fixture->files);
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void map(struct fixture *fixture, uint32_t pid, uint64_t start, uint64_t length,
		const char *path, uint64_t inode, uint64_t time_ns)
{
	const struct process_mmap event = {
		.time_ns = time_ns,
		.pid = pid,
		.tid = pid,
		.address = start,
		.length = length,
		.file_offset = 0x1000,
		.identity = { .inode = inode, .device_major = 250 },
		.path = path,
		.executable = true,
	};

	process_table_mmap(fixture->table, &event);
}

/* The path at @address of @pid, "" when there is none. */
static const char *path_at(struct fixture *fixture, uint32_t pid, uint64_t address)
{
	struct process *process = process_table_find(fixture->table, pid, 0);
	const struct mapping *mapping = process ? process_find_mapping(process, address) : NULL;

	return mapping ? mapping->executable->path : "";
}

static bool is_main_at(struct fixture *fixture, uint32_t pid, uint64_t address)
{
	struct process *process = process_table_find(fixture->table, pid, 0);
	const struct mapping *mapping = process ? process_find_mapping(process, address) : NULL;

	return mapping && mapping->is_main_executable;
}

/* A program with a library, by an exec at 100. */
static void exec_program(struct fixture *fixture, uint32_t pid, const char *program)
{
	process_table_exec(fixture->table, pid, "program", 100);
	map(fixture, pid, 0x1000, 0x1000, program, 11, 110);
	map(fixture, pid, 0x8000, 0x1000, "/lib/ld.so", 12, 120);
}

static void an_exec_and_its_mappings_make_a_process(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct process *process;

	CHECK_OR_RETURN(open_fixture(&fixture));
	exec_program(&fixture, PID, "/bin/program");
	process = process_table_find(fixture.table, PID, 555);
	CHECK_OR_RETURN(process);
	CHECK_EQ(process->pid, PID);
	CHECK_EQ(process->start_ns, 555);
	CHECK_STR_EQ(process->comm, "program");
	CHECK_STR_EQ(process->executable_path, "/bin/program");
	CHECK_STR_EQ(path_at(&fixture, PID, 0x0fff), "");
	CHECK_STR_EQ(path_at(&fixture, PID, 0x1000), "/bin/program");
	CHECK_STR_EQ(path_at(&fixture, PID, 0x1fff), "/bin/program");
	CHECK_STR_EQ(path_at(&fixture, PID, 0x2000), "");
	CHECK_STR_EQ(path_at(&fixture, PID, 0x8800), "/lib/ld.so");
	CHECK(is_main_at(&fixture, PID, 0x1000));
	CHECK(!is_main_at(&fixture, PID, 0x8000));
	CHECK_EQ(process_table_counters(fixture.table)->proc_reads, 0);
}

static struct process *find_or_give_up(struct fixture *fixture, uint32_t pid)
{
	struct process *process = process_table_find(fixture->table, pid, 0);

	if (!process)
		check_give_up();
	return process;
}

/* Each once, however often it changed, and those that did not change not at all. */
static void who_follows_changes_is_told_of_those_alone(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	uint32_t slot, slot_of_other;

	CHECK_OR_RETURN(open_fixture(&fixture));
	CHECK_EQ(process_table_next_changed(fixture.table), 0);
	exec_program(&fixture, PID, "/bin/program");
	slot = find_or_give_up(&fixture, PID)->slot;
	CHECK_EQ(process_table_next_changed(fixture.table), slot);
	CHECK_EQ(process_table_next_changed(fixture.table), 0);
	exec_program(&fixture, OTHER, "/bin/other");
	slot_of_other = find_or_give_up(&fixture, OTHER)->slot;
	CHECK_EQ(process_table_next_changed(fixture.table), slot_of_other);
	map(&fixture, PID, 0x20000, 0x1000, "/lib/late.so", 13, 130);
	map(&fixture, PID, 0x30000, 0x1000, "/lib/later.so", 14, 140);
	CHECK_EQ(process_table_next_changed(fixture.table), slot);
	CHECK_EQ(process_table_next_changed(fixture.table), 0);
	/* A slot that is used again, before anybody asked. */
	map(&fixture, PID, 0x40000, 0x1000, "/lib/last.so", 15, 150);
	process_table_exit(fixture.table, PID, PID, 200);
	process_table_fork(fixture.table, OTHER, PID, 300);
	CHECK_EQ(find_or_give_up(&fixture, PID)->slot, slot);
	CHECK_EQ(process_table_next_changed(fixture.table), slot);
	CHECK_EQ(process_table_next_changed(fixture.table), 0);
}

static void a_child_has_its_parents_mappings_until_it_execs(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	uint64_t rows;

	CHECK_OR_RETURN(open_fixture(&fixture));
	exec_program(&fixture, PID, "/bin/sh");
	rows = process_table_counters(fixture.table)->mapping_rows;
	process_table_fork(fixture.table, PID, OTHER, 200);
	CHECK_STR_EQ(path_at(&fixture, OTHER, 0x1000), "/bin/sh");
	CHECK(is_main_at(&fixture, OTHER, 0x1000));
	CHECK_EQ(process_table_counters(fixture.table)->mapping_rows, rows); /* shared */
	process_table_exec(fixture.table, OTHER, "ls", 300);
	CHECK_STR_EQ(path_at(&fixture, OTHER, 0x1000), "");
	CHECK_STR_EQ(path_at(&fixture, PID, 0x1000), "/bin/sh");
	map(&fixture, OTHER, 0x1000, 0x2000, "/bin/ls", 21, 310);
	CHECK_STR_EQ(path_at(&fixture, OTHER, 0x1000), "/bin/ls");
	CHECK(is_main_at(&fixture, OTHER, 0x1000));
	CHECK_STR_EQ(path_at(&fixture, PID, 0x1000), "/bin/sh");
}

static void a_childs_new_mapping_is_not_its_parents(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };

	CHECK_OR_RETURN(open_fixture(&fixture));
	exec_program(&fixture, PID, "/bin/sh");
	process_table_fork(fixture.table, PID, OTHER, 200);
	map(&fixture, OTHER, 0x20000, 0x1000, "/lib/plugin.so", 31, 210);
	CHECK_STR_EQ(path_at(&fixture, OTHER, 0x20000), "/lib/plugin.so");
	CHECK_STR_EQ(path_at(&fixture, PID, 0x20000), "");
}

static void a_thread_is_no_process(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };

	CHECK_OR_RETURN(open_fixture(&fixture));
	process_table_fork(fixture.table, PID, PID, 200);
	CHECK_EQ(process_table_counters(fixture.table)->processes, 0);
}

static void a_late_exec_keeps_what_is_newer(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };

	CHECK_OR_RETURN(open_fixture(&fixture));
	exec_program(&fixture, PID, "/bin/old");
	map(&fixture, PID, 0x30000, 0x1000, "/bin/new", 41, 500);
	map(&fixture, PID, 0x40000, 0x1000, "/lib/ld.so", 12, 510);
	process_table_exec(fixture.table, PID, "new", 400);
	CHECK_STR_EQ(path_at(&fixture, PID, 0x1000), "");
	CHECK_STR_EQ(path_at(&fixture, PID, 0x30000), "/bin/new");
	CHECK_STR_EQ(path_at(&fixture, PID, 0x40000), "/lib/ld.so");
	CHECK(is_main_at(&fixture, PID, 0x30000));
	CHECK(!is_main_at(&fixture, PID, 0x40000));
}

static void a_pid_used_again_does_not_inherit(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct process *process;
	uint64_t id;

	CHECK_OR_RETURN(open_fixture(&fixture));
	exec_program(&fixture, PID, "/bin/first");
	process = process_table_find(fixture.table, PID, 1000);
	CHECK_OR_RETURN(process);
	id = process->id;
	process = process_table_find(fixture.table, PID, 2000);
	CHECK_OR_RETURN(process);
	CHECK(process->id != id);
	CHECK(!process_find_mapping(process, 0x1000));
	CHECK_STR_EQ(process->executable_path, "");
}

static void an_exec_after_the_exit_is_another_process(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct process *process;
	uint64_t id;

	CHECK_OR_RETURN(open_fixture(&fixture));
	exec_program(&fixture, PID, "/bin/first");
	process = process_table_find(fixture.table, PID, 1000);
	CHECK_OR_RETURN(process);
	id = process->id;
	process_table_exit(fixture.table, PID, PID, 600);
	process_table_exec(fixture.table, PID, "second", 700);
	process = process_table_find(fixture.table, PID, 2000);
	CHECK_OR_RETURN(process);
	CHECK(process->id != id);
	CHECK(!process_find_mapping(process, 0x1000));
}

static void the_exited_stay_for_samples_in_flight(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	uint64_t kept_ns = PROCESS_EXITED_KEPT_MS * UINT64_C(1000000);

	CHECK_OR_RETURN(open_fixture(&fixture));
	exec_program(&fixture, PID, "/bin/first");
	process_table_exit(fixture.table, PID, OTHER, 600); /* another thread's end */
	process_table_exit(fixture.table, PID, PID, 700);
	process_table_expire(fixture.table, 700 + kept_ns);
	CHECK_EQ(process_table_counters(fixture.table)->processes, 1);
	process_table_expire(fixture.table, 701 + kept_ns);
	CHECK_EQ(process_table_counters(fixture.table)->processes, 0);
}

static void comm_is_the_main_threads(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct process *process;

	CHECK_OR_RETURN(open_fixture(&fixture));
	exec_program(&fixture, PID, "/bin/program");
	process_table_comm(fixture.table, PID, OTHER, "a thread");
	process_table_comm(fixture.table, PID, PID, "renamed, and far too long");
	process = process_table_find(fixture.table, PID, 0);
	CHECK_OR_RETURN(process);
	CHECK_STR_EQ(process->comm, "renamed, and fa");
}

static void a_generation_changes_with_the_mappings_only(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct process *process;
	uint64_t generation;

	CHECK_OR_RETURN(open_fixture(&fixture));
	exec_program(&fixture, PID, "/bin/program");
	process = process_table_find(fixture.table, PID, 0);
	CHECK_OR_RETURN(process);
	generation = process->generation;
	map(&fixture, PID, 0x8000, 0x1000, "/lib/ld.so", 12, 900);
	process_table_comm(fixture.table, PID, PID, "x");
	CHECK_EQ(process_table_find(fixture.table, PID, 0)->generation, generation);
	map(&fixture, PID, 0x8000, 0x800, "/lib/other.so", 13, 910);
	CHECK(process_table_find(fixture.table, PID, 0)->generation != generation);
}

static void what_is_mapped_over_another_cuts_it(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct process *process;
	const struct mapping *mapping;

	CHECK_OR_RETURN(open_fixture(&fixture));
	process_table_exec(fixture.table, PID, "x", 100);
	map(&fixture, PID, 0x10000, 0x10000, "/a", 1, 110);
	map(&fixture, PID, 0x14000, 0x4000, "/b", 2, 120);
	map(&fixture, PID, 0x1f000, 0x2000, "/c", 3, 130);
	CHECK_STR_EQ(path_at(&fixture, PID, 0x13fff), "/a");
	CHECK_STR_EQ(path_at(&fixture, PID, 0x14000), "/b");
	CHECK_STR_EQ(path_at(&fixture, PID, 0x17fff), "/b");
	CHECK_STR_EQ(path_at(&fixture, PID, 0x18000), "/a");
	CHECK_STR_EQ(path_at(&fixture, PID, 0x1efff), "/a");
	CHECK_STR_EQ(path_at(&fixture, PID, 0x1f000), "/c");
	CHECK_STR_EQ(path_at(&fixture, PID, 0x20fff), "/c");
	process = process_table_find(fixture.table, PID, 0);
	mapping = process_find_mapping(process, 0x18000);
	CHECK_OR_RETURN(mapping);
	CHECK_EQ(mapping->file_offset, 0x1000 + 0x8000);
	map(&fixture, PID, 0x1000, 0x100000, "/all", 4, 140);
	for (uint64_t address = 0x1000; address < 0x101000; address += PAGE)
		CHECK_STR_EQ(path_at(&fixture, PID, address), "/all");
}

/* Random mappings agree with an array of pages. */
static void any_order_of_mappings_agrees_with_a_plain_array(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	unsigned char pages[64] = { 0 };
	unsigned int random = 4711;

	CHECK_OR_RETURN(open_fixture(&fixture));
	process_table_exec(fixture.table, PID, "x", 100);
	for (int i = 1; i < 250; i++) {
		char path[16];
		unsigned int first, count;

		random = random * 1103515245 + 12345;
		first = (random >> 8) % 60;
		count = 1 + (random >> 20) % 4;
		snprintf(path, sizeof(path), "/%d", i);
		map(&fixture, PID, 0x100000 + first * PAGE, count * PAGE, path, (uint64_t)i,
		    100 + (uint64_t)i);
		memset(pages + first, i, count);
	}
	for (unsigned int page = 0; page < 64; page++) {
		char path[16] = "";

		if (pages[page])
			snprintf(path, sizeof(path), "/%d", pages[page]);
		CHECK_STR_EQ(path_at(&fixture, PID, 0x100000 + page * PAGE), path);
	}
}

static void mappings_are_bounded_and_refusals_counted(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };

	CHECK_OR_RETURN(open_fixture(&fixture));
	process_table_exec(fixture.table, PID, "x", 100);
	for (uint64_t i = 0; i < MAPPINGS_MAX + 100; i++)
		map(&fixture, PID, 0x100000 + i * PAGE * 2, PAGE, "//anon", 0, 110);
	CHECK(process_table_counters(fixture.table)->mappings_refused >= 100);
	CHECK_STR_EQ(path_at(&fixture, PID, 0x100000), "[anon]");
}

static void memory_without_a_file_has_its_kinds(void)
{
	static const struct {
		const char *path;
		uint64_t inode;
		enum executable_kind kind;
	} cases[] = {
		{ "[vdso]", 0, EXECUTABLE_VDSO },
		{ "[vsyscall]", 0, EXECUTABLE_VSYSCALL },
		{ "//anon", 0, EXECUTABLE_ANONYMOUS },
		{ "", 0, EXECUTABLE_ANONYMOUS },
		{ "[heap]", 0, EXECUTABLE_ANONYMOUS },
		{ "[anon:jit]", 0, EXECUTABLE_ANONYMOUS },
		{ "/dev/zero (deleted)", 5, EXECUTABLE_ANONYMOUS },
		{ "/SYSV00000000 (deleted)", 5, EXECUTABLE_ANONYMOUS },
		{ "/memfd:code (deleted)", 5, EXECUTABLE_FILE },
		{ "/bin/true", 5, EXECUTABLE_FILE },
		{ "/bin/true", 0, EXECUTABLE_ANONYMOUS },
	};
	CLEANUP(fixture_close) struct fixture fixture = { 0 };

	CHECK_OR_RETURN(open_fixture(&fixture));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct executable_identity identity = { .inode = cases[i].inode,
							      .device_minor = (uint32_t)i };
		struct executable *executable =
			executable_table_take(process_table_executables(fixture.table), &identity,
					      cases[i].path, strlen(cases[i].path), NULL);

		CHECK_OR_RETURN(executable);
		CHECK_EQ(executable->kind, cases[i].kind);
		CHECK(!strstr(executable->path, "(deleted)"));
		executable_release(executable);
	}
}

/* --- real processes -------------------------------------------------------------------------- */

static pid_t start_waiting(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void an_older_process_is_read_from_proc(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	uint64_t here = (uint64_t)(uintptr_t)an_older_process_is_read_from_proc;
	char own_path[4096] = "";
	pid_t pid = start_waiting();
	struct process *process;

	CHECK_OR_RETURN(pid > 0 && open_fixture(&fixture));
	CHECK(readlink("/proc/self/exe", own_path, sizeof(own_path) - 1) > 0);
	CHECK_STR_EQ(path_at(&fixture, (uint32_t)pid, here), own_path);
	CHECK(is_main_at(&fixture, (uint32_t)pid, here));
	CHECK(!is_main_at(&fixture, (uint32_t)pid, (uint64_t)(uintptr_t)strerror));
	process = process_table_find(fixture.table, (uint32_t)pid, 0);
	CHECK_OR_RETURN(process);
	CHECK_STR_EQ(process->executable_path, own_path);
	CHECK(process->comm[0]);
	CHECK_EQ(process_table_counters(fixture.table)->proc_reads, 1);
	end(pid);
	/* Known is known: it is not read again. */
	CHECK_STR_EQ(path_at(&fixture, (uint32_t)pid, here), own_path);
}

/* What /proc tells is of another process when the start differs. */
static void proc_of_another_start_is_not_taken(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	pid_t pid = start_waiting();
	struct process *process;

	CHECK_OR_RETURN(pid > 0 && open_fixture(&fixture));
	process = process_table_find(fixture.table, (uint32_t)pid, 1);
	CHECK_OR_RETURN(process);
	CHECK(!process_find_mapping(process,
				    (uint64_t)(uintptr_t)proc_of_another_start_is_not_taken));
	CHECK_EQ(process_table_counters(fixture.table)->proc_reads_failed, 1);
	end(pid);
}

static void after_lost_events_proc_is_read_again(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	uint64_t here = (uint64_t)(uintptr_t)after_lost_events_proc_is_read_again;
	pid_t pid = start_waiting();
	struct process *process;

	CHECK_OR_RETURN(pid > 0 && open_fixture(&fixture));
	/* Events told something else, long ago. */
	process_table_exec(fixture.table, (uint32_t)pid, "stale", 100);
	map(&fixture, (uint32_t)pid, 0x1000, 0x1000, "/bin/stale", 5, 110);
	map(&fixture, PID, 0x1000, 0x1000, "/bin/unknown", 6, 110);
	process = process_table_find(fixture.table, (uint32_t)pid, 0);
	CHECK_OR_RETURN(process);
	process->start_ns = 0;
	process_table_lost(fixture.table);
	CHECK(strcmp(path_at(&fixture, (uint32_t)pid, here), "") != 0);
	CHECK_STR_EQ(path_at(&fixture, (uint32_t)pid, 0x1000), "");
	CHECK_EQ(process_table_counters(fixture.table)->proc_reads, 1);
	end(pid);
}

/* Losses without end do not make it read without end; what was known is used meanwhile. */
static void reading_again_keeps_to_its_share_of_the_time(void)
{
	enum { LOSSES = 20000 };
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	uint64_t here = (uint64_t)(uintptr_t)reading_again_keeps_to_its_share_of_the_time;
	pid_t pid = start_waiting();
	const struct process_table_counters *counters;
	int losses = 0;

	CHECK_OR_RETURN(pid > 0 && open_fixture(&fixture));
	CHECK_OR_RETURN(process_table_find(fixture.table, (uint32_t)pid, 0));
	counters = process_table_counters(fixture.table);
	for (; losses < LOSSES && !counters->proc_reads_put_off; losses++) {
		struct process *process = process_table_find(fixture.table, (uint32_t)pid, 0);

		CHECK_OR_RETURN(process);
		process->start_ns = 1; /* known by a sample: it stays */
		process_table_lost(fixture.table);
		process->start_ns = 0;
	}
	CHECK_EQ(counters->proc_reads_put_off, 1);
	CHECK_EQ(counters->proc_reads, (uint64_t)losses - 1);
	CHECK(strcmp(path_at(&fixture, (uint32_t)pid, here), "") != 0);
	end(pid);
}

/* Of a process with more mappings than there is room for, no more is read than finds room. */
static void mappings_beyond_the_room_for_them_are_not_read(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	CLEANUP(fd_close) int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	size_t page = (size_t)sysconf(_SC_PAGESIZE), count = MAPPINGS_MAX + 1000, rows;
	uint8_t *place = mmap(NULL, count * page, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	const struct process *process;
	uint32_t row_count;
	pid_t pid;

	CHECK_OR_RETURN(place != MAP_FAILED);
	/* All of the same page: what follows each other in the file would become one mapping. */
	for (size_t i = 0; i < count; i++)
		CHECK_OR_RETURN(mmap(place + i * page, page, PROT_READ | PROT_EXEC,
				     MAP_PRIVATE | MAP_FIXED, fd, 0) != MAP_FAILED);
	pid = start_waiting();
	munmap(place, count * page);
	CHECK_OR_RETURN(pid > 0 && open_fixture(&fixture));
	process = process_table_find(fixture.table, (uint32_t)pid, 0);
	CHECK_OR_RETURN(process);
	process_mappings(process, &row_count);
	rows = row_count;
	CHECK(rows <= MAPPINGS_MAX && rows > MAPPINGS_MAX - 8);
	CHECK(process_table_counters(fixture.table)->mappings_refused <
	      100); /* what one read gives */
	end(pid);
}

/* Without a descriptor a process cannot be read, nor its file opened: both are, as soon as there is one. */
static void what_found_no_descriptor_is_read_later(void)
{
	CLEANUP(fixture_close) struct fixture fixture;
	uint64_t here = (uint64_t)(uintptr_t)what_found_no_descriptor_is_read_later;
	const struct process_table_counters *counters;
	const struct mapping *mapping;
	struct process *process;
	pid_t pid = start_waiting();
	rlim_t before;

	CHECK_OR_RETURN(pid > 0 && open_fixture(&fixture));
	before = no_descriptors();
	CHECK_STR_EQ(path_at(&fixture, (uint32_t)pid, here), "");
	counters = process_table_counters(fixture.table);
	CHECK_EQ(counters->proc_reads, 0);
	CHECK_EQ(counters->proc_reads_short, 1);
	/* Not again at once: one read that fails has its share of the time as well. */
	few_descriptors(before);
	while (strcmp(path_at(&fixture, (uint32_t)pid, here), "") == 0 &&
	       process_table_counters(fixture.table)->proc_reads_put_off < 1000000)
		;
	process = process_table_find(fixture.table, (uint32_t)pid, 0);
	mapping = process ? process_find_mapping(process, here) : NULL;
	CHECK_OR_RETURN(mapping);

	no_descriptors();
	CHECK(descriptors_are_short(executable_table_open(process_table_executables(fixture.table),
							  mapping->executable, (uint32_t)pid,
							  mapping->start, mapping->end, 1)));
	few_descriptors(before);
	CHECK_EQ(process_table_counters(fixture.table)->executables.fds_short, 1);
	CHECK_EQ(executable_table_open(process_table_executables(fixture.table),
				       mapping->executable, (uint32_t)pid, mapping->start,
				       mapping->end,
				       1 + (uint64_t)EXECUTABLE_OPEN_RETRY_MS * 1000000),
		 0);
	end(pid);
}

/* An exec that happened before /proc was read, and is told after: what was read is newer. */
static void a_late_exec_keeps_what_proc_told(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	uint64_t here = (uint64_t)(uintptr_t)a_late_exec_keeps_what_proc_told, before;
	pid_t pid = start_waiting();

	CHECK_OR_RETURN(pid > 0 && open_fixture(&fixture));
	before = monotonic_ns();
	CHECK(strcmp(path_at(&fixture, (uint32_t)pid, here), "") != 0);
	process_table_exec(fixture.table, (uint32_t)pid, "x", before);
	CHECK(strcmp(path_at(&fixture, (uint32_t)pid, here), "") != 0);
	CHECK(is_main_at(&fixture, (uint32_t)pid, here));
	process_table_exec(fixture.table, (uint32_t)pid, "x", monotonic_ns());
	CHECK_STR_EQ(path_at(&fixture, (uint32_t)pid, here), "");
	end(pid);
}

/* The parent is read from /proc after the fork; the child's exec still clears all it inherited. */
static void a_childs_exec_clears_what_its_parent_was_read_with(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	uint64_t here = (uint64_t)(uintptr_t)a_childs_exec_clears_what_its_parent_was_read_with;
	uint64_t fork_ns = monotonic_ns(), exec_ns = monotonic_ns();

	CHECK_OR_RETURN(open_fixture(&fixture));
	process_table_fork(fixture.table, (uint32_t)getpid(), PID, fork_ns);
	CHECK(strcmp(path_at(&fixture, PID, here), "") != 0);
	process_table_exec(fixture.table, PID, "x", exec_ns);
	CHECK_STR_EQ(path_at(&fixture, PID, here), "");
	CHECK(strcmp(path_at(&fixture, (uint32_t)getpid(), here), "") != 0);
}

static void *wait_for_ever(void *argument)
{
	for (;;)
		pause();
	return argument;
}

/* A process whose main thread has ended and whose other one waits; 0 when it could not be made. */
static pid_t start_without_main_thread(void)
{
	char state = 0;
	pid_t pid = fork();

	if (pid == 0) {
		pthread_t thread;

		prctl(PR_SET_PDEATHSIG, 0);
		if (pthread_create(&thread, NULL, wait_for_ever, NULL) != 0)
			_exit(1);
		pthread_exit(NULL);
	}
	for (int tries = 0; pid > 0 && state != 'Z' && tries < 1000; tries++) {
		char name[64];
		CLEANUP(file_close) FILE *file = NULL;

		snprintf(name, sizeof(name), "/proc/%d/stat", pid);
		file = fopen(name, "re");
		if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
			break;
		usleep(10000);
	}
	CHECK_EQ(state, 'Z');
	return pid;
}

static void a_process_whose_main_thread_ended_still_has_maps(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	uint64_t here = (uint64_t)(uintptr_t)a_process_whose_main_thread_ended_still_has_maps;
	pid_t pid = start_without_main_thread();

	CHECK_OR_RETURN(pid > 0);
	if (open_fixture(&fixture)) {
		const struct process *process = find_or_give_up(&fixture, (uint32_t)pid);

		CHECK(strcmp(path_at(&fixture, (uint32_t)pid, here), "") != 0);
		CHECK(strcmp(process->executable_path, "") != 0);
	}
	end(pid);
}

static void expire_all(struct fixture *fixture, uint64_t now_ns)
{
	for (int i = 0; i < 20; i++)
		process_table_expire(fixture->table, now_ns);
}

static void a_process_whose_main_thread_ended_stays_with_its_others(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	const uint64_t second = 1000000000;
	uint64_t now_ns = monotonic_ns(), id;
	pid_t pid = start_without_main_thread();
	struct process *process;

	CHECK_OR_RETURN(pid > 0 && open_fixture(&fixture));
	process = find_or_give_up(&fixture, (uint32_t)pid);
	process->start_ns = 1; /* as if it had been sampled; nobody compares it here */
	id = process->id;
	process_table_exit(fixture.table, (uint32_t)pid, (uint32_t)pid, now_ns);
	expire_all(&fixture, now_ns + 6 * second);
	CHECK_EQ(find_or_give_up(&fixture, (uint32_t)pid)->id, id);
	end(pid);
	expire_all(&fixture, now_ns + 20 * second);
	CHECK_EQ(process_table_counters(fixture.table)->processes, 0);
}

/* Maps the file at @path into this process, tells the table as an event would, and says which it is. */
static uint64_t map_own(struct fixture *fixture, const char *path)
{
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	void *memory = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	struct process_mmap event = {
		.time_ns = monotonic_ns(),
		.pid = (uint32_t)getpid(),
		.tid = (uint32_t)getpid(),
		.address = (uint64_t)(uintptr_t)memory,
		.length = PAGE,
		.path = path,
		.executable = true,
	};
	const struct mapping *mapping;

	CHECK(memory != MAP_FAILED && fstat(fd, &status) == 0);
	event.identity.inode = status.st_ino;
	process_table_mmap(fixture->table, &event);
	mapping = process_find_mapping(find_or_give_up(fixture, (uint32_t)getpid()), event.address);
	return mapping ? mapping->executable->id : 0;
}

static void write_pages(const char *path, char byte)
{
	CLEANUP(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char page[PAGE];

	memset(page, byte, sizeof(page));
	CHECK_EQ(write(fd, page, sizeof(page)), PAGE);
}

static void a_file_that_was_written_anew_is_another(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	char path[] = "/tmp/flickerscope-written-XXXXXX";
	CLEANUP(fd_close) int fd = mkstemp(path);
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 1000000000 } };
	uint64_t first, same, other;

	CHECK_OR_RETURN(fd >= 0 && open_fixture(&fixture));
	process_table_exec(fixture.table, (uint32_t)getpid(), "test", monotonic_ns());
	write_pages(path, 'a');
	first = map_own(&fixture, path);
	same = map_own(&fixture, path);
	write_pages(path, 'b');
	futimens(fd, times); /* clocks of file systems are coarse */
	other = map_own(&fixture, path);
	CHECK(first != 0 && other != 0);
	CHECK_EQ(same, first);
	CHECK(other != first);
	unlink(path);
}

static void our_own_cgroup_is_told(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct process_cgroup cgroup;
	struct process *process;

	CHECK_OR_RETURN(open_fixture(&fixture));
	process = process_table_find(fixture.table, (uint32_t)getpid(), 0);
	CHECK_OR_RETURN(process);
	cgroup = process_table_cgroup(fixture.table, process, 1);
	CHECK_EQ(cgroup.path[0], '/');
	/* Of a process that is gone, its parent's is kept. */
	process_table_fork(fixture.table, (uint32_t)getpid(), PID, monotonic_ns());
	process_table_exec(fixture.table, PID, "x", monotonic_ns());
	process = process_table_find(fixture.table, PID, 0);
	CHECK_OR_RETURN(process);
	CHECK_STR_EQ(process_table_cgroup(fixture.table, process, 1).path, cgroup.path);
}

/* --- limits and lies ------------------------------------------------------------------------- */

static void processes_are_bounded_and_the_oldest_makes_room(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };

	CHECK_OR_RETURN(open_fixture(&fixture));
	for (uint32_t i = 0; i < PROCESSES_MAX + 10; i++) {
		process_table_exec(fixture.table, PID + i, "x", 100 + i);
		map(&fixture, PID + i, 0x1000, 0x1000, "//anon", 0, 100 + i);
	}
	CHECK_EQ(process_table_counters(fixture.table)->processes, PROCESSES_MAX);
	CHECK_EQ(process_table_counters(fixture.table)->processes_evicted, 10);
	CHECK_STR_EQ(path_at(&fixture, PID + PROCESSES_MAX, 0x1000), "[anon]");
}

static void executables_are_bounded_and_unused_ones_make_room(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };

	CHECK_OR_RETURN(open_fixture(&fixture));
	process_table_exec(fixture.table, PID, "x", 100);
	for (uint64_t i = 1; i < EXECUTABLES_MAX * 2; i++)
		map(&fixture, PID, 0x1000, 0x1000, "/nowhere", i, 100 + i);
	CHECK(process_table_counters(fixture.table)->executables.executables <= EXECUTABLES_MAX);
	CHECK_EQ(process_table_counters(fixture.table)->mappings_refused, 0);
	CHECK_STR_EQ(path_at(&fixture, PID, 0x1000), "/nowhere");
}

static void write_file(const char *folder, const char *name, const char *content)
{
	char path[512];
	CLEANUP(file_close) FILE *file = NULL;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "we");
	if (file)
		fputs(content, file);
}

static void lines_of_maps_that_make_no_sense_cost_only_themselves(void)
{
	char folder[] = "/tmp/test_process_table.XXXXXX", process[64], command[128];
	struct fixture fixture = { 0 };

	CHECK_OR_RETURN(mkdtemp(folder));
	snprintf(process, sizeof(process), "%s/7", folder);
	mkdir(process, 0700);
	write_file(process, "stat", "4000000 (a) S 0 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 4242 9\n");
	write_file(process, "comm", "a rather long name with\nnewline\n");
	write_file(process, "maps", "garbage\n1000-2000 r-xp 0 8:1 77  /bin/fine\n\377\376\n");
	log_set_level(LOG_LEVEL_ERROR);
	if (process_files_new_at(folder, &fixture.files) == 0 &&
	    process_table_new(fixture.files, &fixture.table) == 0) {
		CHECK_STR_EQ(path_at(&fixture, 7, 0x1000), "/bin/fine");
		CHECK_STR_EQ(process_table_find(fixture.table, 7, 0)->comm, "a rather long n");
		CHECK_EQ(process_table_counters(fixture.table)->parse_failed, 1);
	}
	log_set_level(LOG_LEVEL_INFO);
	cleanup_fixture_close(&fixture);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	CHECK_EQ(system(command), 0);
}

static void mappings_that_wrap_or_are_empty_are_left_out(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };

	CHECK_OR_RETURN(open_fixture(&fixture));
	process_table_exec(fixture.table, PID, "x", 100);
	map(&fixture, PID, UINT64_MAX - 10, 100, "/wraps", 1, 110);
	map(&fixture, PID, 0x1000, 0, "/empty", 2, 120);
	CHECK_STR_EQ(path_at(&fixture, PID, UINT64_MAX - 5), "");
	CHECK_STR_EQ(path_at(&fixture, PID, 0x1000), "");
}

TESTS(TEST(an_exec_and_its_mappings_make_a_process),
      TEST(who_follows_changes_is_told_of_those_alone),
      TEST(a_child_has_its_parents_mappings_until_it_execs),
      TEST(a_childs_new_mapping_is_not_its_parents), TEST(a_thread_is_no_process),
      TEST(a_late_exec_keeps_what_is_newer), TEST(a_pid_used_again_does_not_inherit),
      TEST(an_exec_after_the_exit_is_another_process), TEST(the_exited_stay_for_samples_in_flight),
      TEST(comm_is_the_main_threads), TEST(a_generation_changes_with_the_mappings_only),
      TEST(what_is_mapped_over_another_cuts_it),
      TEST(any_order_of_mappings_agrees_with_a_plain_array),
      TEST(mappings_are_bounded_and_refusals_counted), TEST(memory_without_a_file_has_its_kinds),
      TEST(an_older_process_is_read_from_proc), TEST(proc_of_another_start_is_not_taken),
      TEST(reading_again_keeps_to_its_share_of_the_time),
      TEST(mappings_beyond_the_room_for_them_are_not_read),
      TEST(what_found_no_descriptor_is_read_later), TEST(after_lost_events_proc_is_read_again),
      TEST(a_late_exec_keeps_what_proc_told),
      TEST(a_childs_exec_clears_what_its_parent_was_read_with),
      TEST(a_process_whose_main_thread_ended_still_has_maps),
      TEST(a_process_whose_main_thread_ended_stays_with_its_others),
      TEST(a_file_that_was_written_anew_is_another), TEST(our_own_cgroup_is_told),
      TEST(processes_are_bounded_and_the_oldest_makes_room),
      TEST(executables_are_bounded_and_unused_ones_make_room),
      TEST(lines_of_maps_that_make_no_sense_cost_only_themselves),
      TEST(mappings_that_wrap_or_are_empty_are_left_out))
