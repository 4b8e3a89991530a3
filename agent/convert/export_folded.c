/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folded stacks (FlameGraph's stackcollapse-*.pl): a line for each stack, its names from the process
 * to the leaf parted by ";", then a blank and the number of samples, where the rate changed as many of the highest
 * rate as stand for their time.
 *
 * The first name is that of the process; stackcollapse-perf.pl takes the thread's instead, which
 * would part what one program does. A ";" in a name becomes ":", as there; control bytes become
 * "?", so that a name never ends a line. Kinds of frames and modules have no place here.
 */
#include "convert/formats.h"

#include <errno.h>

#include "base/bytes.h"
#include "convert/call_tree.h"
#include "convert/merged_profile.h"
#include "convert/output.h"

enum { LINE_SIZE_MAX = 16777216 }; /* WIRE_STACK_DEPTH_MAX names of the longest */

struct folding {
	const struct call_tree *tree;
	struct output *output;
	struct bytes_writer line;		 /* names of the calls that are entered */
	uint32_t ends[WIRE_STACK_DEPTH_MAX + 2]; /* by depth: where the names above end */
};

static void write_name(struct bytes_writer *line, const char *name, size_t size)
{
	char *text = bytes_writer_extend(line, size);

	for (size_t i = 0; text && i < size; i++)
		text[i] = name[i] == ';'				     ? ':'
			  : (unsigned char)name[i] < 0x20 || name[i] == 0x7f ? '?'
									     : name[i];
}

static void enter(void *context, uint32_t id, uint32_t depth)
{
	struct folding *folding = context;
	const struct merged_profile *profile = folding->tree->profile;
	const struct merged_call *call = merged_call(profile, id);
	uint64_t self = folding->tree->self[id];
	size_t size;
	const char *name = merged_string(profile, merged_call_name(profile, call), &size);

	folding->line.size = folding->ends[depth];
	if (depth)
		bytes_write_u8(&folding->line, ';');
	if (size)
		write_name(&folding->line, name, size);
	else
		bytes_write_u8(&folding->line, '?');
	folding->ends[depth + 1] = (uint32_t)folding->line.size;
	if (!self)
		return;
	output_bytes(folding->output, folding->line.bytes, folding->line.size);
	output_bytes(folding->output, " ", 1);
	output_u64(folding->output, merged_samples(profile, self));
	output_bytes(folding->output, "\n", 1);
}

int export_folded(struct merged_profile *profile, const char *title, struct output *output)
{
	static const struct call_visitor visitor = { .enter = enter };
	CLEANUP(call_tree_free) struct call_tree *tree = NULL;
	struct folding folding = {
		.output = output,
		.line = bytes_writer_with_max(LINE_SIZE_MAX),
	};
	int r = call_tree_new(profile, &tree);

	if (r < 0)
		return r;
	folding.tree = tree;
	call_tree_walk(tree, &visitor, &folding);
	r = bytes_writer_error(&folding.line);
	bytes_writer_free(&folding.line);
	return r;
}
