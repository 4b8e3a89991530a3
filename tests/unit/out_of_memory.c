/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the unit tests with memory refused to the agent, one call at a time. Prints TAP.
 *
 *	out_of_memory [-w] [-t TESTS] [-v] [-j JOBS] ALLOCATING [TEST_FILE...]
 *
 * Each test runs once with all memory, to see at which sites (faulty_memory.h) the agent asks for some, then
 * again for each site, whose first call is refused. A check that was told -ENOMEM asks again; another that
 * does not hold ends its test, and so its locals are freed. What is looked for is what no check could
 * see: a crash, a report of a sanitizer, a wait without end; and of a test that came to its own end,
 * something that was not freed or not closed. A test that does not hold with all memory, as on a machine
 * that is too busy for it, is left out.
 *
 * Without -w a site is a call in the agent, is refused in one test only, of those that reach it in the
 * one with the fewest calls, and tests that wait for others are left out. With it a site is a call and the
 * three that led to it, and is refused in the TESTS tests that reach it with the fewest calls (-t; all without it),
 * and once more with every call after it refused as well. -v tells as well which checks ended tests.
 *
 * ALLOCATING lists the files of the agent that call what can be refused: each must be reached, here or by
 * whole programs.
 */
#include <dirent.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <unwind.h>

#include "base/cleanup.h"
#include "check.h"
#include "faulty_memory.h"

/* Tests that sample the machine, or wait for servers, for other processes or for a compiler: files, or parts of names. */
static const char *const waiting[] = {
	"test_confinement", "test_control.c",	    "test_debuginfod", "agrees_with_addr2line",
	"test_privileged",  "test_sampler_session", "test_symbolizer", "test_worker",
};

/* Files that only whole programs reach: a line each, with comments. tests/e2e/out_of_memory.test.mjs does. */
#define PROGRAMS_LIST "tests/unit/out_of_memory.programs"

enum {
	RUNS_MAX = 1 << 18,
	JOBS_MAX = 64,
	PATIENCE_MS = 60000, /* more than any wait of a test that is to end by itself */
	SLOW_MS = 150, /* of a test that takes longer only what no other one reaches is refused */
	LOG_SIZE_MAX = 64 * 1024,
	CALLERS_IN_SHORT = 1,
};

/* How a test that was refused memory ended. */
enum ending {
	NOT_RUN,
	NOT_REACHED, /* it did not come to the site this time */
	HELD,	     /* every check held, if asked again */
	ENDED,	     /* by a check that did not hold */
	BAD,
};

struct unit_test {
	const struct check_file *file;
	const struct check_test *test;
	struct faulty_site *sites; /* sorted by key */
	uint32_t site_count;
	uint64_t call_count;
	uint32_t fd_count;
	uint32_t duration_ms;
	bool is_sound; /* it holds with all memory */
};

struct run {
	uint32_t test;
	const struct faulty_site *site; /* NULL: with all memory */
	bool and_then_all;
};

/* What a child says before it ends; shared with it. */
struct report {
	bool is_over;
	bool was_ended;
	bool leaks;
	uint32_t fd_count;
};

static struct {
	struct unit_test *tests;
	uint32_t test_count;
	struct run *runs;
	uint32_t run_count;
	uint32_t *next_run;  /* shared */
	uint8_t *endings;    /* shared, by run */
	uint32_t *durations; /* shared, by run */
	uint32_t jobs;
	uint32_t tests_max; /* in which a site is refused, of those that are not slow */
	bool is_whole, is_verbose;
} suite;

/* --- the end of a test before its time ------------------------------------------------------ */

static struct {
	jmp_buf place;
	uintptr_t frame;
	pid_t pid;
	bool is_set;
	struct _Unwind_Exception exception;
} end;

static _Unwind_Reason_Code end_frame(int version, _Unwind_Action actions,
				     _Unwind_Exception_Class class,
				     struct _Unwind_Exception *exception,
				     struct _Unwind_Context *context, void *unused)
{
	if (actions & _UA_END_OF_STACK || _Unwind_GetCFA(context) >= end.frame)
		longjmp(end.place, 1);
	return _URC_NO_REASON;
}

/* Frees what the frames of the test own, as its return would. */
static void end_test(void)
{
	fflush(stdout);
	if (getpid() != end.pid)
		_exit(1);
	if (!end.is_set)
		return;
	/* Frames that do not return leave their marks on the stack. */
	__asan_handle_no_return();
	_Unwind_ForcedUnwind(&end.exception, end_frame, NULL);
	abort();
}

