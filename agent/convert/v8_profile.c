/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/v8_profile.h"

#include <errno.h>
#include <string.h>

#include "convert/foreign_profile.h"
#include "convert/json_reader.h"

enum {
	NO_ID = UINT32_MAX,
	/* Nodes above one another that are followed; deeper stacks begin there. */
	PATH_MAX_NODES = 4096,
};

struct v8_node {
	uint32_t id;
	uint32_t parent; /* id, or NO_ID */
	uint32_t frame;	 /* 0: none, as of the root */
	uint32_t stack;
	bool is_idle;
	bool is_known; /* stack is */
};

struct v8_edge {
	uint32_t parent;
	uint32_t child;
};

struct v8_sample {
	int64_t time_us;
	uint32_t node; /* id */
	uint32_t reserved;
};

/* --- a part -------------------------------------------------------------------------------------- */

void v8_part_open(struct v8_part *part)
{
	part->nodes = bytes_writer_with_max((size_t)V8_NODES_MAX * sizeof(struct v8_node));
	part->children = bytes_writer_with_max((size_t)V8_NODES_MAX * sizeof(struct v8_edge));
	part->samples = bytes_writer_with_max((size_t)V8_SAMPLES_MAX * sizeof(uint32_t));
	part->deltas = bytes_writer_with_max((size_t)V8_SAMPLES_MAX * sizeof(int64_t));
	part->times = bytes_writer_with_max((size_t)V8_SAMPLES_MAX * sizeof(int64_t));
	part->start_us = -1;
}

void v8_part_close(struct v8_part *part)
{
	bytes_writer_free(&part->nodes);
	bytes_writer_free(&part->children);
	bytes_writer_free(&part->samples);
	bytes_writer_free(&part->deltas);
	bytes_writer_free(&part->times);
}

void v8_part_clear(struct v8_part *part)
{
	bytes_writer_clear(&part->nodes);
	bytes_writer_clear(&part->children);
	bytes_writer_clear(&part->samples);
	bytes_writer_clear(&part->deltas);
	bytes_writer_clear(&part->times);
	part->start_us = -1;
}

bool v8_part_is_empty(const struct v8_part *part)
{
	return !part->nodes.size && !part->samples.size && part->start_us < 0;
}

static uint32_t id_of(const struct json_token *token)
{
	return token->kind == JSON_NUMBER && token->integer >= 0 && token->integer < NO_ID
		       ? (uint32_t)token->integer
		       : NO_ID;
}

/* What is read of a node, in whatever order its members come. */
struct node_text {
	uint32_t name; /* strings of the profile */
	uint32_t url;
	int64_t line; /* from 0; below: unknown */
};

static int take_string(struct foreign_profile *profile, const struct json_token *token,
		       uint32_t *ret_string)
{
	return token->kind == JSON_STRING ? foreign_profile_string(profile, token->text, ret_string)
					  : 0;
}

/* A member of a node, or of its callFrame. Returns 0, V8_OTHER_KEY, an outcome, or -errno. */
static int read_place(struct foreign_profile *profile, struct json_reader *reader,
		      const struct json_token *key, struct node_text *text)
{
	struct json_token token;
	bool is_name = json_key_is(key, "functionName"), is_url = json_key_is(key, "url");
	int r;

	if (!is_name && !is_url && !json_key_is(key, "lineNumber"))
		return V8_OTHER_KEY;
	r = json_next(reader, &token);
	if (r < 0)
		return r;
	if (is_name || is_url)
		r = take_string(profile, &token, is_name ? &text->name : &text->url);
	else if (token.kind == JSON_NUMBER)
		text->line = token.integer;
	if (r > 0)
		return json_bad(reader, "it has more names than can be held: split it");
	return r < 0 ? r : json_skip(reader, &token);
}

static int skip_value(struct json_reader *reader)
{
	struct json_token token;
	int r = json_next(reader, &token);

	return r < 0 ? r : json_skip(reader, &token);
}

static int read_call_frame(struct foreign_profile *profile, struct json_reader *reader,
			   struct node_text *text)
{
	struct json_token token;
	int r = json_next(reader, &token);

