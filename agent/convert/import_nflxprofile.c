/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/import_nflxprofile.h"

#include <errno.h>
#include <math.h>

#include "convert/foreign_profile.h"
#include "convert/import_step.h"
#include "convert/input_bytes.h"
#include "convert/protobuf_reader.h"

enum {
	NODES_MAX = 16777216,
	NO_ID = UINT32_MAX,
	PATH_NODES_MAX = 4096,
};

/* Numbers of fields. */
enum profile_field {
	PROFILE_START_TIME = 1,
	PROFILE_END_TIME,
	PROFILE_SAMPLES,
	PROFILE_TIME_DELTAS,
	PROFILE_NODES,
	PROFILE_TITLE,
	PROFILE_SAMPLES_CPU = 9,
	PROFILE_SAMPLES_PID,
	PROFILE_SAMPLES_TID,
	PROFILE_IDLE_SAMPLE_COUNT = 13,
};

enum entry_field { ENTRY_KEY = 1, ENTRY_VALUE };
enum node_field {
	NODE_FUNCTION_NAME = 1,
	NODE_CHILDREN = 3,
	NODE_LIBTYPE,
	NODE_PARENT,
	NODE_PID,
	NODE_TID,
	NODE_STACK = 10,
	NODE_FILE
};
enum stack_frame_field { STACK_FRAME_FUNCTION_NAME = 1, STACK_FRAME_LIBTYPE, STACK_FRAME_FILE };
enum file_field { FILE_NAME = 1, FILE_LINE };

struct nflx_node {
	uint32_t id;
	uint32_t parent; /* id, or NO_ID */
	uint32_t frame;
	uint32_t name; /* string of the profile */
	uint32_t pid;
	uint32_t tid;
	uint32_t stack;	  /* its own, or that of its path once it is known */
	uint32_t process; /* string: of the node below the root, once it is known */
	bool has_stack;
	bool is_known;
};

struct nflx_edge {
	uint32_t parent;
	uint32_t child;
};

struct nflx {
	struct input_bytes *input;	 /* borrowed */
	struct foreign_profile *profile; /* borrowed */
	struct bytes_reader message;
	struct row_table nodes;	     /* struct nflx_node, by id */
	struct bytes_writer edges;   /* struct nflx_edge each */
	struct bytes_writer samples; /* uint64_t each, as the next three */
	struct bytes_writer deltas;  /* double each, as bits */
	struct bytes_writer cpus, pids, tids;
	double start_s;
	uint64_t idle_count;
};

static int bad(const struct nflx *nflx, const char *problem)
{
	return input_bytes_bad_offset(nflx->input, bytes_offset(&nflx->message),
				      "no nflxprofile: %s", problem);
}

static int stepped(const struct nflx *nflx, int r)
{
	return r ? import_step_failed(nflx->input, nflx->profile, r) : 0;
}

static struct foreign_text text_of(const struct protobuf_field *field)
{
	return (struct foreign_text){
		.bytes = (const char *)field->bytes.at,
		.size = bytes_left(&field->bytes),
	};
}

static uint32_t id_of(uint64_t value)
{
	return value < NO_ID ? (uint32_t)value : NO_ID;
}

/* --- nodes --------------------------------------------------------------------------------------- */

static uint32_t kinds_of(struct foreign_text libtype)
{
	if (foreign_text_is(libtype, "kernel"))
		return foreign_kinds(WIRE_FRAME_KERNEL, WIRE_MODULE_KERNEL);
	if (foreign_text_is(libtype, "jit"))
		return foreign_kinds(WIRE_FRAME_JIT, WIRE_MODULE_JIT);
	if (foreign_text_is(libtype, "inlined"))
		return foreign_kinds(WIRE_FRAME_INLINED, WIRE_MODULE_UNKNOWN);
	return foreign_kinds(WIRE_FRAME_PROGRAM, WIRE_MODULE_UNKNOWN);
}

/* The parts of a frame, of a node's own or of one in its stack. */
struct frame_parts {
	struct foreign_text name;
	struct foreign_text libtype;
	struct foreign_text file;
	uint64_t line;
};