void check_end_hook(void)
{
	end_test();
}

bool check_again_hook(void)
{
	return faulty_memory_again();
}

/* --- one run, in a process of its own ------------------------------------------------------- */

/*
 * A test that ends before its time leaves files behind: in a /tmp and a /run that nobody else sees. Where
 * the tests themselves are below /tmp they stay in sight.
 */
static void hide_files(void)
{
	CLEANUP(memory_free) char *here = realpath(".", NULL);
	CLEANUP(fd_close) int fd = -1;
	char source[32], folder[4096];

	if (!here || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return;
	fd = open(".", O_PATH | O_CLOEXEC);
	if (fd < 0 || mount("tmpfs", "/run", "tmpfs", 0, "mode=755") ||
	    mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777") || strncmp(here, "/tmp/", 5) != 0)
		return;
	for (char *at = here + 5; (at = strchr(at, '/')); at++) {
		snprintf(folder, sizeof(folder), "%.*s", (int)(at - here), here);
		mkdir(folder, 0755);
	}
	mkdir(here, 0755);
	snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
	if (mount(source, here, NULL, MS_BIND, NULL) || chdir(here))
		perror(here);
}

static uint32_t count_fds(void)
{
	CLEANUP(dir_close) DIR *folder = opendir("/proc/self/fd");
	uint32_t count = 0;

	while (folder && readdir(folder))
		count++;
	return count;
}

/* Its frame is where unwinding ends. */
static __attribute__((noinline)) bool run_to_its_end(const struct check_test *test)
{
	end.frame = (uintptr_t)__builtin_frame_address(0);
	if (setjmp(end.place))
		return false;
	end.is_set = true;
	test->run();
	return true;
}

static void __attribute__((noreturn)) run_child(const struct unit_test *test, int log,
						struct faulty_memory *memory, struct report *report)
{
	uint32_t fd_count;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	close(log);
	setvbuf(stdout, NULL, _IOLBF, 0);
	hide_files();
	end.pid = getpid();
	fd_count = count_fds();
	faulty_memory_use(memory);
	memory->is_on = true;
	report->was_ended = !run_to_its_end(test->test);
	end.is_set = false;
	memory->is_on = false;
	report->fd_count = count_fds() - fd_count;
	report->leaks = memory->refused_key && !report->was_ended &&
			__lsan_do_recoverable_leak_check();
	report->is_over = true;
	_exit(0);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The status as waitpid() gives it, or -1: it did not end. Its own children end with it. */
static int wait_for(pid_t pid)
{
	CLEANUP(fd_close) int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd ended = { .fd = fd, .events = POLLIN };
	bool is_over = poll(&ended, 1, PATIENCE_MS) == 1;
	int status = -1;

	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return is_over ? status : -1;
}

static const char *log_text(int log)
{
	static char text[LOG_SIZE_MAX + 1];
	ssize_t size = pread(log, text, LOG_SIZE_MAX, 0);

	text[size < 0 ? 0 : size] = '\0';
	return text;
}

static void describe_site(FILE *out, const struct faulty_site *site);

/* In one write, so that what two jobs tell does not mix. */
static void tell(const struct run *run, const char *what, int log)
{
	const struct unit_test *test = &suite.tests[run->test];
	CLEANUP(memory_free) char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	const char *line = log_text(log);

	if (!out)
		return;
	fprintf(out, "# %s: %s: %s\n", test->file->path, test->test->name, what);
	if (run->site) {
		fprintf(out, "#   refused%s:\n", run->and_then_all ? ", and all from then on" : "");
		describe_site(out, run->site);
	}
	while (*line) {
		size_t length = strcspn(line, "\n");

		fprintf(out, "#   | %.*s\n", (int)length, line);
		line += length + (line[length] != '\0');
	}
	fclose(out);
	if (write(STDOUT_FILENO, text, size) < 0)
		return;
}

static enum ending judge(const struct run *run, int status, const struct report *report,
			 const struct faulty_memory *memory, int log)
{
	const char *what = NULL, *text = log_text(log);
	char other[64];

	if (status == -1) {
		what = "it did not end";
	} else if (status || !report->is_over) {
		snprintf(other, sizeof(other), "it ended by %s %d",
			 WIFSIGNALED(status) ? "signal" : "exit code",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		what = other;
	} else if (report->leaks) {
		what = "it did not free all";
	} else if (run->site && !report->was_ended &&
		   report->fd_count > suite.tests[run->test].fd_count) {
		what = "it did not close all";
	} else if (strstr(text, "Sanitizer") || strstr(text, "runtime error: ")) {
		what = "one of its processes went wrong"; /* whatever became of it */
	}
	if (what) {
		tell(run, what, log);
		return BAD;
	}
	if (report->was_ended) {
		if (suite.is_verbose)
			tell(run, "a check did not hold", log);
		return ENDED;
	}
	return run->site && !memory->refused_count ? NOT_REACHED : HELD;
}

static void do_run(uint32_t index, struct faulty_memory *memory, struct report *report)
{
	const struct run *run = &suite.runs[index];
	CLEANUP(fd_close) int log = memfd_create("log", MFD_CLOEXEC);
	uint64_t start_ms = now_ms();
	pid_t pid;

	memset(report, 0, sizeof(*report));
	memset(memory, 0, sizeof(*memory));
	if (run->site)
		memory->refused_key = run->site->key;
	memory->and_then_all = run->and_then_all;
	memory->caller_count = suite.is_whole ? FAULTY_CALLERS : CALLERS_IN_SHORT;
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		run_child(&suite.tests[run->test], log, memory, report);
	if (pid < 0)
		return;
	suite.endings[index] = (uint8_t)judge(run, wait_for(pid), report, memory, log);
	suite.durations[index] = (uint32_t)(now_ms() - start_ms);
}

static void *shared_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return memory;
}

/* --- all sites of a test -------------------------------------------------------------------- */

static int compare_sites(const void *left, const void *right)
{
	const struct faulty_site *a = left, *b = right;

	return a->key < b->key ? -1 : a->key > b->key;
}

static bool keep_sites(struct unit_test *test, const struct faulty_memory *memory)
{
	free(test->sites);
	test->site_count = 0;
	test->call_count = 0;
	test->sites = calloc(FAULTY_SITES_MAX, sizeof(*test->sites));
	if (!test->sites || memory->is_full)
		return false;
	for (uint32_t i = 0; i < FAULTY_SITES_MAX; i++) {
		if (!memory->sites[i].key)
			continue;
		test->sites[test->site_count++] = memory->sites[i];
		test->call_count += memory->sites[i].call_count;
	}
	qsort(test->sites, test->site_count, sizeof(*test->sites), compare_sites);
	return true;
}

/* --- which file a site is in ---------------------------------------------------------------- */

static Dwarf *own_dwarf(void)
{
	static Dwarf *dwarf;

	if (!dwarf)
		dwarf = dwarf_begin(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), DWARF_C_READ);
	return dwarf;
}

/* The compiled file that the call before @address is in, as "agent/base/bytes.c"; NULL if in none. */
static const char *file_of(uintptr_t address, Dwarf_Die *die)
{
	Dwarf *dwarf = own_dwarf();

	return dwarf && dwarf_addrdie(dwarf, address - 1, die) ? dwarf_diename(die) : NULL;
}

static void describe_site(FILE *out, const struct faulty_site *site)
{
	for (uint32_t i = 0; i < FAULTY_CALLERS && site->callers[i]; i++) {
		Dwarf_Die die;
		const char *file = file_of(site->callers[i], &die);
		Dwarf_Line *line = file ? dwarf_getsrc_die(&die, site->callers[i] - 1) : NULL;
		int number = 0;

		if (!line || dwarf_lineno(line, &number))
			continue;
		fprintf(out, "#     %s:%d\n", dwarf_linesrc(line, NULL, NULL), number);
	}
}

/* --- the plan ------------------------------------------------------------------------------- */

static void add_run(uint32_t test, const struct faulty_site *site, bool and_then_all)
{
	if (suite.run_count == RUNS_MAX) {
		fprintf(stderr, "more than %d runs\n", RUNS_MAX);
		exit(1);
	}
	suite.runs[suite.run_count++] =
		(struct run){ .test = test, .site = site, .and_then_all = and_then_all };
}

static bool costs_less(const struct unit_test *test, const struct unit_test *other)
{
	if ((test->duration_ms > SLOW_MS) != (other->duration_ms > SLOW_MS))
		return test->duration_ms <= SLOW_MS;
	if (test->call_count != other->call_count)
		return test->call_count < other->call_count;
	return test < other;
}

/* Whether @count other tests that reach the site cost less. */
static bool is_cheaper_elsewhere(uint32_t index, uint64_t key, uint32_t count)
{
	const struct unit_test *test = &suite.tests[index];
	struct faulty_site wanted = { .key = key };

	for (uint32_t i = 0; i < suite.test_count; i++) {
		const struct unit_test *other = &suite.tests[i];

		if (i == index || !other->is_sound || !costs_less(other, test))
			continue;
		if (bsearch(&wanted, other->sites, other->site_count, sizeof(wanted),
			    compare_sites) &&
		    !--count)
			return true;
	}
	return false;
}

static void plan_runs(void)
{
	suite.run_count = 0;
	for (uint32_t i = 0; i < suite.test_count; i++) {
		const struct unit_test *test = &suite.tests[i];

		for (uint32_t j = 0; test->is_sound && j < test->site_count; j++) {
			bool is_thorough = suite.is_whole && test->duration_ms <= SLOW_MS;

			if (is_cheaper_elsewhere(i, test->sites[j].key,
						 is_thorough ? suite.tests_max : 1))
				continue;
			add_run(i, &test->sites[j], false);
			if (suite.is_whole)
				add_run(i, &test->sites[j], true);
		}
	}
}

/* What the tests of the runs take with all memory, one after the other. */
static double planned_s(void)
{
	uint64_t planned_ms = 0;

	for (uint32_t i = 0; i < suite.run_count; i++)
		planned_ms += suite.tests[suite.runs[i].test].duration_ms;
	return (double)planned_ms / 1000;
}

/* --- both rounds ---------------------------------------------------------------------------- */

static void do_job(uint32_t end_run, struct faulty_memory *surveys)
{
	struct faulty_memory *memory = shared_memory(sizeof(*memory));
	struct report *report = shared_memory(sizeof(*report));
	uint32_t index;

	while ((index = __atomic_fetch_add(suite.next_run, 1, __ATOMIC_RELAXED)) < end_run) {
		do_run(index, surveys ? &surveys[index] : memory, report);
		if (surveys) /* for the parent; there it is of no other use */
			surveys[index].again_count = report->fd_count;
	}
	munmap(memory, sizeof(*memory));
	munmap(report, sizeof(*report));
}

static void do_runs(uint32_t first_run, uint32_t end_run, struct faulty_memory *surveys)
{
	*suite.next_run = first_run;
	for (uint32_t i = 0; i < suite.jobs; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			do_job(end_run, surveys);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
}

static void survey(void)
{
	struct faulty_memory *surveys = shared_memory(suite.test_count * sizeof(*surveys));

	for (uint32_t i = 0; i < suite.test_count; i++)
		add_run(i, NULL, false);
	do_runs(0, suite.run_count, surveys);
	for (uint32_t i = 0; i < suite.test_count; i++) {
		suite.tests[i].is_sound = keep_sites(&suite.tests[i], &surveys[i]) &&
					  suite.endings[i] == HELD;
		suite.tests[i].fd_count = surveys[i].again_count;
		suite.tests[i].duration_ms = suite.durations[i];
	}
	memset(suite.endings, 0, RUNS_MAX * sizeof(*suite.endings));
	munmap(surveys, suite.test_count * sizeof(*surveys));
}

/* --- what is told --------------------------------------------------------------------------- */

static int tell_file(int number, const struct check_file *file, uint32_t first_run,
		     uint32_t end_run)
{
	uint32_t counts[BAD + 1] = { 0 }, left_out = 0;

	for (uint32_t i = first_run; i < end_run; i++)
		counts[suite.endings[i]]++;
	for (uint32_t i = 0; i < suite.test_count; i++)
		left_out += suite.tests[i].file == file && !suite.tests[i].is_sound;
	printf("%sok %d - %s: %u refused: %u held, %u ended, %u wrong; %u not reached again",
	       counts[BAD] || counts[NOT_RUN] ? "not " : "", number, file->path,
	       counts[HELD] + counts[ENDED] + counts[BAD], counts[HELD], counts[ENDED], counts[BAD],
	       counts[NOT_REACHED]);
	if (left_out)
		printf("; %u tests left out", left_out);
	putchar('\n');
	return counts[BAD] || counts[NOT_RUN];
}

static bool is_reached(const char *path)
{
	for (uint32_t i = 0; i < suite.test_count; i++) {
		const struct unit_test *test = &suite.tests[i];

		for (uint32_t j = 0; j < test->site_count; j++) {
			Dwarf_Die die;
			const char *file = file_of(test->sites[j].callers[0], &die);

			if (file && strcmp(file, path) == 0)
				return true;
		}
	}
	return false;
}

static bool may_be_unreached(const char *path)
{
	CLEANUP(file_close) FILE *file = fopen(PROGRAMS_LIST, "re");
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(path, line) == 0)
			return true;
	}
	return false;
}

static int tell_reached(int number, const char *list)
{
	CLEANUP(file_close) FILE *file = fopen(list, "re");
	char path[256];
	int count = 0, missed = 0;

	while (file && fscanf(file, "%255s", path) == 1) {
		bool is_missed = !is_reached(path);

		count += !is_missed;
		if (is_missed && (suite.is_verbose || !may_be_unreached(path)))
			printf("# never asked for memory here: %s\n", path);
		missed += is_missed && !may_be_unreached(path);
	}
	printf("%sok %d - each file that allocates does so here (%d of them), or in whole "
	       "programs\n",
	       missed || !count ? "not " : "", number, count);
	return missed || !count;
}

/* --- all of it ------------------------------------------------------------------------------ */

extern const struct check_file *const __start_check_files[], *const __stop_check_files[];

static bool is_waiting(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(waiting); i++)
		if (strstr(name, waiting[i]))
			return true;
	return false;
}