	if (r < 0 || token.kind != JSON_OBJECT)
		return r < 0 ? r : json_skip(reader, &token);
	while (!(r = json_next(reader, &token)) && token.kind == JSON_KEY) {
		r = read_place(profile, reader, &token, text);
		if (r == V8_OTHER_KEY)
			r = skip_value(reader);
		if (r < 0)
			return r;
	}
	return r;
}

/* V8's own words for time that is spent in no function: they stay as they are. */
static int make_frame(struct foreign_profile *profile, const struct node_text *text,
		      struct v8_node *node)
{
	struct foreign_text name = foreign_profile_text(profile, text->name);
	struct foreign_frame_row row = {
		.name = text->name,
		.module = text->url,
		.file = text->url,
		.line = text->line >= 0 && text->line < UINT32_MAX ? (uint32_t)text->line + 1 : 0,
		.kinds = foreign_kinds(WIRE_FRAME_JIT, WIRE_MODULE_JIT),
	};
	int r = 0;

	node->is_idle = foreign_text_is(name, "(idle)");
	if (foreign_text_is(name, "(root)"))
		return 0;
	if (!row.name)
		r = foreign_profile_string(profile, foreign_text_of("(anonymous)"), &row.name);
	if (!text->url)
		row.kinds = foreign_kinds(WIRE_FRAME_PROGRAM, WIRE_MODULE_UNKNOWN);
	return r ? r : foreign_profile_frame_row(profile, &row, &node->frame);
}

static int read_node(struct v8_part *part, struct foreign_profile *profile,
		     struct json_reader *reader, uint32_t parent);

/* Ids of nodes, or the nodes themselves in the older form: then @node must have its id by now. */
static int read_children(struct v8_part *part, struct foreign_profile *profile,
			 struct json_reader *reader, const struct v8_node *node,
			 struct bytes_writer *waiting)
{
	struct json_token token;
	int r = json_next(reader, &token);

	if (r < 0 || token.kind != JSON_ARRAY)
		return r < 0 ? r : json_skip(reader, &token);
	while (!(r = json_next(reader, &token)) && token.kind != JSON_ARRAY_END) {
		uint32_t child = id_of(&token);

		if (token.kind == JSON_OBJECT)
			r = read_node(part, profile, reader, node->id);
		else if (token.kind == JSON_NUMBER)
			bytes_write(waiting, &child, sizeof(child));
		else
			r = json_skip(reader, &token);
		if (r < 0)
			return r;
	}
	return r;
}

static void note_children(struct v8_part *part, uint32_t parent, const struct bytes_writer *waiting)
{
	const uint32_t *ids = (const uint32_t *)waiting->bytes;

	for (size_t i = 0; i < waiting->size / sizeof(*ids); i++) {
		struct v8_edge edge = { .parent = parent, .child = ids[i] };

		bytes_write(&part->children, &edge, sizeof(edge));
	}
}

static int read_node_key(struct v8_part *part, struct foreign_profile *profile,
			 struct json_reader *reader, const struct json_token *key,
			 struct v8_node *node, struct node_text *text, struct bytes_writer *waiting)
{
	struct json_token token;
	bool is_id = json_key_is(key, "id");
	int r;

	if (json_key_is(key, "callFrame"))
		return read_call_frame(profile, reader, text);
	if (json_key_is(key, "children"))
		return read_children(part, profile, reader, node, waiting);
	if (is_id || json_key_is(key, "parent")) {
		r = json_next(reader, &token);
		if (r < 0)
			return r;
		if (is_id)
			node->id = id_of(&token);
		else
			node->parent = id_of(&token);
		return json_skip(reader, &token);
	}
	r = read_place(profile, reader, key, text);
	return r == V8_OTHER_KEY ? skip_value(reader) : r;
}