static void read_file(struct bytes_reader *message, struct frame_parts *parts)
{
	struct protobuf_field field;

	while (protobuf_next(message, &field)) {
		if (field.number == FILE_NAME)
			parts->file = text_of(&field);
		else if (field.number == FILE_LINE)
			parts->line = field.value;
	}
}

static int add_frame(struct nflx *nflx, const struct frame_parts *parts, uint32_t *ret_frame)
{
	uint32_t kinds = kinds_of(parts->libtype);
	struct foreign_frame frame = {
		.name = parts->name.size ? parts->name : foreign_text_of("(no name)"),
		.file = parts->file,
		.line = parts->line <= UINT32_MAX ? (uint32_t)parts->line : 0,
		.kind = kinds & 0xff,
		.module_kind = kinds >> 8,
	};

	return stepped(nflx, foreign_profile_frame(nflx->profile, &frame, ret_frame));
}

static int read_stack_frame(struct nflx *nflx, struct bytes_reader *message, uint32_t *stack)
{
	struct frame_parts parts = { 0 };
	struct protobuf_field field;
	uint32_t frame;
	int r;

	while (protobuf_next(message, &field)) {
		if (field.number == STACK_FRAME_FUNCTION_NAME)
			parts.name = text_of(&field);
		else if (field.number == STACK_FRAME_LIBTYPE)
			parts.libtype = text_of(&field);
		else if (field.number == STACK_FRAME_FILE)
			read_file(&field.bytes, &parts);
	}
	r = add_frame(nflx, &parts, &frame);
	return r ? r : stepped(nflx, foreign_profile_stack(nflx->profile, *stack, frame, stack));
}

static int read_node_field(struct nflx *nflx, struct protobuf_field *field, struct nflx_node *node,
			   struct frame_parts *parts)
{
	uint64_t number;

	switch (field->number) {
	case NODE_FUNCTION_NAME:
		parts->name = text_of(field);
		return 0;
	case NODE_LIBTYPE:
		parts->libtype = text_of(field);
		return 0;
	case NODE_FILE:
		read_file(&field->bytes, parts);
		return 0;
	case NODE_PARENT:
		node->parent = id_of(field->value);
		return 0;
	case NODE_PID:
		node->pid = (uint32_t)(field->value & INT32_MAX);
		return 0;
	case NODE_TID:
		node->tid = (uint32_t)(field->value & INT32_MAX);
		return 0;
	case NODE_STACK:
		node->has_stack = true;
		return read_stack_frame(nflx, &field->bytes, &node->stack);
	case NODE_CHILDREN:
		while (protobuf_next_varint(field, &number)) {
			struct nflx_edge edge = { .parent = node->id, .child = id_of(number) };

			bytes_write(&nflx->edges, &edge, sizeof(edge));
		}
		return nflx->edges.failed ? bad(nflx, "more nodes than can be held") : 0;
	default:
		return 0;
	}
}

static int read_node(struct nflx *nflx, uint32_t id, struct bytes_reader *message)
{
	struct nflx_node node = { .id = id, .parent = NO_ID };
	struct frame_parts parts = { 0 };
	struct protobuf_field field;
	uint32_t row;
	int r = 0;

	while (!r && protobuf_next(message, &field))
		r = read_node_field(nflx, &field, &node, &parts);
	if (!r && message->failed)
		r = bad(nflx, "a node that does not hold");
	if (!r)
		r = stepped(nflx, foreign_profile_string(nflx->profile, parts.name, &node.name));
	if (!r)
		r = add_frame(nflx, &parts, &node.frame);
	if (r < 0)
		return r;
	node.process = node.name;
	node.is_known = node.has_stack;
	r = row_table_add(&nflx->nodes, &node, &row);
	return r > 0 ? bad(nflx, "more nodes than can be held") : r;
}

/* An entry of a map is a message of key and value, in any order. */
static int read_entry(struct nflx *nflx, struct bytes_reader *message)
{
	struct protobuf_field field;
	struct bytes_reader value = { 0 };
	uint32_t id = 0;

	while (protobuf_next(message, &field)) {
		if (field.number == ENTRY_KEY)
			id = id_of(field.value);
		else if (field.number == ENTRY_VALUE)
			value = field.bytes;
	}
	return message->failed ? bad(nflx, "a node that does not hold")
			       : read_node(nflx, id, &value);
}

