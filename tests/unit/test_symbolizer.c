/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of real processes to names, through a real worker: this program's own functions, its
 * copies that were deleted, libraries loaded late, perf maps, and files that are broken.
 */
#include "symbolize/symbolizer.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

#include "base/log.h"
#include "base/loop.h"
#include "check.h"
#include "collect/side_band.h"
#include "jit_maker.h"
#include "privileged/perf_events.h"
#include "privileged/process_files.h"
#include "process/proc_maps.h"
#include "process/process_table.h"
#include "worker/worker.h"

#define MS UINT64_C(1000000)

enum {
	PATIENCE_MS = 20000, /* far beyond anything that is measured here */
	LATE_NAMES_MAX = 256,
	NAME_MAX_SIZE = 128,
	PAGE = 4096,
	SHORT_PROCESSES = 20,
};

struct seen_name {
	uint64_t key, canonical_key;
	char name[NAME_MAX_SIZE];
};

struct fixture {
	struct loop *loop;
	struct worker *worker;
	struct worker *debug_worker;
	struct process_files *files;
	struct process_table *table;
	struct symbolizer *symbolizer;
	struct seen_name seen[LATE_NAMES_MAX];
	size_t seen_count;
	uint64_t ahead_ns; /* by which ticks run ahead of the clock */
};

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool open_fixture_with(struct fixture *fixture, size_t bytes_max)
{
	struct symbolizer_options options = { .tables_bytes_max = bytes_max };
	size_t type_count;
	const struct worker_job_type *types = symbolizer_job_types(&type_count);
	size_t debug_count;
	const struct worker_job_type *debug = symbolizer_debug_job_types(&debug_count);

	*fixture = (struct fixture){ 0 };
	if (loop_new(&fixture->loop) < 0 ||
	    worker_new(fixture->loop, types, type_count, &fixture->worker) < 0 ||
	    worker_new(fixture->loop, debug, debug_count, &fixture->debug_worker) < 0 ||
	    process_files_new(&fixture->files) < 0 ||
	    process_table_new(fixture->files, &fixture->table) < 0)
		return false;
	options.worker = fixture->worker;
	options.debug_worker = fixture->debug_worker;
	options.processes = fixture->table;
	options.files = fixture->files;
	if (symbolizer_new(&options, &fixture->symbolizer) < 0)
		return false;
	symbolizer_tick(fixture->symbolizer, monotonic_ns());
	return true;
}

static bool open_fixture(struct fixture *fixture)
{
	return open_fixture_with(fixture, 0);
}

static void cleanup_fixture_close(struct fixture *fixture)
{
	worker_free(fixture->worker);
	worker_free(fixture->debug_worker);
	symbolizer_free(fixture->symbolizer);
	process_table_free(fixture->table);
	process_files_free(fixture->files);
	loop_free(fixture->loop);
}

static void tick(struct fixture *fixture)
{
	struct late_name late;

	symbolizer_tick(fixture->symbolizer, monotonic_ns() + fixture->ahead_ns);
	while (symbolizer_next_late_name(fixture->symbolizer, &late)) {
		struct seen_name *seen = &fixture->seen[fixture->seen_count];

		if (fixture->seen_count == LATE_NAMES_MAX)
			continue;
		fixture->seen_count++;
		seen->key = late.key;
		seen->canonical_key = late.canonical_key;
		snprintf(seen->name, sizeof(seen->name), "%.*s", (int)late.name_size, late.name);
	}
}

static bool has_pending(const struct fixture *fixture)
{
	return worker_pending(fixture->worker) || worker_pending(fixture->debug_worker);
}

/* Until the workers have nothing to do, also after what it did led to more: late names to demangle. */
static void settle(struct fixture *fixture)
{
	uint64_t end_ns = monotonic_ns() + PATIENCE_MS * MS;

	for (int idle_ticks = 0; idle_ticks < 3 && monotonic_ns() < end_ns; idle_ticks++) {
		tick(fixture);
		for (; has_pending(fixture) && monotonic_ns() < end_ns; idle_ticks = 0)
			loop_dispatch(fixture->loop, 100);
	}
	CHECK(!has_pending(fixture));
}

static const struct seen_name *find_seen(const struct fixture *fixture, uint64_t key)
{
	/* The last one counts: a mangled name comes before the demangled one. */
	for (size_t i = fixture->seen_count; i > 0; i--)
		if (fixture->seen[i - 1].key == key)
			return &fixture->seen[i - 1];
	return NULL;
}

static struct frame_description describe(struct fixture *fixture, pid_t pid, uint64_t address)
{
	struct frame_description frame = { 0 };
	struct process *process = process_table_find(fixture->table, (uint32_t)pid, 0);

	if (process)
		CHECK_EQ(symbolizer_user(fixture->symbolizer, process, address, false, &frame, 1),
			 1);
	return frame;
}

/* CPU time in that function. */
static void see(struct fixture *fixture, pid_t pid, uint64_t address, uint64_t cpu_ns)
{
	struct process *process = process_table_find(fixture->table, (uint32_t)pid, 0);

	if (process)
		symbolizer_see(fixture->symbolizer, process, address, cpu_ns);
}

static const char *name_of(const struct frame_description *frame)
{
	static char name[NAME_MAX_SIZE];

	snprintf(name, sizeof(name), "%.*s", (int)frame->name_size, frame->name ? frame->name : "");
	return name;
}

