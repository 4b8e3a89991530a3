/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzzers of perf maps, jitdumps and the worker's answer about them have in common. */
#ifndef FLICKERSCOPE_FUZZ_JIT_H
#define FLICKERSCOPE_FUZZ_JIT_H

#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "symbolize/jit_code.h"
#include "symbolize/jit_loads.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { FUZZ_JIT_CODE_SIZE_MAX = 256 << 10, FUZZ_JIT_RESULT_SIZE_MAX = 16 << 20 };

/* What every load covers is found, within the function that was found. False: it was refused. */
static inline bool fuzz_jit_add(const void *bytes, size_t size)
{
	CLEANUP(jit_code_free) struct jit_code *code = NULL;
	struct jit_function function;
	struct jit_loads_view view;

	if (jit_loads_view_open(bytes, size, &view) < 0)
		return false;
	if (jit_code_new(FUZZ_JIT_CODE_SIZE_MAX, &code) < 0 || jit_code_add(code, &view) < 0 ||
	    jit_code_add(code, &view) < 0)
		abort();
	for (uint32_t i = 0; i < view.header->count; i++) {
		const struct jit_load *load = &view.rows[i];
		uint64_t last = load->start + load->size - 1;

		if (!jit_code_find(code, last, load->time_ns, &function)) {
			/* It was forgotten, has no name, or was moved from where nothing is. */
			if (!jit_code_forgotten(code) && load->name_size && !load->moved_from)
				abort();
			continue;
		}
		if (last - function.start >= function.size || !function.name_size)
			abort();
	}
	return true;
}

static inline void fuzz_jit_check(struct jit_loads_writer *writer)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer result = bytes_writer_with_max(FUZZ_JIT_RESULT_SIZE_MAX);

	if (jit_loads_writer_finish(writer, (struct jit_position){ 0 }, 0, &result) < 0 ||
	    !fuzz_jit_add(result.bytes, result.size))
		abort();
}

#endif
