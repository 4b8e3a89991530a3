/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search for a debug file by its link, through a real worker whose jobs end as they are told to before they
 * do what they are there for.
 */
#include "symbolize/debug_files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "base/loop.h"
#include "check.h"
#include "elf_maker.h"
#include "privileged/process_files.h"
#include "process/executable_table.h"
#include "symbolize/symbol_jobs.h"
#include "worker/worker.h"

enum {
	PATIENCE_MS = 20000, /* far beyond anything that is measured here */
	ENDS_MAX = 8,
	CRASH = 1, /* in place of an error */
};

/* How often a job was run, and how its first runs end: shared with the worker. */
struct script {
	uint32_t runs;
	int ends[ENDS_MAX]; /* 0: as they do */
};

static struct script *reference, *check; /* of either job */

static int next_end(struct script *script)
{
	uint32_t run = __atomic_fetch_add(&script->runs, 1, __ATOMIC_RELAXED);

	if (run < ENDS_MAX && script->ends[run] == CRASH)
		raise(SIGKILL);
	return run < ENDS_MAX ? script->ends[run] : 0;
}

static int run_reference(int fd, struct bytes_reader argument, struct bytes_writer *ret_result)
{
	int end = next_end(reference);

	return end ? end : debug_reference_job(fd, argument, ret_result);
}

static int run_check(int fd, int debug_fd, struct bytes_reader argument,
		     struct bytes_writer *ret_result)
{
	int end = next_end(check);

	return end ? end : debug_file_check_job(fd, debug_fd, argument, ret_result);
}

static const struct worker_job_type types[SYMBOL_JOB_COUNT] = {
	[0] = { .process_name = "flicker-test" },
	[SYMBOL_JOB_DEBUG_REFERENCE] = { .name = "reference",
					 .time_limit_ms = PATIENCE_MS,
					 .run = run_reference },
	[SYMBOL_JOB_CHECK_DEBUG_FILE] = { .name = "check",
					  .time_limit_ms = PATIENCE_MS,
					  .run_pair = run_check },
};

struct fixture {
	char folder[64];
	char path[96], debug_path[96];
	struct loop *loop;
	struct worker *worker;
	struct process_files *files;
	struct debug_files *debug_files;
	int fd;
	uint64_t now_ns; /* as ticks tell it */
	uint32_t answers;
	bool has_file; /* by the last one */
};

static void add_build_id(struct elf_maker *maker)
{
	const struct {
		Elf64_Nhdr head;
		char name[4];
		uint8_t id[20];
	} note = { .head = { .n_namesz = 4, .n_descsz = 20, .n_type = NT_GNU_BUILD_ID },
		   .name = "GNU",
		   .id = { 0xde, 0xb0, 0x6f, 0x11, 0xe5 } };

	elf_maker_add(maker, ".note.gnu.build-id", SHT_NOTE, &note, sizeof(note));
}

