/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What d3-flame-graph draws: objects {name, value, children}, nested. The value is that of the call
 * and all below it. libtype is what its allocation of colours by kind reads: kernel, inlined, jit or
 * user.
 */
#include "convert/formats.h"

#include "convert/call_tree.h"
#include "convert/merged_profile.h"
#include "convert/output.h"

struct drawing {
	const struct call_tree *tree;
	struct output *output;
	bool first;
};

static const char *libtype(uint32_t kind)
{
	switch (kind) {
	case WIRE_FRAME_KERNEL:
		return "kernel";
	case WIRE_FRAME_INLINED:
		return "inlined";
	case WIRE_FRAME_JIT:
		return "jit";
	default:
		return "user";
	}
}

static void enter(void *context, uint32_t id, uint32_t depth)
{
	struct drawing *drawing = context;
	const struct merged_profile *profile = drawing->tree->profile;
	const struct merged_call *call = merged_call(profile, id);
	size_t size;
	const char *name = merged_string(profile, merged_call_name(profile, call), &size);

	if (!drawing->first)
		output_text(drawing->output, ",");
	drawing->first = true;
	output_text(drawing->output, "\n{\"name\":");
	output_json_string(drawing->output, name, size);
	output_text(drawing->output, ",\"value\":");
	output_u64(drawing->output, merged_samples(profile, drawing->tree->total[id]));
	if (call->kind) {
		output_text(drawing->output, ",\"libtype\":\"");
		output_text(drawing->output, libtype(call->kind));
		output_text(drawing->output, "\"");
	}
	output_text(drawing->output, ",\"children\":[");
}

static void leave(void *context, uint32_t id, uint32_t depth)
{
	struct drawing *drawing = context;

	output_text(drawing->output, "]}");
	drawing->first = false;
}

int export_d3(struct merged_profile *profile, const char *title, struct output *output)
{
	static const struct call_visitor visitor = { .enter = enter, .leave = leave };
	CLEANUP(call_tree_free) struct call_tree *tree = NULL;
	struct drawing drawing = { .output = output, .first = true };
	int r = call_tree_new(profile, &tree);

	if (r < 0)
		return r;
	drawing.tree = tree;
	output_text(output, "{\"name\":\"all\",\"value\":");
	output_u64(output, merged_samples(profile, tree->total[0]));
	output_text(output, ",\"children\":[");
	call_tree_walk(tree, &visitor, &drawing);
	output_text(output, "]}\n");
	return 0;
}