static bool is_wanted(const struct check_file *file, char **names)
{
	if (!suite.is_whole && !*names && is_waiting(file->path))
		return false;
	for (char **name = names; *name; name++)
		if (strstr(file->path, *name))
			return true;
	return !*names;
}

/* Refuses what is planned for one file's tests, which stand beside each other, from *run on. */
static int do_file(int number, const struct check_file *file, uint32_t *run)
{
	uint32_t first_run = *run;
	uint64_t start_ms = now_ms();
	int failed;

	while (*run < suite.run_count && suite.tests[suite.runs[*run].test].file == file)
		++*run;
	do_runs(first_run, *run, NULL);
	failed = tell_file(number, file, first_run, *run);
	if (suite.is_whole)
		printf("# %u of %u runs; this file: %.1f s\n", *run, suite.run_count,
		       (double)(now_ms() - start_ms) / 1000);
	return failed;
}

static void list_tests(char **names)
{
	const struct check_file *const *file;

	for (file = __start_check_files; file < __stop_check_files; file++) {
		if (!is_wanted(*file, names))
			continue;
		suite.tests = reallocarray(suite.tests, suite.test_count + (size_t)(*file)->count,
					   sizeof(*suite.tests));
		if (!suite.tests)
			exit(1);
		for (int i = 0; i < (*file)->count; i++)
			if (suite.is_whole || *names || !is_waiting((*file)->tests[i].name))
				suite.tests[suite.test_count++] =
					(struct unit_test){ .file = *file,
							    .test = &(*file)->tests[i] };
	}
}

