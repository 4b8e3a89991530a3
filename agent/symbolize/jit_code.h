/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The code that one process has made at run time: which function was at an address at a time.
 *
 * Loads come in the order in which the process wrote them and hide what was there before. Where the
 * process tells times, a moment before the newest load leads to the one that it hid. Bounded by
 * bytes: when there are too many, the older half is forgotten. Owned by one thread.
 */
#ifndef FLICKERSCOPE_JIT_CODE_H
#define FLICKERSCOPE_JIT_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct jit_code;
struct jit_loads_view;

enum jit_code_limits {
	JIT_CODE_SCAN_MAX = 65536, /* loads looked at for what another one hid */
	JIT_CODE_MOVE_STEPS_MAX =
		4 << 20, /* for the moves of one part; the others lose their names */
};

struct jit_function {
	uint64_t start;
	uint64_t size;
	const char *name; /* borrowed until loads are added; not zero-terminated */
	uint32_t name_size;
};

int jit_code_new(size_t bytes_max, struct jit_code **ret_code);
void jit_code_free(struct jit_code *code); /* NULL is fine */
DEFINE_CLEANUP(struct jit_code *, jit_code_free);

/* Adds the loads of one part of a file. Returns 0 or -ENOMEM: then nothing was added. */
int jit_code_add(struct jit_code *code, const struct jit_loads_view *loads);

/*
 * The function that covered @address at @time_ns: the newest that was loaded by then; where all were loaded
 * later, the first one, since some compilers tell of their code after it has run.
 */
bool jit_code_find(const struct jit_code *code, uint64_t address, uint64_t time_ns,
		   struct jit_function *ret_function);

size_t jit_code_bytes(const struct jit_code *code);

/* Loads that were forgotten, to stay within its bytes. */
uint64_t jit_code_forgotten(const struct jit_code *code);

#endif
