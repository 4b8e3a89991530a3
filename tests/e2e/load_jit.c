/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a function at run time, as a JIT compiler does: writes machine code into memory, names it
 * jit_made_function in /tmp/perf-PID.map, and burns in it.
 *
 *	load_jit [-s SECONDS]
 *
 * Removes the map when it ends by itself.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
	TURNS = 100000, /* of the loop, between two looks at the clock */
};

/* A frame, a loop that counts its argument down to zero, and the way back. */
#if defined(__x86_64__)
static const uint8_t code[] = {
	0x55,		  /* push %rbp */
	0x48, 0x89, 0xe5, /* mov %rsp,%rbp */
	0x48, 0xff, 0xcf, /* 1: dec %rdi */
	0x75, 0xfb,	  /* jnz 1b */
	0x5d,		  /* pop %rbp */
	0xc3,		  /* ret */
};
#elif defined(__aarch64__)
static const uint8_t code[] = {
	0xfd, 0x7b, 0xbf, 0xa9, /* stp x29, x30, [sp, #-16]! */
	0xfd, 0x03, 0x00, 0x91, /* mov x29, sp */
	0x00, 0x04, 0x00, 0xf1, /* 1: subs x0, x0, #1 */
	0xe1, 0xff, 0xff, 0x54, /* b.ne 1b */
	0xfd, 0x7b, 0xc1, 0xa8, /* ldp x29, x30, [sp], #16 */
	0xc0, 0x03, 0x5f, 0xd6, /* ret */
};
#else
#error "no machine code for this architecture"
#endif

typedef void (*made_function)(uint64_t turns);

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Bytes of its own for the code, which are written first and executable after. */
static void *make_code(void)
{
	void *memory = mmap(NULL, sizeof(code), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	memcpy(memory, code, sizeof(code));
	__builtin___clear_cache(memory, (char *)memory + sizeof(code));
	return mprotect(memory, sizeof(code), PROT_READ | PROT_EXEC) == 0 ? memory : NULL;
}

void jit_caller(made_function made, uint64_t end_ns)
{
	while (now_ns() < end_ns)
		made(TURNS);
}

int main(int argc, char **argv)
{
	double seconds = 10;
	char path[64];
	void *memory;
	FILE *map;
	int option;

	while ((option = getopt(argc, argv, "s:")) != -1) {
		if (option != 's')
			return 2;
		seconds = atof(optarg);
	}
	memory = make_code();
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	map = fopen(path, "w");
	if (!memory || !map) {
		perror("load_jit");
		return 1;
	}
	fprintf(map, "%lx %zx jit_made_function\n", (unsigned long)memory, sizeof(code));
	fclose(map);
	jit_caller((made_function)memory, now_ns() + (uint64_t)(seconds * 1e9));
	unlink(path);
	return 0;
}
