/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch of any names: as many results, each within its limit, on the stack that the worker has.
 *
 * Inputs grow far beyond what the fuzzer makes by itself: the first byte says how often the name
 * that follows is repeated, so that deep and long ones come up.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "elf/demangle.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct rlimit limit;

	(void)argc;
	(void)argv;
	/* Sanitized frames are several times as large as the worker's: WORKER_STACK_SIZE_MAX, times 4. */
	getrlimit(RLIMIT_STACK, &limit);
	limit.rlim_cur = (rlim_t)256 << 20;
	return setrlimit(RLIMIT_STACK, &limit);
}

/* The prefix up to the first '|', then the rest, repeated. */
static size_t make_name(const uint8_t *bytes, size_t size, char *name)
{
	size_t repeats = bytes[0] ? (size_t)bytes[0] * 64 : 1, length;
	const uint8_t *bar;

	bytes++;
	size--;
	bar = memchr(bytes, '|', size);
	length = bar ? (size_t)(bar - bytes) : 0;
	if (length > DEMANGLE_SIZE_MAX)
		length = DEMANGLE_SIZE_MAX;
	memcpy(name, bytes, length);
	if (bar) {
		bytes = bar + 1;
		size -= length + 1;
	}
	for (; size && repeats && length + size <= DEMANGLE_SIZE_MAX; repeats--, length += size)
		memcpy(name + length, bytes, size);
	return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	CLEANUP(bytes_writer_free) struct bytes_writer batch = bytes_writer_with_max(1 << 20);
	CLEANUP(bytes_writer_free) struct bytes_writer results = bytes_writer_with_max(1 << 20);
	static char name[DEMANGLE_SIZE_MAX];
	struct bytes_reader reader;
	const char *result;
	size_t result_size;

	if (!size)
		return 0;
	demangle_batch_add(&batch, name, make_name(bytes, size, name));
	if (demangle_job(-1, bytes_reader_of(batch.bytes, batch.size), &results))
		abort();
	reader = bytes_reader_of(results.bytes, results.size);
	if (!demangle_batch_next(&reader, &result, &result_size) || bytes_left(&reader) ||
	    result_size > DEMANGLED_SIZE_MAX)
		abort();
	/* The job itself takes anything too. */
	bytes_writer_clear(&results);
	demangle_job(-1, bytes_reader_of(bytes, size), &results);
	return 0;
}
