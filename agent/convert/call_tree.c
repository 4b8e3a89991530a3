/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/call_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "convert/merged_profile.h"

void call_tree_free(struct call_tree *tree)
{
	if (!tree)
		return;
	free(tree->self);
	free(tree->total);
	free(tree->first_child);
	free(tree->next_sibling);
	free(tree->flags);
	free(tree);
}

/* --- what holds in every range -------------------------------------------------------------------- */

struct marking {
	struct call_tree *tree;
	uint32_t *labels;  /* owned; by label, how often it is in the stack at hand */
	uint32_t *modules; /* owned; by the string of the module's name */
};

static void mark(void *context, uint32_t id, uint32_t depth)
{
	struct marking *marking = context;
	const struct merged_profile *profile = marking->tree->profile;
	const struct merged_call *call = merged_call(profile, id);

	if (call->label & MERGED_PROCESS)
		return;
	if (!marking->labels[call->label]++)
		marking->tree->flags[id] |= CALL_OUTERMOST_LABEL;
	if (!marking->modules[merged_label(profile, call->label)->module]++)
		marking->tree->flags[id] |= CALL_OUTERMOST_MODULE;
}

static void unmark(void *context, uint32_t id, uint32_t depth)
{
	struct marking *marking = context;
	const struct merged_profile *profile = marking->tree->profile;
	const struct merged_call *call = merged_call(profile, id);

	if (call->label & MERGED_PROCESS)
		return;
	marking->labels[call->label]--;
	marking->modules[merged_label(profile, call->label)->module]--;
}

static int mark_outermost(struct call_tree *tree)
{
	static const struct call_visitor visitor = { .enter = mark, .leave = unmark };
	const struct merged_profile *profile = tree->profile;
	CLEANUP(memory_free)
	uint32_t *labels = calloc((size_t)profile->labels.row_count + 1, sizeof(*labels));
	CLEANUP(memory_free)
	uint32_t *modules = calloc((size_t)profile->strings.string_count + 1, sizeof(*modules));
	struct marking marking = { .tree = tree, .labels = labels, .modules = modules };

	if (!labels || !modules)
		return -ENOMEM;
	call_tree_walk(tree, &visitor, &marking);
	return 0;
}

int call_tree_new(const struct merged_profile *profile, struct call_tree **ret_tree)
{
	CLEANUP(call_tree_free) struct call_tree *tree = calloc(1, sizeof(*tree));
	uint32_t count = profile->calls.row_count;
	int r;

	if (!tree)
		return -ENOMEM;
	tree->profile = profile;
	tree->flags = calloc((size_t)count + 1, sizeof(*tree->flags));
	tree->self = calloc((size_t)count + 1, sizeof(*tree->self));
	tree->total = calloc((size_t)count + 1, sizeof(*tree->total));
	tree->first_child = calloc((size_t)count + 1, sizeof(*tree->first_child));
	tree->next_sibling = calloc((size_t)count + 1, sizeof(*tree->next_sibling));
	if (!tree->self || !tree->total || !tree->first_child || !tree->next_sibling ||
	    !tree->flags)
		return -ENOMEM;
	/* From the last to the first, so that children come in the order of their ids. */
	for (uint32_t call = count; call; call--) {
		uint32_t parent = merged_call(profile, call)->parent;

		tree->next_sibling[call] = tree->first_child[parent];
		tree->first_child[parent] = call;
	}
	call_tree_count(tree, INT64_MIN, INT64_MAX);
	r = mark_outermost(tree);
	if (r < 0)
		return r;
	*ret_tree = TAKE(tree);
	return 0;
}

void call_tree_count(struct call_tree *tree, int64_t from_us, int64_t to_us)
{
	const struct merged_profile *profile = tree->profile;
	const struct merged_sample *samples = profile->samples;
	uint32_t count = profile->calls.row_count;

	tree->sample_count = 0;
	memset(tree->self, 0, ((size_t)count + 1) * sizeof(*tree->self));
	for (uint64_t i = 0; i < profile->sample_count; i++) {
		if (samples[i].time_us < from_us || samples[i].time_us >= to_us)
			continue;
		tree->sample_count++;
		tree->self[profile->call_of_stack[samples[i].stack]] +=
			merged_weight(profile, &samples[i]);
	}
	memcpy(tree->total, tree->self, ((size_t)count + 1) * sizeof(*tree->total));
	for (uint32_t call = count; call; call--)
		tree->total[merged_call(profile, call)->parent] += tree->total[call];
}

/* The next call with samples among its siblings, itself included; 0: there is none. */
static uint32_t next_counted(const struct call_tree *tree, uint32_t call)
{
	while (call && !tree->total[call])
		call = tree->next_sibling[call];
	return call;
}

void call_tree_walk(const struct call_tree *tree, const struct call_visitor *visitor, void *context)
{
	uint32_t call = next_counted(tree, tree->first_child[0]), depth = 0;

	while (call) {
		uint32_t child = next_counted(tree, tree->first_child[call]);

		visitor->enter(context, call, depth);
		if (child) {
			call = child;
			depth++;
			continue;
		}
		for (;;) {
			uint32_t next = next_counted(tree, tree->next_sibling[call]);

			if (visitor->leave)
				visitor->leave(context, call, depth);
			if (next) {
				call = next;
				break;
			}
			call = merged_call(tree->profile, call)->parent;
			if (!call)
				return;
			depth--;
		}
	}
}