int main(int argc, char **argv)
{
	const struct check_file *const *file;
	int number = 0, failed = 0, option;
	uint64_t start_ms = now_ms();
	const char *allocating;
	uint32_t run = 0;

	suite.jobs = 1;
	suite.tests_max = UINT32_MAX;
	while ((option = getopt(argc, argv, "+j:t:vw")) > 0) {
		if (option == 'j')
			suite.jobs = (uint32_t)atoi(optarg);
		else if (option == 't')
			suite.tests_max = (uint32_t)atoi(optarg);
		else if (option == 'v')
			suite.is_verbose = true;
		else if (option == 'w')
			suite.is_whole = true;
		else
			break;
	}
	if (optind >= argc) {
		fprintf(stderr,
			"out_of_memory [-w] [-t TESTS] [-v] [-j JOBS] ALLOCATING [TEST_FILE...]\n");
		return 2;
	}
	allocating = argv[optind++];
	setvbuf(stdout, NULL, _IOLBF, 0);
	list_tests(&argv[optind]);
	suite.next_run = shared_memory(sizeof(*suite.next_run));
	suite.endings = shared_memory(RUNS_MAX * sizeof(*suite.endings));
	suite.durations = shared_memory(RUNS_MAX * sizeof(*suite.durations));
	suite.runs = shared_memory(RUNS_MAX * sizeof(*suite.runs));
	survey();
	printf("# %u tests with all memory: %llu ms\n", suite.test_count,
	       (unsigned long long)(now_ms() - start_ms));
	plan_runs();
	printf("# %u with some of it refused, which take %.0f s with it\n", suite.run_count,
	       planned_s());
	for (file = __start_check_files; file < __stop_check_files; file++)
		if (is_wanted(*file, &argv[optind]))
			failed += do_file(++number, *file, &run);
	if (!argv[optind])
		failed += tell_reached(++number, allocating);
	printf("1..%d\n", number);
	printf("# %u runs: %llu ms\n", suite.run_count, (unsigned long long)(now_ms() - start_ms));
	return failed ? 1 : 0;
}
