/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules WHAT MS [ARGUMENTS]: what processes do with themselves and with their memory, each with a chain
 * of its own from main on:
 *
 *	exec			before_exec, burn_leaf; then, after an exec of itself, after_exec, burn_leaf
 *	vfork			a child on its parent's stack: run_vfork, in_vfork_child, burn_leaf
 *	reuse			a child in first_life, burn_leaf; when it has ended, another program with its pid:
 *				second_life, burn_leaf
 *	library FILE NAME ...	each library in turn, at the address of the one before: use_library, what NAME
 *				calls, come_back, burn_leaf
 *	protect FILE NAME	the file mapped as data, then made executable: the same
 *	many PROGRAM COUNT	starts PROGRAM and waits for it, so often
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <link.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chain.h"

enum {
	PIECE_MS = 60, /* of a library's time, before the next one */
	MAPPED_SIZE = 64 << 10,
	FAILED = 1,
	NOT_AT_ONE_ADDRESS = 3,
};

typedef void (*enter_function)(void (*)(void));

static int milliseconds;
static int piece_ms;

CALLED static void before_exec(void)
{
	burn_leaf(milliseconds);
	NOT_LAST;
}

CALLED static void after_exec(void)
{
	burn_leaf(milliseconds);
	NOT_LAST;
}

CALLED static void first_life(void)
{
	burn_leaf(milliseconds);
	NOT_LAST;
}

CALLED static void second_life(void)
{
	burn_leaf(milliseconds);
	NOT_LAST;
}

CALLED static void in_vfork_child(void)
{
	burn_leaf(milliseconds);
	NOT_LAST;
}

CALLED static void come_back(void)
{
	burn_leaf(piece_ms);
	NOT_LAST;
}

CALLED static int run_vfork(void)
{
	pid_t child = vfork();
	int status = 0;

	if (child == 0) {
		in_vfork_child();
		_exit(0);
	}
	waitpid(child, &status, 0);
	return child < 0 || status;
}

static int execute_self(const char *what, const char *ms)
{
	execl("/proc/self/exe", "rules", what, ms, (char *)NULL);
	return FAILED;
}

static int reuse_pid(const char *ms)
{
	struct clone_args arguments = { .exit_signal = SIGCHLD };
	pid_t child = fork(), again = child;
	int status = 0;

	if (child == 0) {
		first_life();
		_exit(0);
	}
	waitpid(child, NULL, 0);
	arguments.set_tid = (uint64_t)(uintptr_t)&again;
	arguments.set_tid_size = 1;
	child = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
	if (child == 0)
		_exit(execute_self("second", ms));
	waitpid(child, &status, 0);
	return child != again || status;
}

CALLED static void use_library(enter_function enter)
{
	enter(come_back);
	NOT_LAST;
}

/* @pairs: of a file and the name of its function. */
static int use_libraries(char **pairs, int pair_count)
{
	uintptr_t page_mask = ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1), first = 0;

	piece_ms = PIECE_MS;
	for (int i = 0; i * PIECE_MS < milliseconds; i++) {
		char **pair = &pairs[2 * (i % pair_count)];
		void *library = dlopen(pair[0], RTLD_NOW);
		enter_function enter = library ? (enter_function)dlsym(library, pair[1]) : NULL;

		if (!enter)
			return FAILED;
		if (first && ((uintptr_t)enter & page_mask) != first)
			return NOT_AT_ONE_ADDRESS;
		first = (uintptr_t)enter & page_mask;
		use_library(enter);
		dlclose(library);
	}
	return 0;
}

static int protect(char *path, const char *name)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *library = dlopen(path, RTLD_NOW), *function = library ? dlsym(library, name) : NULL;
	char *memory = mmap(NULL, MAPPED_SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	long page = sysconf(_SC_PAGESIZE);
	struct link_map *map;
	size_t offset;

	if (!function || memory == MAP_FAILED || dlinfo(library, RTLD_DI_LINKMAP, &map) != 0)
		return FAILED;
	offset = (size_t)((uintptr_t)function - map->l_addr); /* in the file too, for a small one */
	if (mprotect(memory + (offset & ~(size_t)(page - 1)), (size_t)page,
		     PROT_READ | PROT_EXEC) != 0)
		return FAILED;
	piece_ms = milliseconds;
	use_library((enter_function)(memory + offset));
	return 0;
}

static int start_many(char *program, int count)
{
	char *const arguments[] = { program, NULL }, *const environment[] = { NULL };

	for (int i = 0; i < count; i++) {
		pid_t child;

		if (posix_spawn(&child, program, NULL, NULL, arguments, environment) != 0)
			return FAILED;
		waitpid(child, NULL, 0);
	}
	return 0;
}

int main(int count, char **arguments)
{
	const char *what = count > 2 ? arguments[1] : "";

	milliseconds = count > 2 ? atoi(arguments[2]) : 0;
	if (strcmp(what, "exec") == 0) {
		before_exec();
		return execute_self("after", arguments[2]);
	}
	if (strcmp(what, "after") == 0)
		after_exec();
	else if (strcmp(what, "second") == 0)
		second_life();
	else if (strcmp(what, "vfork") == 0)
		return run_vfork();
	else if (strcmp(what, "reuse") == 0)
		return reuse_pid(arguments[2]);
	else if (strcmp(what, "library") == 0)
		return use_libraries(arguments + 3, (count - 3) / 2);
	else if (strcmp(what, "protect") == 0 && count == 5)
		return protect(arguments[3], arguments[4]);
	else if (strcmp(what, "many") == 0 && count == 5)
		return start_many(arguments[3], atoi(arguments[4]));
	else
		return FAILED;
	return 0;
}