/* Behind the brace that opens it. Recursion is bounded by JSON_DEPTH_MAX. */
static int read_node(struct v8_part *part, struct foreign_profile *profile,
		     struct json_reader *reader, uint32_t parent)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer waiting = bytes_writer_with_max(V8_NODES_MAX * sizeof(uint32_t));
	struct v8_node node = { .id = NO_ID, .parent = parent };
	struct node_text text = { .line = -1 };
	struct json_token token;
	int r;

	while (!(r = json_next(reader, &token)) && token.kind == JSON_KEY) {
		r = read_node_key(part, profile, reader, &token, &node, &text, &waiting);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	if (node.id == NO_ID)
		return json_bad(reader, "a node without an id");
	r = make_frame(profile, &text, &node);
	if (r)
		return r < 0 ? r : json_bad(reader, "it has more functions than can be held");
	note_children(part, node.id, &waiting);
	bytes_write(&part->nodes, &node, sizeof(node));
	return part->nodes.failed || part->children.failed || waiting.failed
		       ? json_bad(reader, "it has more nodes than can be held")
		       : 0;
}

static int read_nodes(struct v8_part *part, struct foreign_profile *profile,
		      struct json_reader *reader)
{
	struct json_token token;
	int r = json_next(reader, &token);

	if (r < 0)
		return r;
	if (token.kind == JSON_OBJECT) /* "head": the root of the older form */
		return read_node(part, profile, reader, NO_ID);
	if (token.kind != JSON_ARRAY)
		return json_skip(reader, &token);
	while (!(r = json_next(reader, &token)) && token.kind != JSON_ARRAY_END) {
		r = token.kind == JSON_OBJECT ? read_node(part, profile, reader, NO_ID)
					      : json_skip(reader, &token);
		if (r < 0)
			return r;
	}
	return r;
}

/* An array of numbers; @is_ids: as uint32_t, else as int64_t. */
static int read_numbers(struct json_reader *reader, struct bytes_writer *numbers, bool is_ids)
{
	struct json_token token;
	int r = json_next(reader, &token);

	if (r < 0 || token.kind != JSON_ARRAY)
		return r < 0 ? r : json_skip(reader, &token);
	while (!(r = json_next(reader, &token)) && token.kind != JSON_ARRAY_END) {
		uint32_t id = id_of(&token);

		if (token.kind != JSON_NUMBER)
			return json_bad(reader, "a number belongs here");
		if (is_ids)
			bytes_write(numbers, &id, sizeof(id));
		else
			bytes_write(numbers, &token.integer, sizeof(token.integer));
	}
	if (r < 0)
		return r;
	return numbers->failed ? json_bad(reader, "it has more samples than can be held") : 0;
}

int v8_part_read(struct v8_part *part, struct foreign_profile *profile, struct json_reader *reader,
		 const struct json_token *key)
{
	struct json_token token;
	int r;

	if (json_key_is(key, "nodes") || json_key_is(key, "head"))
		return read_nodes(part, profile, reader);
	if (json_key_is(key, "samples"))
		return read_numbers(reader, &part->samples, true);
	if (json_key_is(key, "timeDeltas"))
		return read_numbers(reader, &part->deltas, false);
	if (json_key_is(key, "timestamps"))
		return read_numbers(reader, &part->times, false);
	if (!json_key_is(key, "startTime"))
		return V8_OTHER_KEY;
	r = json_next(reader, &token);
	if (r < 0)
		return r;
	/* The older form counts seconds here; its samples have times of their own. */
	if (token.kind == JSON_NUMBER && token.integer >= 0 && token.integer <= FOREIGN_TIME_MAX_US)
		part->start_us = token.integer;
	return json_skip(reader, &token);
}

/* --- a profile ----------------------------------------------------------------------------------- */

void v8_profile_open(struct v8_profile *v8)
{
	v8->nodes = row_table_of(sizeof(struct v8_node), sizeof(uint32_t), V8_NODES_MAX);
	v8->samples = bytes_writer_with_max((size_t)V8_SAMPLES_MAX * sizeof(struct v8_sample));
	v8->last_us = 0;
}

void v8_profile_close(struct v8_profile *v8)
{
	row_table_free(&v8->nodes);
	bytes_writer_free(&v8->samples);
}

