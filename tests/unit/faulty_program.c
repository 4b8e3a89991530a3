/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For build/san/bin/flickerscope_faulty, the real program with what can refuse it memory: the word about
 * that is in the file that FLICKERSCOPE_FAULTY_MEMORY names, a struct faulty_memory, for all of its
 * processes. tests/e2e/out_of_memory.test.mjs makes the file and reads it.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "faulty_memory.h"

_Static_assert(offsetof(struct faulty_memory, refused_key) == 8 &&
		       offsetof(struct faulty_memory, and_then_all) == 16 &&
		       offsetof(struct faulty_memory, is_on) == 17 &&
		       offsetof(struct faulty_memory, is_lasting) == 19 &&
		       offsetof(struct faulty_memory, refused_count) == 20 &&
		       offsetof(struct faulty_memory, is_full) == 28 &&
		       offsetof(struct faulty_memory, sites) == 32 &&
		       offsetof(struct faulty_site, callers) == 8 &&
		       offsetof(struct faulty_site, call_count) == 40 &&
		       sizeof(struct faulty_site) == 48,
	       "as the test reads it");

static void __attribute__((constructor)) use_named_file(void)
{
	const char *path = getenv("FLICKERSCOPE_FAULTY_MEMORY");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *memory;

	if (!path)
		return;
	memory =
		mmap(NULL, sizeof(struct faulty_memory), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		perror(path);
		_exit(2);
	}
	close(fd);
	faulty_memory_use(memory);
}