static const char *module_of(const struct frame_description *frame)
{
	static char name[4096];

	snprintf(name, sizeof(name), "%.*s", (int)frame->module_name_size, frame->module_name);
	return name;
}

__attribute__((noinline)) int known_function(int number);
__attribute__((noinline)) int known_function(int number)
{
	__asm__ volatile("" : "+r"(number));
	return number + 1;
}

int mangled_function(int number) __asm__("_ZN5hello5worldEi");
__attribute__((noinline)) int mangled_function(int number)
{
	__asm__ volatile("" : "+r"(number));
	return number + 2;
}

static const uint64_t known = 4; /* bytes into a function: not its start */

static uint64_t known_address(void)
{
	return (uint64_t)(uintptr_t)known_function + known;
}

/* --- programs -------------------------------------------------------------------------------- */

static pid_t start_waiting(const char *program)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (program) {
			execl(program, program, "--wait", NULL);
			_exit(1);
		}
		close(ready[0]);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	while (read(ready[0], &byte, 1) < 0 && errno == EINTR)
		;
	close(ready[0]);
	return pid;
}

static void end(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Copies this program over what is at @path. */
static bool copy_program(const char *path)
{
	char own[PAGE] = "", command[2 * PAGE];

	if (readlink("/proc/self/exe", own, sizeof(own) - 1) < 0)
		return false;
	snprintf(command, sizeof(command), "cp '%s' '%s'", own, path);
	return system(command) == 0 && chmod(path, 0700) == 0;
}

/* Reads the executable mapping of @pid that holds @offset of the file at @path (a prefix). */
static bool find_mapping(pid_t pid, const char *path, struct proc_maps_row *ret_row)
{
	static char text[1 << 20];
	char name[64];
	CLEANUP(file_close) FILE *file = NULL;
	struct bytes_reader reader;
	struct proc_maps_row row;
	int r;

	snprintf(name, sizeof(name), "/proc/%d/maps", pid);
	file = fopen(name, "re");
	if (!file)
		return false;
	reader = bytes_reader_of(text, fread(text, 1, sizeof(text), file));
	while ((r = proc_maps_next(&reader, &row)) != PROC_MAPS_END) {
		if (r != 0 || !row.executable || row.path_size < strlen(path) ||
		    memcmp(row.path, path, strlen(path)) != 0)
			continue;
		*ret_row = row;
		return true;
	}
	return false;
}

/* The offset of known_function in this program's file. */
static uint64_t known_offset(void)
{
	char own[4096] = "";
	struct proc_maps_row row = { 0 };

	if (readlink("/proc/self/exe", own, sizeof(own) - 1) < 0 ||
	    !find_mapping(getpid(), own, &row))
		return 0;
	return known_address() - row.start + row.file_offset;
}

/* --- tests ----------------------------------------------------------------------------------- */

static void a_function_gets_its_name_late_and_then_at_once(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct frame_description frame;
	const struct seen_name *seen;
	uint64_t provisional_key, generation;
	pid_t pid = start_waiting(NULL);

	CHECK_OR_RETURN(pid > 0 && open_fixture(&fixture));
	generation = symbolizer_generation(fixture.symbolizer);
	frame = describe(&fixture, pid, known_address());
	CHECK(frame.provisional);
	CHECK(!frame.name);
	CHECK_EQ(frame.kind, WIRE_FRAME_PROGRAM);
	CHECK_EQ(frame.module_kind, WIRE_MODULE_FILE);
	CHECK_EQ(frame.start, known_offset());
	CHECK(strstr(module_of(&frame), "test_symbolizer") != NULL);
	provisional_key = frame.function_key;
	CHECK_EQ(describe(&fixture, pid, known_address()).function_key, provisional_key);
	settle(&fixture);
	CHECK(symbolizer_generation(fixture.symbolizer) != generation);
	frame = describe(&fixture, pid, known_address());
	CHECK(!frame.provisional);
	CHECK_STR_EQ(name_of(&frame), "known_function");
	CHECK_EQ(frame.start, known_offset() - known);
	seen = find_seen(&fixture, provisional_key);
	CHECK_OR_RETURN(seen);
	CHECK_STR_EQ(seen->name, "known_function");
	CHECK_EQ(seen->canonical_key, frame.function_key);
	CHECK_EQ(symbolizer_counters(fixture.symbolizer)->tables, 1);
	/* Every address of a function has its key. */
	CHECK_EQ(describe(&fixture, pid, known_address() - known).function_key, frame.function_key);
	CHECK(describe(&fixture, pid, (uint64_t)(uintptr_t)start_waiting).function_key !=
	      frame.function_key);
	end(pid);
}

static void a_function_has_its_place_in_the_source_when_that_was_read(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct frame_description frame;
	uint64_t generation;
	pid_t pid = start_waiting(NULL);

	CHECK_OR_RETURN(pid > 0 && open_fixture(&fixture));
	frame = describe(&fixture, pid, known_address());
	CHECK(!frame.file);
	settle(&fixture);
	/* It would cost more than what has run in it so far. */
	frame = describe(&fixture, pid, known_address());
	CHECK(!frame.file);
	generation = symbolizer_generation(fixture.symbolizer);
	see(&fixture, pid, known_address(), 10000 * MS);
	settle(&fixture);
	CHECK(symbolizer_generation(fixture.symbolizer) != generation);
	frame = describe(&fixture, pid, known_address());
	CHECK_OR_RETURN(frame.file);
	CHECK_EQ(frame.file_size, strlen("unit/test_symbolizer.c"));
	CHECK(memcmp(frame.file, "unit/test_symbolizer.c", frame.file_size) == 0);
	CHECK(frame.line > 0);
	CHECK_EQ(symbolizer_counters(fixture.symbolizer)->lined_files, 1);
	end(pid);
}

static void a_return_address_belongs_to_the_call_before_it(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	uint64_t start = (uint64_t)(uintptr_t)known_function;
	struct frame_description leaf, caller;
	struct process *process;

	CHECK_OR_RETURN(open_fixture(&fixture));
	describe(&fixture, getpid(), start);
	settle(&fixture);
	process = process_table_find(fixture.table, (uint32_t)getpid(), 0);
	CHECK_OR_RETURN(process);
	symbolizer_user(fixture.symbolizer, process, start, false, &leaf, 1);
	symbolizer_user(fixture.symbolizer, process, start, true, &caller, 1);
	CHECK_STR_EQ(name_of(&leaf), "known_function");
	CHECK(caller.function_key != leaf.function_key);
	CHECK(strcmp(name_of(&caller), "known_function") != 0);
}

static void a_deleted_program_keeps_its_names(void)
{
	char copy[] = "/tmp/test_symbolizer.XXXXXX";
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct frame_description frame;
	struct proc_maps_row row;
	uint64_t address;
	int fd = mkstemp(copy);
	pid_t pid;

	CHECK_OR_RETURN(fd >= 0 && close(fd) == 0);
	CHECK_OR_RETURN(copy_program(copy));
	pid = start_waiting(copy);
	CHECK_EQ(unlink(copy), 0);
	CHECK_OR_RETURN(pid > 0 && open_fixture(&fixture));
	CHECK_OR_RETURN(find_mapping(pid, copy, &row));
	address = known_offset() - row.file_offset + row.start;
	frame = describe(&fixture, pid, address);
	CHECK(frame.provisional);
	CHECK_STR_EQ(module_of(&frame), copy);
	settle(&fixture);
	frame = describe(&fixture, pid, address);
	CHECK_STR_EQ(name_of(&frame), "known_function");
	CHECK_EQ(frame.kind, WIRE_FRAME_PROGRAM);
	end(pid);
}

static void map_generation_by_event(struct fixture *fixture, pid_t pid,
				    const struct proc_maps_row *row, const char *path,
				    uint64_t generation)
{
	const struct process_mmap event = {
		.time_ns = monotonic_ns(),
		.pid = (uint32_t)pid,
		.tid = (uint32_t)pid,
		.address = row->start,
		.length = row->end - row->start,
		.file_offset = row->file_offset,
		.identity = { .inode = row->inode,
			      .inode_generation = generation,
			      .device_major = row->device_major,
			      .device_minor = row->device_minor },
		.path = path,
		.executable = true,
	};

	process_table_mmap(fixture->table, &event);
}

static void map_by_event(struct fixture *fixture, pid_t pid, const struct proc_maps_row *row,
			 const char *path)
{
	map_generation_by_event(fixture, pid, row, path, 1);
}

static void a_library_loaded_later_is_named(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct frame_description frame;
	struct proc_maps_row row;
	char path[4096];
	void *library, *function;
	Dl_info info;

	CHECK_OR_RETURN(open_fixture(&fixture));
	describe(&fixture, getpid(), known_address());
	library = dlopen("libBrokenLocale.so.1", RTLD_NOW);
	function = library ? dlsym(library, "__ctype_get_mb_cur_max") : NULL;
	if (!function)
		SKIP("there is no library that this program has not loaded already");
	CHECK_OR_RETURN(dladdr(function, &info) && realpath(info.dli_fname, path));
	CHECK_OR_RETURN(find_mapping(getpid(), path, &row));
	frame = describe(&fixture, getpid(), (uint64_t)(uintptr_t)function);
	CHECK_EQ(frame.kind, WIRE_FRAME_UNRESOLVED); /* nobody told yet */
	CHECK_STR_EQ(name_of(&frame), "[no mapping]");
	map_by_event(&fixture, getpid(), &row, path);
	frame = describe(&fixture, getpid(), (uint64_t)(uintptr_t)function);
	CHECK_EQ(frame.kind, WIRE_FRAME_LIBRARY);
	settle(&fixture);
	frame = describe(&fixture, getpid(), (uint64_t)(uintptr_t)function);
	CHECK_STR_EQ(name_of(&frame), "__ctype_get_mb_cur_max");
	dlclose(library);
}

static void a_mangled_name_is_demangled_late_and_then_at_once(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	uint64_t address = (uint64_t)(uintptr_t)mangled_function;
	struct frame_description frame;
	const struct seen_name *seen;
	uint64_t key;

	CHECK_OR_RETURN(open_fixture(&fixture));
	key = describe(&fixture, getpid(), address).function_key;
	settle(&fixture);
	frame = describe(&fixture, getpid(), address);
	CHECK_STR_EQ(name_of(&frame), "hello::world(int)");
	CHECK(!frame.provisional);
	seen = find_seen(&fixture, key);
	CHECK_OR_RETURN(seen);
	seen = find_seen(&fixture, seen->canonical_key);
	CHECK_OR_RETURN(seen);
	CHECK_STR_EQ(seen->name, "hello::world(int)");
	CHECK_EQ(seen->canonical_key, frame.function_key);
	CHECK_EQ(symbolizer_counters(fixture.symbolizer)->demangled, 1);
}

static void the_vdso_has_names(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	uint64_t vdso = getauxval(AT_SYSINFO_EHDR);
	struct frame_description frame;
	int named = 0;

	if (!vdso)
		SKIP("there is no vDSO");
	CHECK_OR_RETURN(open_fixture(&fixture));
	frame = describe(&fixture, getpid(), vdso);
	CHECK_EQ(frame.module_kind, WIRE_MODULE_VDSO);
	CHECK_EQ(frame.kind, WIRE_FRAME_LIBRARY);
	CHECK_STR_EQ(module_of(&frame), "[vdso]");
	settle(&fixture);
	for (uint64_t offset = 0; offset < PAGE; offset += 16) {
		frame = describe(&fixture, getpid(), vdso + offset);
		named += frame.name && strstr(name_of(&frame), "vdso") != NULL;
	}
	CHECK(named > 0);
}

static void nothing_mapped_is_unresolved(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct frame_description first, second;

	CHECK_OR_RETURN(open_fixture(&fixture));
	first = describe(&fixture, getpid(), 0x10);
	second = describe(&fixture, getpid(), 0x2000);
	CHECK_EQ(first.kind, WIRE_FRAME_UNRESOLVED);
	CHECK_EQ(first.module_kind, WIRE_MODULE_UNKNOWN);
	CHECK_EQ(first.function_key, second.function_key);
	CHECK_EQ(symbolizer_counters(fixture.symbolizer)->frames_no_module, 2);
}

/* Maps @path for execution in this process; NULL when that is not possible. */
static void *map_file(const char *path)
{
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *memory = fd < 0 ? MAP_FAILED
			      : mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void a_malformed_file_costs_its_own_names_only(void)
{
	char path[] = "/tmp/test_symbolizer.XXXXXX";
	char page[PAGE] = "\177ELF\2\1\1";
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct frame_description frame;
	int fd = mkstemp(path);
	void *memory;

	CHECK_OR_RETURN(fd >= 0 && write(fd, page, sizeof(page)) == PAGE && close(fd) == 0);
	memory = map_file(path);
	CHECK_OR_RETURN(memory && open_fixture(&fixture));
	log_set_level(LOG_LEVEL_ERROR);
	frame = describe(&fixture, getpid(), (uint64_t)(uintptr_t)memory + 16);
	CHECK(frame.provisional);
	describe(&fixture, getpid(), known_address());
	settle(&fixture);
	log_set_level(LOG_LEVEL_INFO);
	frame = describe(&fixture, getpid(), (uint64_t)(uintptr_t)memory + 16);
	CHECK(!frame.provisional);
	CHECK(!frame.name);
	CHECK_EQ(frame.start, 16);
	CHECK_STR_EQ(module_of(&frame), path);
	CHECK_EQ(symbolizer_counters(fixture.symbolizer)->parse_failed, 1);
	frame = describe(&fixture, getpid(), known_address());
	CHECK_STR_EQ(name_of(&frame), "known_function");
	/* It is not tried again. */
	settle(&fixture);
	describe(&fixture, getpid(), (uint64_t)(uintptr_t)memory + 16);
	CHECK_EQ(worker_pending(fixture.worker), 0);
	munmap(memory, PAGE);
	unlink(path);
}

/* Cuts and mends a file without a rest. */
static pid_t start_shaking(const char *path)
{
	pid_t pid = fork();

	if (pid == 0) {
		CLEANUP(memory_free) char *bytes = malloc(64 << 20);
		int fd = open(path, O_RDWR | O_CLOEXEC);
		ssize_t size = read(fd, bytes, 64 << 20);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (fd >= 0 && size > 0)
			if (ftruncate(fd, size / 3) < 0 || ftruncate(fd, 0) < 0 ||
			    pwrite(fd, bytes, (size_t)size, 0) < 0)
				break;
		_exit(1);
	}
	return pid;
}

static void a_file_that_shrinks_while_it_is_read_costs_its_own_names_only(void)
{
	char path[] = "/tmp/test_symbolizer.XXXXXX";
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct frame_description frame;
	int fd = mkstemp(path);
	void *memory[20];
	pid_t shaker;

	CHECK_OR_RETURN(fd >= 0 && close(fd) == 0 && copy_program(path));
	CHECK_OR_RETURN(open_fixture(&fixture));
	shaker = start_shaking(path);
	log_set_level(LOG_LEVEL_ERROR);
	/* Each time as another file, so that it is read again. */
	for (size_t i = 0; i < ARRAY_SIZE(memory); i++) {
		struct proc_maps_row row = { 0 };

		memory[i] = map_file(path);
		CHECK_OR_RETURN(memory[i] && find_mapping(getpid(), path, &row));
		row.start = (uint64_t)(uintptr_t)memory[i];
		row.end = row.start + PAGE;
		fixture.ahead_ns += 2000 * MS;
		map_generation_by_event(&fixture, getpid(), &row, path, i + 1);
		frame = describe(&fixture, getpid(), row.start + 16);
		CHECK(frame.provisional);
		settle(&fixture);
	}
	end(shaker);
	frame = describe(&fixture, getpid(), known_address());
	settle(&fixture);
	log_set_level(LOG_LEVEL_INFO);
	frame = describe(&fixture, getpid(), known_address());
	CHECK_STR_EQ(name_of(&frame), "known_function");
	printf("# %llu tables, %llu files not read\n",
	       (unsigned long long)symbolizer_counters(fixture.symbolizer)->tables_built,
	       (unsigned long long)symbolizer_counters(fixture.symbolizer)->parse_failed);
	for (size_t i = 0; i < ARRAY_SIZE(memory); i++)
		munmap(memory[i], PAGE);
	unlink(path);
}

/* The page of a copy of this program that holds known_function. */
static void *map_known_page(const char *path)
{
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *memory = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd,
			    (off_t)(known_offset() & ~(uint64_t)(PAGE - 1)));

	return memory == MAP_FAILED ? NULL : memory;
}

static void a_file_that_was_written_over_is_read_again(void)
{
	char path[] = "/tmp/test_symbolizer.XXXXXX";
	char page[PAGE] = "\177ELF\2\1\1";
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct frame_description frame;
	struct proc_maps_row row;
	int fd = mkstemp(path);
	void *memory, *again;
	uint64_t address;

	CHECK_OR_RETURN(fd >= 0 && write(fd, page, sizeof(page)) == PAGE && close(fd) == 0);
	memory = map_file(path);
	CHECK_OR_RETURN(memory && open_fixture(&fixture));
	log_set_level(LOG_LEVEL_ERROR);
	CHECK_OR_RETURN(find_mapping(getpid(), path, &row));
	describe(&fixture, getpid(), 0x10); /* reads /proc */
	map_by_event(&fixture, getpid(), &row, path);
	frame = describe(&fixture, getpid(), (uint64_t)(uintptr_t)memory);
	settle(&fixture);
	log_set_level(LOG_LEVEL_INFO);
	CHECK_EQ(symbolizer_counters(fixture.symbolizer)->parse_failed, 1);
	CHECK_OR_RETURN(copy_program(path));
	again = map_known_page(path);
	CHECK_OR_RETURN(again);
	row.start = (uint64_t)(uintptr_t)again;
	row.end = row.start + PAGE;
	row.file_offset = known_offset() & ~(uint64_t)(PAGE - 1);
	map_by_event(&fixture, getpid(), &row, path);
	fixture.ahead_ns = 3000 * MS;
	tick(&fixture);
	address = row.start + known_offset() % PAGE;
	frame = describe(&fixture, getpid(), address);
	CHECK(frame.provisional);
	settle(&fixture);
	frame = describe(&fixture, getpid(), address);
	CHECK_STR_EQ(name_of(&frame), "known_function");
	munmap(memory, PAGE);
	munmap(again, PAGE);
	unlink(path);
}

/* Writes another text of the same length in the place of each @from of a file, and hides the time of it. */
static bool replace_in_file(const char *path, const char *from, const char *to)
{
	CLEANUP(fd_close) int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat status;
	char *bytes, *at;

	if (fd < 0 || fstat(fd, &status) < 0)
		return false;
	bytes = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return false;
	at = bytes;
	while ((at = memmem(at, (size_t)(bytes + status.st_size - at), from, strlen(from)))) {
		if (pwrite(fd, to, strlen(to), at - bytes) != (ssize_t)strlen(to))
			break;
		at += strlen(from);
	}
	munmap(bytes, (size_t)status.st_size);
	return !at && futimens(fd, (struct timespec[]){ status.st_atim, status.st_mtim }) == 0;
}

/*
 * The worker has its descriptor already when the file is written over, and gets to see what was never
 * mapped; then all is as before again, the time of writing too.
 */
static void what_was_read_of_a_file_that_changed_meanwhile_is_dropped(void)
{
	const struct timespec until_it_is_read = { .tv_nsec = 200 * MS };
	char path[] = "/tmp/test_symbolizer.XXXXXX";
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct frame_description frame;
	const struct seen_name *seen;
	uint64_t address, key;
	int fd = mkstemp(path);
	void *memory;

	CHECK_OR_RETURN(fd >= 0 && close(fd) == 0 && copy_program(path));
	memory = map_known_page(path);
	CHECK_OR_RETURN(memory && open_fixture(&fixture));
	settle(&fixture);
	address = (uint64_t)(uintptr_t)memory + known_offset() % PAGE;
	frame = describe(&fixture, getpid(), address);
	CHECK(frame.provisional);
	key = frame.function_key;
	CHECK_EQ(worker_pending(fixture.worker) > 0, true);
	CHECK_OR_RETURN(replace_in_file(path, "known_function", "other_function"));
	loop_dispatch(fixture.loop, 100); /* sends it */
	nanosleep(&until_it_is_read, NULL);
	CHECK_OR_RETURN(replace_in_file(path, "other_function", "known_function"));
	settle(&fixture);
	fixture.ahead_ns += 1000 * MS; /* the pause before the next try */
	settle(&fixture);
	frame = describe(&fixture, getpid(), address);
	CHECK_STR_EQ(name_of(&frame), "known_function");
	seen = find_seen(&fixture, key);
	CHECK_OR_RETURN(seen);
	CHECK_STR_EQ(seen->name, "known_function");
	CHECK(symbolizer_counters(fixture.symbolizer)->changed > 0);
	munmap(memory, PAGE);
	unlink(path);
}

static void a_table_too_large_for_the_memory_is_left_out(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct frame_description frame;

	CHECK_OR_RETURN(open_fixture_with(&fixture, 4096));
	log_set_level(LOG_LEVEL_ERROR);
	describe(&fixture, getpid(), known_address());
	settle(&fixture);
	log_set_level(LOG_LEVEL_INFO);
	frame = describe(&fixture, getpid(), known_address());
	CHECK(!frame.name);
	CHECK(!frame.provisional);
	CHECK_EQ(symbolizer_counters(fixture.symbolizer)->tables_bytes, 0);
}

static void tables_make_room_for_each_other(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	const struct symbolizer_counters *counters;
	uint64_t library = (uint64_t)(uintptr_t)getauxval, bytes;
	struct frame_description frame;

	CHECK_OR_RETURN(open_fixture(&fixture));
	describe(&fixture, getpid(), known_address());
	describe(&fixture, getpid(), library);
	settle(&fixture);
	counters = symbolizer_counters(fixture.symbolizer);
	CHECK_EQ(counters->tables, 2);
	bytes = counters->tables_bytes;
	cleanup_fixture_close(&fixture);
	/* Not quite enough for both: the other half is for perf maps and lines. */
	CHECK_OR_RETURN(open_fixture_with(&fixture, 2 * (bytes - 2)));
	describe(&fixture, getpid(), known_address());
	settle(&fixture);
	describe(&fixture, getpid(), library);
	settle(&fixture);
	counters = symbolizer_counters(fixture.symbolizer);
	CHECK_EQ(counters->tables, 1);
	CHECK_EQ(counters->tables_evicted, 1);
	CHECK(counters->tables_bytes < bytes);
	frame = describe(&fixture, getpid(), library);
	CHECK(frame.name != NULL);
}

static void a_killed_worker_costs_time_only(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	struct frame_description frame;

	CHECK_OR_RETURN(open_fixture(&fixture));
	for (int tries = 0; !worker_pid(fixture.worker) && tries < PATIENCE_MS / 100; tries++)
		loop_dispatch(fixture.loop, 100);
	CHECK_OR_RETURN(worker_pid(fixture.worker) > 0);
	describe(&fixture, getpid(), known_address());
	log_set_level(LOG_LEVEL_ERROR);
	kill(worker_pid(fixture.worker), SIGKILL);
	settle(&fixture);
	/* Nobody has to ask again. */
	fixture.ahead_ns = 1000 * MS;
	settle(&fixture);
	log_set_level(LOG_LEVEL_INFO);
	CHECK_EQ(symbolizer_counters(fixture.symbolizer)->tables, 1);
	frame = describe(&fixture, getpid(), known_address());
	CHECK_STR_EQ(name_of(&frame), "known_function");
}

static void a_file_found_by_its_path_must_have_the_build_id(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	const uint32_t gone = 4000000;
	struct process_mmap event = {
		.time_ns = monotonic_ns(),
		.pid = gone,
		.tid = gone,
		.address = 0x10000,
		.length = 0x1000,
		.identity = { .build_id = { 1, 2, 3 }, .build_id_size = 20 },
		.path = "/usr/bin/true",
		.executable = true,
	};
	struct frame_description frame;

	CHECK_OR_RETURN(open_fixture(&fixture));
	process_table_exec(fixture.table, gone, "true", monotonic_ns());
	process_table_mmap(fixture.table, &event);
	frame = describe(&fixture, (pid_t)gone, 0x10010);
	CHECK(frame.provisional);
	settle(&fixture);
	CHECK_EQ(symbolizer_counters(fixture.symbolizer)->tables, 0);
	CHECK_EQ(symbolizer_counters(fixture.symbolizer)->open_failed, 1);
	CHECK(!describe(&fixture, (pid_t)gone, 0x10010).name);
}

/* --- perf maps ------------------------------------------------------------------------------- */

static void append(const char *path, const char *text)
{
	CLEANUP(file_close) FILE *file = fopen(path, "ae");

	if (file)
		fputs(text, file);
}

static void code_made_at_run_time_is_named_by_the_perf_map(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	uint8_t *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t start = (uint64_t)(uintptr_t)code;
	struct frame_description frame;
	const struct seen_name *seen;
	char path[64], line[128];
	uint64_t provisional_key;

	CHECK_OR_RETURN(code != MAP_FAILED && open_fixture(&fixture));
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	unlink(path);
	/* Nobody has looked yet. */
	frame = describe(&fixture, getpid(), start + 0x11);
	CHECK(frame.provisional);
	provisional_key = frame.function_key;
	settle(&fixture);
	/* Nobody names it: one stable name for all of it. */
	seen = find_seen(&fixture, provisional_key);
	CHECK_OR_RETURN(seen);
	CHECK_STR_EQ(seen->name, "[anon]");
	frame = describe(&fixture, getpid(), start + 0x11);
	CHECK_STR_EQ(name_of(&frame), "[anon]");
	CHECK_EQ(frame.kind, WIRE_FRAME_UNRESOLVED);
	CHECK_EQ(frame.function_key, describe(&fixture, getpid(), start + 0x800).function_key);
	/* Then a map appears. */
	snprintf(line, sizeof(line), "%llx 20 LazyCompile:*add\n",
		 (unsigned long long)start + 0x10);
	append(path, line);
	fixture.ahead_ns = 4000 * MS;
	tick(&fixture);
	settle(&fixture);
	frame = describe(&fixture, getpid(), start + 0x11);
	CHECK_STR_EQ(name_of(&frame), "add");
	CHECK_EQ(frame.kind, WIRE_FRAME_JIT);
	CHECK_EQ(frame.module_kind, WIRE_MODULE_JIT);
	/* A function that is made later waits for the next look at the file. */
	snprintf(line, sizeof(line), "%llx 20 LazyCompile:*mul\n",
		 (unsigned long long)start + 0x40);
	append(path, line);
	frame = describe(&fixture, getpid(), start + 0x41);
	CHECK(frame.provisional);
	provisional_key = frame.function_key;
	fixture.ahead_ns += 4000 * MS;
	settle(&fixture);
	seen = find_seen(&fixture, provisional_key);
	CHECK_OR_RETURN(seen);
	CHECK_STR_EQ(seen->name, "mul");
	CHECK_EQ(seen->canonical_key, describe(&fixture, getpid(), start + 0x41).function_key);
	CHECK_EQ(symbolizer_counters(fixture.symbolizer)->perf_map_reads, 2);
	unlink(path);
	munmap(code, PAGE);
}

static void a_perf_map_of_a_stranger_is_refused(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	uint8_t *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t start = (uint64_t)(uintptr_t)code;
	struct frame_description frame;
	char path[64], line[128];

	CHECK_OR_RETURN(code != MAP_FAILED && open_fixture(&fixture));
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	snprintf(line, sizeof(line), "%llx 1000 planted\n", (unsigned long long)start);
	append(path, line);
	CHECK_EQ(chown(path, 12345, 12345), 0);
	log_set_level(LOG_LEVEL_ERROR);
	describe(&fixture, getpid(), start);
	settle(&fixture);
	log_set_level(LOG_LEVEL_INFO);
	frame = describe(&fixture, getpid(), start);
	CHECK_STR_EQ(name_of(&frame), "[anon]");
	CHECK_EQ(symbolizer_counters(fixture.symbolizer)->perf_map_reads, 0);
	CHECK_EQ(symbolizer_counters(fixture.symbolizer)->parse_failed, 1);
	unlink(path);
	munmap(code, PAGE);
}

/* A jitdump as this program maps it, and the code that it tells of. */
static void code_is_named_by_the_jitdump_that_its_process_maps(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	CLEANUP(fd_close) int fd = -1;
	CLEANUP(bytes_writer_free) struct bytes_writer dump = bytes_writer_with_max(1 << 20);
	uint8_t *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t start = (uint64_t)(uintptr_t)code, between_ns, old_key, key;
	const struct seen_name *seen;
	struct frame_description frame;
	char path[64];
	void *marker;

	CHECK_OR_RETURN(code != MAP_FAILED && open_fixture(&fixture));
	snprintf(path, sizeof(path), "/tmp/jit-%d.dump", getpid());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK_OR_RETURN(fd >= 0);
	marker = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	CHECK_OR_RETURN(marker != MAP_FAILED);
	unlink(path);
	jit_maker_header(&dump, 0);
	jit_maker_load(&dump, monotonic_ns(), start, 0x20, "first");
	CHECK_EQ(write(fd, dump.bytes, dump.size), (ssize_t)dump.size);
	describe(&fixture, getpid(), start);
	settle(&fixture);
	frame = describe(&fixture, getpid(), start);
	CHECK_STR_EQ(name_of(&frame), "first");
	CHECK(!frame.provisional);
	/* Other code at the same place: what ran before keeps its name, what runs now waits. */
	bytes_writer_clear(&dump);
	between_ns = monotonic_ns();
	jit_maker_load(&dump, between_ns + 1, start, 0x20, "second");
	CHECK_EQ(write(fd, dump.bytes, dump.size), (ssize_t)dump.size);
	symbolizer_set_time(fixture.symbolizer, between_ns);
	frame = describe(&fixture, getpid(), start);
	CHECK(frame.provisional);
	old_key = frame.function_key;
	symbolizer_set_time(fixture.symbolizer, between_ns + 2);
	frame = describe(&fixture, getpid(), start);
	CHECK(frame.provisional);
	key = frame.function_key;
	fixture.ahead_ns = 1000 * MS;
	settle(&fixture);
	seen = find_seen(&fixture, old_key);
	CHECK_OR_RETURN(seen);
	CHECK_STR_EQ(seen->name, "first");
	seen = find_seen(&fixture, key);
	CHECK_OR_RETURN(seen);
	CHECK_STR_EQ(seen->name, "second");
	symbolizer_set_time(fixture.symbolizer, between_ns);
	frame = describe(&fixture, getpid(), start);
	CHECK_STR_EQ(name_of(&frame), "first");
	symbolizer_set_time(fixture.symbolizer, between_ns + 2);
	frame = describe(&fixture, getpid(), start);
	CHECK_STR_EQ(name_of(&frame), "second");
	munmap(marker, PAGE);
	munmap(code, PAGE);
}

/* --- processes that are gone before anybody looks -------------------------------------------- */

static void pass_event(struct fixture *fixture, const struct side_band_event *event)
{
	struct process_mmap mmap = {
		.time_ns = event->time_ns,
		.pid = event->pid,
		.tid = event->tid,
		.address = event->mapping.address,
		.length = event->mapping.length,
		.file_offset = event->mapping.file_offset,
		.identity = { .inode = event->mapping.inode,
			      .inode_generation = event->mapping.inode_generation,
			      .device_major = event->mapping.device_major,
			      .device_minor = event->mapping.device_minor,
			      .build_id_size = event->mapping.build_id_size },
		.path = event->name,
		.executable = event->mapping.executable,
	};

	memcpy(mmap.identity.build_id, event->mapping.build_id, sizeof(mmap.identity.build_id));
	if (event->kind == SIDE_BAND_FORK)
		process_table_fork(fixture->table, event->parent_pid, event->pid, event->time_ns);
	else if (event->kind == SIDE_BAND_EXEC)
		process_table_exec(fixture->table, event->pid, event->name, event->time_ns);
	else if (event->kind == SIDE_BAND_MMAP)
		process_table_mmap(fixture->table, &mmap);
	else if (event->kind == SIDE_BAND_EXIT)
		process_table_exit(fixture->table, event->pid, event->tid, event->time_ns);
}

/* A program that ends at once, at a path that nobody has executed before. */
static pid_t run_short(const char *path, char *const arguments[])
{
	pid_t pid = fork();

	if (pid == 0) {
		execv(path, arguments);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	return pid;
}

static void short_processes_get_their_names_from_the_kernels_events(void)
{
	char path[] = "/tmp/test_symbolizer.XXXXXX";
	char *const arguments[] = { path, (char *)"--end", NULL };
	CLEANUP(fixture_close) struct fixture fixture = { 0 };
	CLEANUP(side_band_free) struct side_band *side_band = NULL;
	const uint32_t cpu_count = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	pid_t pids[SHORT_PROCESSES];
	int fd = mkstemp(path), named = 0, programs = 0;

	CHECK_OR_RETURN(fd >= 0 && close(fd) == 0);
	CHECK_OR_RETURN(copy_program(path));
	CHECK_OR_RETURN(open_fixture(&fixture));
	CHECK_OR_RETURN(side_band_new(&side_band) == 0);
	for (uint32_t cpu = 0; cpu < cpu_count; cpu++) {
		struct perf_cpu_events events;

		if (perf_events_open(cpu, 0, &events) < 0)
			SKIP("no perf events here");
		CHECK_OR_RETURN(side_band_add_cpu(side_band, cpu, events.process_fd) == 0);
	}
	for (int i = 0; i < SHORT_PROCESSES; i++) {
		pids[i] = run_short(path, arguments);
		/* It has ended before the first of its events is looked at. Those of all others here are
		 * in the same rings, which would not hold them for twenty processes on a busy machine. */
		side_band_gather(side_band);
		while (side_band_next_time(side_band) != UINT64_MAX)
			pass_event(&fixture, side_band_pop(side_band));
	}
	for (int round = 0; round < 2; round++) {
		named = programs = 0;
		for (int i = 0; i < SHORT_PROCESSES; i++) {
			struct process *process =
				process_table_find(fixture.table, (uint32_t)pids[i], 0);
			const struct mapping *rows;
			uint32_t count;

			rows = process ? mapping_table_rows(process->mappings, &count) : NULL;
			for (uint32_t m = 0; rows && m < count; m++) {
				uint64_t address =
					known_offset() - rows[m].file_offset + rows[m].start;
				struct frame_description frame;

				if (!rows[m].is_main_executable || address < rows[m].start ||
				    address >= rows[m].end)
					continue;
				frame = describe(&fixture, pids[i], address);
				programs += frame.kind == WIRE_FRAME_PROGRAM;
				named += strcmp(name_of(&frame), "known_function") == 0;
			}
		}
		settle(&fixture);
	}
	CHECK_EQ(programs, SHORT_PROCESSES);
	CHECK_EQ(named, SHORT_PROCESSES);
	unlink(path);
}

/* The program is also one of its own subjects. */
static void __attribute__((constructor)) be_a_subject(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--end") == 0)
		_exit(0);
	if (argc > 1 && strcmp(argv[1], "--wait") == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
}

TESTS(TEST(a_function_gets_its_name_late_and_then_at_once),
      TEST(a_function_has_its_place_in_the_source_when_that_was_read),
      TEST(a_return_address_belongs_to_the_call_before_it), TEST(a_deleted_program_keeps_its_names),
      TEST(a_library_loaded_later_is_named),
      TEST(a_mangled_name_is_demangled_late_and_then_at_once), TEST(the_vdso_has_names),
      TEST(nothing_mapped_is_unresolved), TEST(a_malformed_file_costs_its_own_names_only),
      TEST(a_file_that_shrinks_while_it_is_read_costs_its_own_names_only),
      TEST(a_file_that_was_written_over_is_read_again),
      TEST(what_was_read_of_a_file_that_changed_meanwhile_is_dropped),
      TEST(a_table_too_large_for_the_memory_is_left_out), TEST(tables_make_room_for_each_other),
      TEST(a_killed_worker_costs_time_only), TEST(a_file_found_by_its_path_must_have_the_build_id),
      TEST(code_made_at_run_time_is_named_by_the_perf_map),
      TEST(a_perf_map_of_a_stranger_is_refused),
      TEST(code_is_named_by_the_jitdump_that_its_process_maps),
      TEST(short_processes_get_their_names_from_the_kernels_events))
