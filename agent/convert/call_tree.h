/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ran in a stretch of time, as a tree of calls: processes, and who called whom.
 *
 * Counting is one pass over the samples and one over the calls, children after parents; walking
 * visits what ran, in the order in which it is drawn. Memory: 25 bytes a call. Owned by one thread.
 */
#ifndef FLICKERSCOPE_CALL_TREE_H
#define FLICKERSCOPE_CALL_TREE_H

#include <stdint.h>

#include "base/cleanup.h"

struct merged_profile;

/* What holds of a call in every range, so that recursion counts once. */
enum call_flag {
	CALL_OUTERMOST_LABEL = 1,  /* none of those that led to it has the same label */
	CALL_OUTERMOST_MODULE = 2, /* or is in the same module */
};

struct call_tree {
	const struct merged_profile *profile; /* borrowed */
	uint64_t *self;	 /* owned, by call; merged_weight() of samples in the call itself */
	uint64_t *total; /* and in what it called; of 0: all */
	uint64_t sample_count;
	uint32_t *first_child; /* of 0: the first process */
	uint32_t *next_sibling;
	uint8_t *flags; /* enum call_flag; 0 of processes */
};

/* Counts everything in the profile. Returns 0 or -ENOMEM. */
int call_tree_new(const struct merged_profile *profile, struct call_tree **ret_tree);
void call_tree_free(struct call_tree *tree); /* NULL is fine */
DEFINE_CLEANUP(struct call_tree *, call_tree_free);

/* Counts anew what is from @from_us on and before @to_us of the timeline. */
void call_tree_count(struct call_tree *tree, int64_t from_us, int64_t to_us);

struct call_visitor {
	/* Before and after what a call called; never with 0. @depth: 0 for a process. */
	void (*enter)(void *context, uint32_t call, uint32_t depth);
	void (*leave)(void *context, uint32_t call, uint32_t depth);
};

/* Visits the calls that have samples in them or below. */
void call_tree_walk(const struct call_tree *tree, const struct call_visitor *visitor,
		    void *context);

#endif