static bool write_file(const struct elf_maker *maker, const char *path)
{
	CLEANUP(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd >= 0 && write(fd, maker->bytes, maker->size) == (ssize_t)maker->size;
}

/* A program without symbols, and beside it the debug file that it names. */
static bool make_files(const struct fixture *fixture)
{
	static const char link[] = "symbols\0\0\0\0"; /* and no checksum that anybody needs */
	CLEANUP(elf_maker_free) struct elf_maker program = { 0 };
	CLEANUP(elf_maker_free) struct elf_maker debug = { 0 };
	const Elf64_Sym symbol = { 0 };

	elf_maker_start(&program);
	add_build_id(&program);
	elf_maker_add(&program, ".gnu_debuglink", SHT_PROGBITS, link, sizeof(link));
	elf_maker_finish(&program);
	elf_maker_start(&debug);
	add_build_id(&debug);
	elf_maker_add(&debug, ".symtab", SHT_SYMTAB, &symbol, sizeof(symbol));
	elf_maker_finish(&debug);
	return write_file(&program, fixture->path) && write_file(&debug, fixture->debug_path);
}

static struct script *make_script(void)
{
	void *script = mmap(NULL, sizeof(struct script), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (script == MAP_FAILED)
		check_give_up();
	return script;
}

static bool open_fixture(struct fixture *fixture)
{
	*fixture =
		(struct fixture){ .fd = -1, .now_ns = 1, .folder = "/tmp/test_debug_files.XXXXXX" };
	reference = make_script();
	check = make_script();
	if (!mkdtemp(fixture->folder))
		return false;
	snprintf(fixture->path, sizeof(fixture->path), "%s/program", fixture->folder);
	snprintf(fixture->debug_path, sizeof(fixture->debug_path), "%s/symbols", fixture->folder);
	if (!make_files(fixture) || loop_new(&fixture->loop) < 0 ||
	    worker_new(fixture->loop, types, SYMBOL_JOB_COUNT, &fixture->worker) < 0 ||
	    process_files_new(&fixture->files) < 0 ||
	    debug_files_new(fixture->worker, fixture->files, NULL, &fixture->debug_files) < 0)
		return false;
	fixture->fd = open(fixture->path, O_RDONLY | O_CLOEXEC);
	return fixture->fd >= 0;
}

static void cleanup_fixture_close(struct fixture *fixture)
{
	worker_free(fixture->worker);
	debug_files_free(fixture->debug_files);
	process_files_free(fixture->files);
	loop_free(fixture->loop);
	fd_close(fixture->fd);
	unlink(fixture->path);
	unlink(fixture->debug_path);
	rmdir(fixture->folder);
	munmap(reference, sizeof(*reference));
	munmap(check, sizeof(*check));
}

static void take_file(uint64_t tag, int file_fd, int debug_fd, void *context)
{
	struct fixture *fixture = context;

	fixture->answers++;
	fixture->has_file = debug_fd >= 0;
	CHECK_EQ(tag, 7);
	CHECK(file_fd >= 0);
}

static bool begin(struct fixture *fixture)
{
	const struct executable executable = { .path = fixture->path };

	debug_files_tick(fixture->debug_files, fixture->now_ns);
	return debug_files_find(fixture->debug_files, &executable, (uint32_t)getpid(), fixture->fd,
				DEBUG_PART_SYMBOLS, 7, take_file, fixture) == 0;
}

/* Until the worker has nothing to do. */
static void settle(struct fixture *fixture)
{
	uint64_t end_ns = monotonic_ns() + PATIENCE_MS * NS_PER_MS;

	debug_files_tick(fixture->debug_files, fixture->now_ns);
	while (worker_pending(fixture->worker) && monotonic_ns() < end_ns)
		loop_dispatch(fixture->loop, 100);
	CHECK(!worker_pending(fixture->worker));
}

static void pass(struct fixture *fixture, uint64_t ms)
{
	fixture->now_ns += ms * NS_PER_MS;
	settle(fixture);
}

static const struct debug_files_counters *counters(const struct fixture *fixture)
{
	return debug_files_counters(fixture->debug_files);
}

static void check_found(const struct fixture *fixture, uint32_t reference_runs, uint32_t check_runs)
{
	CHECK_EQ(fixture->answers, 1);
	CHECK(fixture->has_file);
	CHECK_EQ(reference->runs, reference_runs);
	CHECK_EQ(check->runs, check_runs);
	CHECK_EQ(counters(fixture)->searches, 0);
	CHECK_EQ(counters(fixture)->found, 1);
	CHECK_EQ(counters(fixture)->refused, 0);
	CHECK_EQ(counters(fixture)->not_found, 0);
}

static void a_file_beside_its_program_is_found(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };

	CHECK_OR_RETURN(open_fixture(&fixture) && begin(&fixture));
	settle(&fixture);
	check_found(&fixture, 1, 1);
	CHECK_EQ(counters(&fixture)->deferred, 0);
}

static void what_a_worker_had_no_memory_for_is_asked_again_a_while_later(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };

	CHECK_OR_RETURN(open_fixture(&fixture));
	reference->ends[0] = -ENOMEM;
	check->ends[0] = -EMFILE;
	CHECK_OR_RETURN(begin(&fixture));
	settle(&fixture);
	pass(&fixture, SHORTAGE_PAUSE_MS - 1);
	CHECK_EQ(reference->runs, 1);
	CHECK_EQ(fixture.answers, 0);
	CHECK_EQ(counters(&fixture)->deferred, 1);
	pass(&fixture, 1);
	CHECK_EQ(reference->runs, 2);
	CHECK_EQ(check->runs, 1);
	CHECK_EQ(fixture.answers, 0);
	pass(&fixture, 2 * SHORTAGE_PAUSE_MS - 1);
	CHECK_EQ(check->runs, 1);
	pass(&fixture, 1);
	check_found(&fixture, 2, 2);
	CHECK_EQ(counters(&fixture)->deferred, 2);
}

static void a_shortage_that_lasts_ends_the_search(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };

	CHECK_OR_RETURN(open_fixture(&fixture));
	for (size_t i = 0; i < ENDS_MAX; i++)
		reference->ends[i] = -ENOMEM;
	CHECK_OR_RETURN(begin(&fixture));
	settle(&fixture);
	for (int i = 0; i < 2 * SHORTAGES_MAX; i++)
		pass(&fixture, SHORTAGE_PAUSE_MS << SHORTAGES_MAX);
	CHECK_EQ(fixture.answers, 1);
	CHECK(!fixture.has_file);
	CHECK_EQ(reference->runs, SHORTAGES_MAX);
	CHECK_EQ(counters(&fixture)->searches, 0);
}

/* The kernel ends a worker first when memory runs out: once that is forgiven, not for ever. */
static void a_worker_that_was_killed_is_asked_once_more(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };

	CHECK_OR_RETURN(open_fixture(&fixture));
	log_set_level(LOG_LEVEL_ERROR);
	check->ends[0] = CRASH;
	CHECK_OR_RETURN(begin(&fixture));
	settle(&fixture);
	CHECK_EQ(fixture.answers, 0);
	pass(&fixture, SHORTAGE_PAUSE_MS);
	log_set_level(LOG_LEVEL_INFO);
	check_found(&fixture, 1, 2);
}

static void a_file_that_ends_the_worker_each_time_is_refused(void)
{
	CLEANUP(fixture_close) struct fixture fixture = { 0 };

	CHECK_OR_RETURN(open_fixture(&fixture));
	log_set_level(LOG_LEVEL_ERROR);
	for (size_t i = 0; i < ENDS_MAX; i++)
		check->ends[i] = CRASH;
	CHECK_OR_RETURN(begin(&fixture));
	settle(&fixture);
	pass(&fixture, SHORTAGE_PAUSE_MS);
	log_set_level(LOG_LEVEL_INFO);
	CHECK_EQ(fixture.answers, 1);
	CHECK(!fixture.has_file);
	CHECK_EQ(check->runs, 2);
	CHECK_EQ(counters(&fixture)->refused, 1);
	CHECK_EQ(counters(&fixture)->not_found, 1);
}

TESTS(TEST(a_file_beside_its_program_is_found),
      TEST(what_a_worker_had_no_memory_for_is_asked_again_a_while_later),
      TEST(a_shortage_that_lasts_ends_the_search),
      TEST(a_worker_that_was_killed_is_asked_once_more),
      TEST(a_file_that_ends_the_worker_each_time_is_refused))