static struct nflx_node *node_of(struct nflx *nflx, uint32_t id)
{
	struct nflx_node wanted = { .id = id };
	uint32_t row = row_table_find(&nflx->nodes, &wanted);

	/* The table is ours: only the key must stay. */
	return row ? (struct nflx_node *)row_table_row(&nflx->nodes, row) : NULL;
}

static void connect(struct nflx *nflx)
{
	const struct nflx_edge *edges = (const struct nflx_edge *)nflx->edges.bytes;

	for (size_t i = 0; i < nflx->edges.size / sizeof(*edges); i++) {
		struct nflx_node *child = node_of(nflx, edges[i].child);

		if (child && child->parent == NO_ID)
			child->parent = edges[i].parent;
	}
}

/* By the nodes above it: the root says nothing, the one below it is the process. */
static int resolve(struct nflx *nflx, struct nflx_node *node)
{
	struct nflx_node *path[PATH_NODES_MAX];
	uint32_t count = 0, stack = 0, process = 0;
	int r = 0;

	while (node && !node->is_known && count < PATH_NODES_MAX) {
		path[count++] = node;
		node->is_known = true; /* which ends a circle, too */
		node = node->parent == NO_ID ? NULL : node_of(nflx, node->parent);
	}
	if (node) {
		stack = node->stack;
		process = node->process;
	}
	while (count && !r) {
		struct nflx_node *next = path[--count];
		struct foreign_text name = foreign_profile_text(nflx->profile, next->name);

		if (next->parent == NO_ID && foreign_text_is(name, "root"))
			process = 0;
		else if (!process)
			process = next->name;
		else
			r = stepped(nflx, foreign_profile_stack(nflx->profile, stack, next->frame,
								&stack));
		next->stack = stack;
		next->process = process;
	}
	return r;
}

/* --- samples ------------------------------------------------------------------------------------- */

static uint64_t number_at(const struct bytes_writer *numbers, size_t index, uint64_t otherwise)
{
	const uint64_t *all = (const uint64_t *)numbers->bytes;

	return index < numbers->size / sizeof(*all) ? all[index] : otherwise;
}

static int add_sample(struct nflx *nflx, size_t index, double time_s)
{
	struct nflx_node *node = node_of(nflx, id_of(number_at(&nflx->samples, index, NO_ID)));
	uint64_t cpu = number_at(&nflx->cpus, index, FOREIGN_CPU_UNKNOWN);
	struct foreign_sample sample = {
		.time_us = (int64_t)(time_s * 1e6),
		.count = 1,
		.cpu = cpu < WIRE_CPUS_MAX ? (uint16_t)cpu : FOREIGN_CPU_UNKNOWN,
	};
	uint32_t pid, tid, process = 0;
	int r = node && !node->is_known ? resolve(nflx, node) : 0;

	if (r < 0)
		return r;
	if (node) {
		sample.stack = node->stack;
		process = node->process;
	}
	pid = (uint32_t)(number_at(&nflx->pids, index, node ? node->pid : 0) & INT32_MAX);
	tid = (uint32_t)(number_at(&nflx->tids, index, node && node->tid ? node->tid : pid) &
			 INT32_MAX);
	r = foreign_profile_thread(nflx->profile, pid ? pid : FOREIGN_PID_UNKNOWN, tid,
				   foreign_profile_text(nflx->profile, process), &sample.thread);
	if (!r)
		r = foreign_profile_sample(nflx->profile, &sample);
	return stepped(nflx, r);
}

static int add_samples(struct nflx *nflx)
{
	size_t count = nflx->samples.size / sizeof(uint64_t);
	double time_s = nflx->start_s;
	uint32_t event;
	int r = stepped(nflx,
			foreign_profile_event(nflx->profile, foreign_text_of("samples"), &event));

	for (size_t i = 0; i < count && !r; i++) {
		time_s += protobuf_double(number_at(&nflx->deltas, i, 0));
		if (!(time_s >= 0 && time_s <= (double)FOREIGN_TIME_MAX_US / 1e6))
			return bad(nflx, "a sample at a time that cannot be");
		r = add_sample(nflx, i, time_s);
	}
	if (!r)
		nflx->profile->events[event].idle_count = nflx->idle_count;
	return r;
}

/* --- the whole ----------------------------------------------------------------------------------- */

