/* SPDX-License-Identifier: Apache-2.0 */
/* What a confined process may ask of the kernel: every system call is tried. */
#include "base/confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "check.h"

enum {
	NUMBERS = 1024, /* beyond all that there are */
	/* uprobe and uretprobe: the kernel lets them pass filters, and ends who calls them from elsewhere. */
	UPROBE_FIRST = 335,
	UPROBE_LAST = 336,
	LINE_SIZE = 4096,
};

/* Runs in a child; returns what its function did: 0 to 255, -1 when it was killed. */
static int in_child(int (*run)(enum confinement), enum confinement confinement)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (confinement == CONFINED_TO_PARSING && getuid() == 0 && confine_files() < 0)
			_exit(255);
		if (confine_privileges() < 0 || confine_system_calls(confinement) < 0)
			_exit(255);
		_exit(run(confinement));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The number of system calls that were not refused though they are not in the list. */
static int try_all_others(enum confinement confinement)
{
	int count = 0;

	for (int number = 0; number < NUMBERS; number++) {
		if (confinement_allows(confinement, number) ||
		    (number >= UPROBE_FIRST && number <= UPROBE_LAST))
			continue;
		errno = 0;
		if (syscall(number, -1, -1, -1, -1, -1, -1) != -1 || errno != EPERM)
			count++;
	}
	return count;
}

static void every_other_system_call_is_refused(void)
{
	for (int confinement = 0; confinement < CONFINEMENTS; confinement++)
		CHECK_EQ(in_child(try_all_others, (enum confinement)confinement), 0);
}

static int try_arguments(enum confinement confinement)
{
	const bool may_execute = confinement == CONFINED_TO_DOWNLOADING;
	struct rlimit limit;
	void *memory;

	memory = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if ((memory != MAP_FAILED) != may_execute)
		return 1;
	memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 2;
	if ((mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0) != may_execute)
		return 3;
	if (mprotect(memory, 4096, PROT_READ) < 0)
		return 4;
	if (syscall(SYS_tgkill, getppid() > 0 ? getppid() : 1, 1, 0) != -1 || errno != EPERM)
		return 5;
	if (prlimit(0, RLIMIT_NOFILE, NULL, &limit) < 0)
		return 6;
	if (prlimit(1, RLIMIT_NOFILE, NULL, &limit) != -1 || errno != EPERM)
		return 7;
	/* What remains is refused by the file's mode, when it is asked for reading alone. */
	if (open("/dev/null", O_WRONLY) >= 0 || errno != EPERM)
		return 8;
	if ((open("/dev/null", O_RDONLY) >= 0) != may_execute)
		return 9;
	return 0;
}

static void what_is_allowed_is_bounded_by_its_arguments(void)
{
	for (int confinement = 0; confinement < CONFINEMENTS; confinement++)
		CHECK_EQ(in_child(try_arguments, (enum confinement)confinement), 0);
}

static int raise_own(enum confinement confinement)
{
	raise(SIGKILL);
	return 1;
}

static void a_process_may_end_itself(void)
{
	CHECK_EQ(in_child(raise_own, CONFINED_TO_PARSING), -1);
}

/* A row of the table in agent/README.md: "| parsing | `brk`, `close`, ... |". */
static bool read_row(const char *name, char row[LINE_SIZE])
{
	CLEANUP(file_close) FILE *file = fopen("agent/README.md", "re");
	char start[64];

	snprintf(start, sizeof(start), "| %s |", name);
	while (file && fgets(row, LINE_SIZE, file))
		if (strncmp(row, start, strlen(start)) == 0)
			return true;
	return false;
}

static bool row_has(const char *row, int number)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
	char quoted[128];
	bool is_there;

	if (!name)
		return false;
	snprintf(quoted, sizeof(quoted), "`%s`", name);
	is_there = strstr(row, quoted);
	free(name);
	return is_there;
}

static void the_lists_are_those_of_the_readme(void)
{
	char parsing[LINE_SIZE], downloading[LINE_SIZE];

	CHECK_OR_RETURN(read_row("parsing", parsing));
	CHECK_OR_RETURN(read_row("downloading", downloading));
	for (int number = 0; number < NUMBERS; number++) {
		CHECK_EQ(confinement_allows(CONFINED_TO_PARSING, number), row_has(parsing, number));
		CHECK_EQ(confinement_allows(CONFINED_TO_DOWNLOADING, number),
			 row_has(parsing, number) || row_has(downloading, number));
	}
}

TESTS(TEST(every_other_system_call_is_refused), TEST(what_is_allowed_is_bounded_by_its_arguments),
      TEST(a_process_may_end_itself), TEST(the_lists_are_those_of_the_readme))
