/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the stack id of a stack of addresses that was seen before in this segment, so that a known
 * stack costs one hash instead of a symbol look-up and an interning for each frame.
 *
 * An address means something only within one process and one state of its mappings: both are part
 * of what is compared. Bounded by addresses_max; when it is full, everything is forgotten at once.
 * Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_STACK_CACHE_H
#define FLICKERSCOPE_STACK_CACHE_H

#include <stdint.h>

#include "base/cleanup.h"

struct stack_cache;

enum stack_cache_limits {
	STACK_CACHE_ADDRESSES_MAX = 1 << 20, /* 8 MiB */
};

struct stack_cache_key {
	uint64_t process_id; /* unique among all processes ever seen; 0: kernel frames only */
	uint64_t generation; /* of the process's mappings and of the tables that name them */
	const uint64_t *addresses; /* borrowed */
	uint16_t kernel_count;	   /* of the addresses, the first */
	uint16_t address_count;
};

int stack_cache_new(uint32_t addresses_max, struct stack_cache **ret_cache);
void stack_cache_free(struct stack_cache *cache); /* NULL is fine */
DEFINE_CLEANUP(struct stack_cache *, stack_cache_free);

/* Forgets everything: at the start of a segment, whose ids begin anew. */
void stack_cache_clear(struct stack_cache *cache);

/* The id that was remembered for this stack, or 0. *ret_hash serves stack_cache_add(). */
uint32_t stack_cache_find(const struct stack_cache *cache, const struct stack_cache_key *key,
			  uint64_t *ret_hash);

/* Remembers a stack that was not found. Copies the addresses; no memory: it is not remembered. */
void stack_cache_add(struct stack_cache *cache, const struct stack_cache_key *key, uint64_t hash,
		     uint32_t stack_id);

#endif