static void read_varints(struct protobuf_field *field, struct bytes_writer *numbers)
{
	uint64_t number;

	while (protobuf_next_varint(field, &number))
		bytes_write(numbers, &number, sizeof(number));
}

static void read_doubles(struct protobuf_field *field, struct bytes_writer *numbers)
{
	if (field->type == PROTOBUF_FIXED64)
		bytes_write(numbers, &field->value, sizeof(field->value));
	while (field->type == PROTOBUF_BYTES && bytes_left(&field->bytes) >= sizeof(uint64_t)) {
		uint64_t value = bytes_read_u64(&field->bytes);

		bytes_write(numbers, &value, sizeof(value));
	}
}

static int read_field(struct nflx *nflx, struct protobuf_field *field)
{
	switch (field->number) {
	case PROFILE_START_TIME:
		nflx->start_s = protobuf_double(field->value);
		return 0;
	case PROFILE_SAMPLES:
		read_varints(field, &nflx->samples);
		return 0;
	case PROFILE_TIME_DELTAS:
		read_doubles(field, &nflx->deltas);
		return 0;
	case PROFILE_NODES:
		return read_entry(nflx, &field->bytes);
	case PROFILE_TITLE:
		if (bytes_left(&field->bytes))
			foreign_text_keep(nflx->profile->facts.title, text_of(field));
		return 0;
	case PROFILE_SAMPLES_CPU:
		read_varints(field, &nflx->cpus);
		return 0;
	case PROFILE_SAMPLES_PID:
		read_varints(field, &nflx->pids);
		return 0;
	case PROFILE_SAMPLES_TID:
		read_varints(field, &nflx->tids);
		return 0;
	case PROFILE_IDLE_SAMPLE_COUNT:
		nflx->idle_count = field->value & UINT32_MAX;
		return 0;
	default:
		return 0;
	}
}

static int read_all(struct nflx *nflx, struct bytes_reader whole)
{
	struct protobuf_field field;
	int r = 0;

	nflx->message = whole;
	while (!r && protobuf_next(&nflx->message, &field))
		r = read_field(nflx, &field);
	if (!r && nflx->message.failed)
		r = bad(nflx, "damaged, or cut");
	if (!r && (nflx->samples.failed || nflx->deltas.failed))
		r = bad(nflx, "more samples than can be held");
	if (r < 0)
		return r;
	connect(nflx);
	return add_samples(nflx);
}

int import_nflxprofile(struct input_bytes *input, struct foreign_profile *profile)
{
	const size_t samples_max = (size_t)FOREIGN_SAMPLES_MAX * sizeof(uint64_t);
	CLEANUP(bytes_writer_free) struct bytes_writer whole = { 0 };
	struct nflx nflx = {
		.input = input,
		.profile = profile,
		.nodes = row_table_of(sizeof(struct nflx_node), sizeof(uint32_t), NODES_MAX),
		.edges = bytes_writer_with_max((size_t)NODES_MAX * sizeof(struct nflx_edge)),
		.samples = bytes_writer_with_max(samples_max),
		.deltas = bytes_writer_with_max(samples_max),
		.cpus = bytes_writer_with_max(samples_max),
		.pids = bytes_writer_with_max(samples_max),
		.tids = bytes_writer_with_max(samples_max),
	};
	int r = input_bytes_whole(input, &whole);

	if (!r)
		r = read_all(&nflx, bytes_reader_of(whole.bytes, whole.size));
	row_table_free(&nflx.nodes);
	bytes_writer_free(&nflx.edges);
	bytes_writer_free(&nflx.samples);
	bytes_writer_free(&nflx.deltas);
	bytes_writer_free(&nflx.cpus);
	bytes_writer_free(&nflx.pids);
	bytes_writer_free(&nflx.tids);
	return r;
}

bool import_nflxprofile_knows(const struct foreign_text *front)
{
	struct bytes_reader message = bytes_reader_of(front->bytes, front->size);
	struct protobuf_field start, end;

	return protobuf_next(&message, &start) && protobuf_next(&message, &end) &&
	       start.number == PROFILE_START_TIME && start.type == PROTOBUF_FIXED64 &&
	       end.number == PROFILE_END_TIME && end.type == PROTOBUF_FIXED64;
}
