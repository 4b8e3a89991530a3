/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Demangled names, made by the worker in batches, each name once.
 *
 * A name that defeats the worker costs its batch, which is tried again in halves until the bad
 * one stands alone; that one stays mangled. Bounded: names beyond the queue's room are asked for
 * again when they are seen again. Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_DEMANGLER_H
#define FLICKERSCOPE_DEMANGLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "symbolize/late_name.h"

struct demangler;
struct worker;

enum demangler_limits {
	DEMANGLER_QUEUE_MAX = 8192,	      /* names that wait */
	DEMANGLER_QUEUE_BYTES_MAX = 2 << 20,  /* ... and their text */
	DEMANGLER_BATCH_BYTES_MAX = 32 << 10, /* of one job; a longer name goes alone */
	DEMANGLER_READY_MAX = 16384,	      /* results that nobody took yet */
};

struct demangler_counters {
	uint64_t demangled;
	uint64_t failed;  /* names that defeated the worker */
	uint64_t dropped; /* no room in the queue */
};

int demangler_new(struct worker *worker, struct demangler **ret_demangler);
void demangler_free(struct demangler *demangler); /* NULL is fine */
DEFINE_CLEANUP(struct demangler *, demangler_free);

/*
 * Replaces the mangled name of the function @key by the demangled one where that is known, and
 * asks for it otherwise. Borrowed until the next call. True when a late name will follow.
 */
bool demangler_name(struct demangler *demangler, uint64_t key, const char **name, uint32_t *size);

/* Sends what waits to the worker. */
void demangler_tick(struct demangler *demangler);

/* The next name that came; false when there is none. */
bool demangler_next(struct demangler *demangler, struct late_name *ret_late_name);

const struct demangler_counters *demangler_counters(const struct demangler *demangler);

#endif
