/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a function at run time, as a JIT compiler does: writes machine code into memory, names it
 * in /tmp/perf-PID.map, and burns in it, called by jit_caller.
 *
 *	load_jit [-m] [-s SECONDS] [-n NAME]
 *	load_jit -d [-s SECONDS]
 *
 * NAME is jit_made_function unless told. With -m the code is in a memfd, as that of .NET and of
 * browsers is. With -d it writes jit-PID.dump in its folder instead, as
 * tools/perf/Documentation/jitdump-specification.txt in the kernel's source says, with two functions
 * one after the other at the same address, half of the time each: jit_first, called by call_first,
 * and jit_second, called by call_second.
 *
 * Removes the map when it ends by itself.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "perf_map.h"

enum {
	TURNS = 100000, /* of the loop, between two looks at the clock */
	MARKER_SIZE = 4096,
	CODE_LOAD = 0,
	CODE_CLOSE = 3,
};

/* A frame, a loop that counts its argument down to zero, and the way back. */
#if defined(__x86_64__)
enum { MACHINE = 62 /* EM_X86_64 */ };
static const uint8_t code[] = {
	0x55,		  /* push %rbp */
	0x48, 0x89, 0xe5, /* mov %rsp,%rbp */
	0x48, 0xff, 0xcf, /* 1: dec %rdi */
	0x75, 0xfb,	  /* jnz 1b */
	0x5d,		  /* pop %rbp */
	0xc3,		  /* ret */
};
#elif defined(__aarch64__)
enum { MACHINE = 183 /* EM_AARCH64 */ };
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

/* Of a file in memory that is mapped twice, to write and to run. */
static void *make_code_in_memfd(void)
{
	int fd = memfd_create("code", MFD_CLOEXEC);
	void *memory;

	if (fd < 0 || write(fd, code, sizeof(code)) != sizeof(code))
		return NULL;
	memory = mmap(NULL, sizeof(code), PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	return memory == MAP_FAILED ? NULL : memory;
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

/* Not one with different lines: the compiler would make one function of them. */
void jit_caller(made_function made, uint64_t end_ns)
{
	while (now_ns() < end_ns)
		made(TURNS);
}

void call_first(made_function made, uint64_t end_ns)
{
	while (now_ns() < end_ns)
		made(TURNS + 1);
}

void call_second(made_function made, uint64_t end_ns)
{
	while (now_ns() < end_ns)
		made(TURNS + 2);
}

static int burn_by_map(made_function made, const char *name, uint64_t end_ns)
{
	char path[PERF_MAP_PATH_SIZE];
	FILE *map = perf_map_create(path);

	if (!map)
		return -1;
	fprintf(map, "%lx %zx %s\n", (unsigned long)made, sizeof(code), name);
	fclose(map);
	jit_caller(made, end_ns);
	unlink(path);
	return 0;
}

static void write_record(FILE *dump, uint32_t kind, uint32_t size)
{
	uint32_t head[] = { kind, size };
	uint64_t time_ns = now_ns();

	fwrite(head, sizeof(head), 1, dump);
	fwrite(&time_ns, sizeof(time_ns), 1, dump);
}

static void write_load(FILE *dump, made_function made, const char *name, uint64_t number)
{
	uint32_t ids[] = { (uint32_t)getpid(), (uint32_t)getpid() };
	uint64_t place[] = { (uintptr_t)made, (uintptr_t)made, sizeof(code), number };

	write_record(
		dump, CODE_LOAD,
		(uint32_t)(16 + sizeof(ids) + sizeof(place) + strlen(name) + 1 + sizeof(code)));
	fwrite(ids, sizeof(ids), 1, dump);
	fwrite(place, sizeof(place), 1, dump);
	fwrite(name, strlen(name) + 1, 1, dump);
	fwrite(code, sizeof(code), 1, dump);
	fflush(dump);
}

static int burn_by_dump(made_function made, uint64_t start_ns, uint64_t end_ns)
{
	uint32_t header[] = { 0x4a695444, 1, 40, MACHINE, 0, (uint32_t)getpid() };
	uint64_t rest[] = { start_ns, 0 };
	char path[64];
	FILE *dump;

	snprintf(path, sizeof(path), "jit-%d.dump", getpid());
	dump = fopen(path, "w+");
	if (!dump)
		return -1;
	/* The sign for profilers that there is one. */
	if (mmap(NULL, MARKER_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fileno(dump), 0) ==
	    MAP_FAILED)
		return -1;
	fwrite(header, sizeof(header), 1, dump);
	fwrite(rest, sizeof(rest), 1, dump);
	write_load(dump, made, "jit_first", 1);
	call_first(made, start_ns + (end_ns - start_ns) / 2);
	write_load(dump, made, "jit_second", 2);
	call_second(made, end_ns);
	write_record(dump, CODE_CLOSE, 16);
	return fclose(dump);
}

int main(int argc, char **argv)
{
	const char *name = "jit_made_function";
	uint64_t start_ns = now_ns(), end_ns;
	double seconds = 10;
	int option, by_dump = 0, in_memfd = 0;
	made_function made;

	while ((option = getopt(argc, argv, "s:n:dm")) != -1) {
		if (option == 's')
			seconds = atof(optarg);
		else if (option == 'n')
			name = optarg;
		else if (option == 'd')
			by_dump = 1;
		else if (option == 'm')
			in_memfd = 1;
		else
			return 2;
	}
	end_ns = start_ns + (uint64_t)(seconds * 1e9);
	made = (made_function)(in_memfd ? make_code_in_memfd() : make_code());
	if (!made || (by_dump ? burn_by_dump(made, start_ns, end_ns)
			      : burn_by_map(made, name, end_ns)) < 0) {
		perror("load_jit");
		return 1;
	}
	return 0;
}
