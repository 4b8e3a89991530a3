/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refuses memory to the agent, and to nobody else.
 *
 * In build/san/libagent_faulty.a every call of a function of FAULTY_FUNCTIONS goes to faulty_NAME (Makefile:
 * objcopy --redefine-sym), which fails as NAME does without memory, or calls NAME. What the tests and the
 * libraries take never fails.
 *
 * Calls are told apart by who called: a site is the place of the call and those that led to it.
 */
#ifndef FLICKERSCOPE_FAULTY_MEMORY_H
#define FLICKERSCOPE_FAULTY_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

enum {
	FAULTY_CALLERS = 4,
	FAULTY_SITES_MAX = 2048, /* a power of 2 */
};

struct faulty_site {
	uint64_t key; /* 0: none */
	uintptr_t
		callers[FAULTY_CALLERS]; /* return addresses in the program, the innermost first */
	uint32_t call_count;
};

/* Of one run of a test, in memory that its processes share. */
struct faulty_memory {
	uint32_t caller_count; /* that tell sites apart, at most FAULTY_CALLERS */
	uint64_t refused_key;  /* the site whose first call fails; 0: none */
	bool and_then_all;     /* ... and every call of any site after it, until asked again */
	bool is_on;
	bool is_short;	 /* without memory: from the first refusal until asked again */
	bool is_lasting; /* each call of the refused site fails, not the first alone */
	uint32_t refused_count;
	uint32_t again_count;
	bool is_full; /* there were more than FAULTY_SITES_MAX sites */
	struct faulty_site sites[FAULTY_SITES_MAX];
};

/* From now on by @memory's word; the caller's until the process ends. */
void faulty_memory_use(struct faulty_memory *memory);

/* Memory is back. Whether any was refused since the last time. */
bool faulty_memory_again(void);

#endif