static struct v8_node *node_of(struct v8_profile *v8, uint32_t id)
{
	struct v8_node wanted = { .id = id };
	uint32_t row = row_table_find(&v8->nodes, &wanted);

	/* The table is ours: only the key must stay. */
	return row ? (struct v8_node *)row_table_row(&v8->nodes, row) : NULL;
}

static int add_nodes(struct v8_profile *v8, const struct v8_part *part)
{
	const struct v8_node *nodes = (const struct v8_node *)part->nodes.bytes;
	const struct v8_edge *edges = (const struct v8_edge *)part->children.bytes;
	uint32_t row;
	int r = 0;

	for (size_t i = 0; i < part->nodes.size / sizeof(*nodes) && !r; i++)
		r = row_table_add(&v8->nodes, &nodes[i], &row);
	for (size_t i = 0; i < part->children.size / sizeof(*edges) && !r; i++) {
		struct v8_node *child = node_of(v8, edges[i].child);

		if (child && child->parent == NO_ID)
			child->parent = edges[i].parent;
	}
	return r;
}

int v8_profile_add(struct v8_profile *v8, const struct v8_part *part)
{
	const uint32_t *ids = (const uint32_t *)part->samples.bytes;
	const int64_t *deltas = (const int64_t *)part->deltas.bytes;
	const int64_t *times = (const int64_t *)part->times.bytes;
	size_t delta_count = part->deltas.size / sizeof(*deltas);
	size_t time_count = part->times.size / sizeof(*times);
	int r = add_nodes(v8, part);

	if (r)
		return r;
	if (part->start_us >= 0)
		v8->last_us = part->start_us;
	for (size_t i = 0; i < part->samples.size / sizeof(*ids); i++) {
		struct v8_sample sample = { .node = ids[i] };

		if (i < time_count)
			v8->last_us = times[i];
		else if (i < delta_count &&
			 __builtin_add_overflow(v8->last_us, deltas[i], &v8->last_us))
			v8->last_us = INT64_MAX;
		sample.time_us = v8->last_us;
		bytes_write(&v8->samples, &sample, sizeof(sample));
	}
	return v8->samples.failed ? -ENOMEM : 0;
}

/* The stack of @node, by those above it. Nodes that stand above themselves have no parent. */
static int resolve(struct v8_profile *v8, struct foreign_profile *profile, struct v8_node *node)
{
	struct v8_node *path[PATH_MAX_NODES];
	uint32_t count = 0, stack = 0;
	int r = 0;

	while (node && !node->is_known && count < PATH_MAX_NODES) {
		path[count++] = node;
		/* In the path already: that is enough to end a circle. */
		node->is_known = true;
		node = node->parent == NO_ID ? NULL : node_of(v8, node->parent);
	}
	stack = node ? node->stack : 0;
	while (count && !r) {
		struct v8_node *next = path[--count];

		if (next->frame)
			r = foreign_profile_stack(profile, stack, next->frame, &stack);
		next->stack = stack;
	}
	return r;
}

int v8_profile_emit(struct v8_profile *v8, struct foreign_profile *profile, uint32_t thread,
		    uint32_t event)
{
	const struct v8_sample *samples = (const struct v8_sample *)v8->samples.bytes;
	int r = 0;

	for (size_t i = 0; i < v8->samples.size / sizeof(*samples) && !r; i++) {
		struct v8_node *node = node_of(v8, samples[i].node);
		struct foreign_sample sample = {
			.time_us = samples[i].time_us,
			.count = 1,
			.cpu = FOREIGN_CPU_UNKNOWN,
			.thread = thread,
			.event = (uint16_t)event,
		};

		if (sample.time_us < 0 || sample.time_us > FOREIGN_TIME_MAX_US)
			return -ERANGE;
		if (node && node->is_idle) {
			foreign_profile_idle(profile, event);
			continue;
		}
		if (node && !node->is_known)
			r = resolve(v8, profile, node);
		sample.stack = node ? node->stack : 0;
		if (!r)
			r = foreign_profile_sample(profile, &sample);
	}
	return r;
}
