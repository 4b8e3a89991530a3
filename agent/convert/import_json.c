/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/import_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/foreign_profile.h"
#include "convert/import_step.h"
#include "convert/input_bytes.h"
#include "convert/json_reader.h"
#include "convert/trace_slices.h"
#include "convert/v8_profile.h"

enum {
	PROFILES_MAX = 256, /* CPU profiles in one trace */
	THREADS_MAX = 1048576,
	OPEN_MAX = 4194304, /* begun and not ended */
	NAME_MAX_SIZE = 64, /* of an event's phase, or a profile's id */
};

/* A thread of the trace, or, with tid 0 and is_process, the name of a process. */
struct trace_thread {
	uint32_t pid;
	uint32_t tid;
	uint32_t is_process;
	uint32_t name; /* string of the foreign profile */
	uint32_t open; /* the innermost slice that has begun: 1 + its index; 0: none */
	uint32_t id;   /* thread of the foreign profile; 0: not yet */
};

struct trace_open {
	int64_t begin_us;
	uint32_t frame;
	uint32_t below; /* 1 + index */
};

struct trace_profile {
	uint32_t pid;
	uint32_t tid;
	char id[NAME_MAX_SIZE];
	struct v8_profile v8;
};

/* An object that is a trace event or a CPU profile, as far as it was read. */
struct json_object {
	char phase[NAME_MAX_SIZE];
	char id[NAME_MAX_SIZE];
	uint32_t name;	     /* string */
	uint32_t given_name; /* args.name: what "thread_name" names it */
	uint32_t pid;
	uint32_t tid;
	double ts_us;
	double dur_us; /* below 0: none */
	bool has_ts;
	struct v8_part part;
};

struct json_import {
	struct input_bytes *input;	 /* borrowed */
	struct foreign_profile *profile; /* borrowed */
	struct json_reader reader;
	struct json_object object;
	struct trace_profile *profiles[PROFILES_MAX]; /* owned */
	uint32_t profile_count;
	struct row_table threads; /* struct trace_thread */
	struct bytes_writer open; /* struct trace_open each; never freed one by one */
	uint32_t free_open;	  /* 1 + index of the first that is not in use */
	struct trace_slices slices;
	int64_t last_us;
	uint64_t objects; /* that were something */
};

static int limit_reached(struct json_import *import, const char *what)
{
	char problem[128];

	snprintf(problem, sizeof(problem), "it has more %s than can be held: split it", what);
	return json_bad(&import->reader, problem);
}

static int stepped(struct json_import *import, int r)
{
	return r ? import_step_failed(import->input, import->profile, r) : 0;
}

/* --- members of an object ------------------------------------------------------------------------ */

static void keep(char target[NAME_MAX_SIZE], struct foreign_text text)
{
	size_t size = text.size < NAME_MAX_SIZE ? text.size : NAME_MAX_SIZE - 1;

	if (size)
		memcpy(target, text.bytes, size);
	target[size] = '\0';
}

static uint32_t number_id(const struct json_token *token)
{
	return token->integer >= 0 && token->integer <= UINT32_MAX ? (uint32_t)token->integer : 0;
}

static int read_profile_object(struct json_import *import);

/* args, args.data, and what they hold: all that matters has a name of its own. */
static int read_arguments(struct json_import *import)
{
	struct json_object *object = &import->object;
	struct json_reader *reader = &import->reader;
	struct json_token token;
	int r = json_next(reader, &token);

	if (r < 0 || token.kind != JSON_OBJECT)
		return r < 0 ? r : json_skip(reader, &token);
	while (!(r = json_next(reader, &token)) && token.kind == JSON_KEY) {
		if (json_key_is(&token, "data") || json_key_is(&token, "args")) {
			r = read_arguments(import);
		} else if (json_key_is(&token, "cpuProfile")) {
			r = read_profile_object(import);
		} else if (json_key_is(&token, "name")) {
			r = json_next(reader, &token);
			if (!r && token.kind == JSON_STRING)
				r = stepped(import,
					    foreign_profile_string(import->profile, token.text,
								   &object->given_name));
			else if (!r)
				r = json_skip(reader, &token);
		} else {
			r = v8_part_read(&object->part, import->profile, reader, &token);
			if (r == V8_OTHER_KEY)
				r = json_next(reader, &token);
			if (!r)
				r = json_skip(reader, &token);
		}
		if (r < 0)
			return r;
	}
	return r;
}

static int read_profile_object(struct json_import *import)
{
	struct json_reader *reader = &import->reader;
	struct json_token token;
	int r = json_next(reader, &token);

	if (r < 0 || token.kind != JSON_OBJECT)
		return r < 0 ? r : json_skip(reader, &token);
	while (!(r = json_next(reader, &token)) && token.kind == JSON_KEY) {
		r = v8_part_read(&import->object.part, import->profile, reader, &token);
		if (r == V8_OTHER_KEY) {
			r = json_next(reader, &token);
			if (!r)
				r = json_skip(reader, &token);
		}
		if (r < 0)
			return r;
	}
	return r;
}

/* The members of a trace event that are plain values. */
static int take_plain(struct json_import *import, const char *key, const struct json_token *token)
{
	struct json_object *object = &import->object;
	bool is_number = token->kind == JSON_NUMBER;

	if (strcmp(key, "ph") == 0 && token->kind == JSON_STRING)
		keep(object->phase, token->text);
	else if (strcmp(key, "id") == 0 && token->kind == JSON_STRING)
		keep(object->id, token->text);
	else if (strcmp(key, "id") == 0 && is_number)
		snprintf(object->id, sizeof(object->id), "%lld", (long long)token->integer);
	else if (strcmp(key, "name") == 0 && token->kind == JSON_STRING)
		return stepped(import,
			       foreign_profile_string(import->profile, token->text, &object->name));
	else if (strcmp(key, "pid") == 0 && is_number)
		object->pid = number_id(token);
	else if (strcmp(key, "tid") == 0 && is_number)
		object->tid = number_id(token);
	else if (strcmp(key, "dur") == 0 && is_number)
		object->dur_us = token->number;
	else if (strcmp(key, "ts") == 0 && is_number) {
		object->ts_us = token->number;
		object->has_ts = true;
	}
	return json_skip(&import->reader, token);
}

static int read_member(struct json_import *import, const struct json_token *key)
{
	struct json_token token;
	char name[NAME_MAX_SIZE];
	int r;

	if (json_key_is(key, "args"))
		return read_arguments(import);
	r = v8_part_read(&import->object.part, import->profile, &import->reader, key);
	if (r != V8_OTHER_KEY)
		return r;
	keep(name, key->text);
	r = json_next(&import->reader, &token);
	return r < 0 ? r : take_plain(import, name, &token);
}

/* --- CPU profiles -------------------------------------------------------------------------------- */

/* Pieces of one profile have its id and process; the thread is that of its first piece. */
static int find_profile(struct json_import *import, struct v8_profile **ret_v8)
{
	const struct json_object *object = &import->object;
	struct trace_profile *one;

	for (uint32_t i = 0; i < import->profile_count && object->phase[0]; i++) {
		one = import->profiles[i];
		if (one->pid == object->pid && strcmp(one->id, object->id) == 0) {
			*ret_v8 = &one->v8;
			return 0;
		}
	}
	if (import->profile_count == PROFILES_MAX)
		return limit_reached(import, "CPU profiles");
	one = calloc(1, sizeof(*one));
	if (!one)
		return -ENOMEM;
	one->pid = object->pid;
	one->tid = object->tid;
	memcpy(one->id, object->id, sizeof(one->id));
	v8_profile_open(&one->v8);
	import->profiles[import->profile_count++] = one;
	*ret_v8 = &one->v8;
	return 0;
}

/* Other events have members of these names too. */
static bool is_of_profile(const struct json_import *import)
{
	struct foreign_text name = foreign_profile_text(import->profile, import->object.name);

	return !import->object.phase[0] || foreign_text_is(name, "Profile") ||
	       foreign_text_is(name, "ProfileChunk") || foreign_text_is(name, "CpuProfile");
}

static int end_part(struct json_import *import)
{
	struct v8_profile *v8 = NULL;
	int r;

	if (v8_part_is_empty(&import->object.part) || !is_of_profile(import))
		return 0;
	r = find_profile(import, &v8);
	if (r < 0)
		return r;
	r = v8_profile_add(v8, &import->object.part);
	import->objects++;
	return r > 0 ? limit_reached(import, "nodes") : r;
}

/* --- trace events -------------------------------------------------------------------------------- */

/* The thread of the object, or the process. */
static int find_thread(struct json_import *import, bool is_process, uint32_t *ret_row)
{
	struct trace_thread row = {
		.pid = import->object.pid,
		.tid = is_process ? 0 : import->object.tid,
		.is_process = is_process,
	};
	int r = row_table_add(&import->threads, &row, ret_row);

	return r == ROW_TABLE_FULL ? limit_reached(import, "threads") : r;
}

static struct trace_thread *thread_at(struct json_import *import, uint32_t row)
{
	/* The table is ours: only the key must stay. */
	return (struct trace_thread *)row_table_row(&import->threads, row);
}

static int add_slice(struct json_import *import, uint32_t thread, uint32_t frame, int64_t begin_us,
		     int64_t end_us)
{
	struct trace_slice slice = {
		.thread = thread,
		.frame = frame,
		.begin_us = begin_us,
		.end_us = end_us,
	};

	if (end_us <= begin_us)
		return 0;
	trace_slices_add(&import->slices, &slice);
	return import->slices.slices.failed ? limit_reached(import, "events") : 0;
}

static int frame_of_object(struct json_import *import, uint32_t *ret_frame)
{
	struct foreign_frame_row row = {
		.name = import->object.name,
		.kinds = foreign_kinds(WIRE_FRAME_PROGRAM, WIRE_MODULE_UNKNOWN),
	};
	int r = 0;

	if (!row.name)
		r = foreign_profile_string(import->profile, foreign_text_of("(no name)"),
					   &row.name);
	if (!r)
		r = foreign_profile_frame_row(import->profile, &row, ret_frame);
	return stepped(import, r);
}

static int begin_slice(struct json_import *import, int64_t begin_us)
{
	struct trace_open open = { .begin_us = begin_us };
	uint32_t thread, index = import->free_open;
	struct trace_open *place;
	int r = find_thread(import, false, &thread);

	if (!r)
		r = frame_of_object(import, &open.frame);
	if (r < 0)
		return r;
	if (index) {
		place = (struct trace_open *)import->open.bytes + (index - 1);
		import->free_open = place->below;
	} else {
		place = bytes_writer_extend(&import->open, sizeof(*place));
		index = (uint32_t)(import->open.size / sizeof(*place));
	}
	if (!place)
		return limit_reached(import, "events without an end");
	open.below = thread_at(import, thread)->open;
	*place = open;
	thread_at(import, thread)->open = index;
	return 0;
}

static int end_slice(struct json_import *import, uint32_t thread, int64_t end_us)
{
	struct trace_thread *row = thread_at(import, thread);
	struct trace_open *place, open;
	uint32_t index = row->open;

	if (!index)
		return 0; /* it began before the trace did */
	place = (struct trace_open *)import->open.bytes + (index - 1);
	open = *place;
	row->open = open.below;
	place->below = import->free_open;
	import->free_open = index;
	return add_slice(import, thread, open.frame, open.begin_us, end_us);
}

static int name_thread(struct json_import *import, bool is_process)
{
	uint32_t row;
	int r = find_thread(import, is_process, &row);

	if (!r)
		thread_at(import, row)->name = import->object.given_name;
	return r;
}

static int end_event(struct json_import *import)
{
	struct json_object *object = &import->object;
	struct foreign_text name = foreign_profile_text(import->profile, object->name);
	int64_t begin_us;
	uint32_t thread, frame;
	int r;

	if (strcmp(object->phase, "M") == 0 && object->given_name) {
		if (foreign_text_is(name, "thread_name"))
			return name_thread(import, false);
		return foreign_text_is(name, "process_name") ? name_thread(import, true) : 0;
	}
	if (!object->phase[0])
		return 0;
	import->objects++;
	if (!object->has_ts || object->phase[1] || !strchr("BEX", object->phase[0]))
		return 0;
	if (!(object->ts_us >= 0 && object->ts_us <= (double)FOREIGN_TIME_MAX_US))
		return json_bad(&import->reader, "an event at a time that cannot be");
	begin_us = (int64_t)object->ts_us;
	if (begin_us > import->last_us)
		import->last_us = begin_us;
	if (object->phase[0] == 'B')
		return begin_slice(import, begin_us);
	r = find_thread(import, false, &thread);
	if (r < 0 || object->phase[0] == 'E')
		return r < 0 ? r : end_slice(import, thread, begin_us);
	r = frame_of_object(import, &frame);
	if (r < 0 || !(object->dur_us > 0))
		return r;
	if (object->dur_us > (double)FOREIGN_TIME_MAX_US - object->ts_us)
		return json_bad(&import->reader, "an event at a time that cannot be");
	return add_slice(import, thread, frame, begin_us,
			 (int64_t)(object->ts_us + object->dur_us));
}

/* --- structure ----------------------------------------------------------------------------------- */

static void clear_object(struct json_object *object)
{
	object->phase[0] = object->id[0] = '\0';
	object->name = object->given_name = 0;
	object->pid = object->tid = 0;
	object->has_ts = false;
	object->dur_us = -1;
	v8_part_clear(&object->part);
}

static int end_object(struct json_import *import)
{
	int r = end_part(import);

	return r < 0 ? r : end_event(import);
}

/* The rest of an object that has been opened. */
static int read_object(struct json_import *import)
{
	struct json_token token;
	int r;

	clear_object(&import->object);
	while (!(r = json_next(&import->reader, &token)) && token.kind == JSON_KEY) {
		r = read_member(import, &token);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : end_object(import);
}

/* The rest of an array of events or profiles that has been opened. */
static int read_array(struct json_import *import)
{
	struct json_token token;
	int r;

	while (!(r = json_next(&import->reader, &token)) && token.kind != JSON_ARRAY_END) {
		r = token.kind == JSON_OBJECT ? read_object(import)
					      : json_skip(&import->reader, &token);
		if (r < 0)
			return r;
	}
	return r;
}

/* An object that is a profile, or that has trace events in it. */
static int read_root_object(struct json_import *import)
{
	struct json_token token;
	int r;

	clear_object(&import->object);
	while (!(r = json_next(&import->reader, &token)) && token.kind == JSON_KEY) {
		if (json_key_is(&token, "traceEvents")) {
			r = json_next(&import->reader, &token);
			if (!r)
				r = token.kind == JSON_ARRAY ? read_array(import)
							     : json_skip(&import->reader, &token);
			clear_object(&import->object);
		} else {
			r = read_member(import, &token);
		}
		if (r < 0)
			return r;
	}
	return r < 0 ? r : end_object(import);
}

static int read_root(struct json_import *import)
{
	struct json_token token;
	int r = json_next(&import->reader, &token);

	if (!r && token.kind == JSON_OBJECT)
		r = read_root_object(import);
	else if (!r && token.kind == JSON_ARRAY)
		r = read_array(import);
	if (!r)
		r = json_next(&import->reader, &token);
	if (!r && !import->objects)
		return json_bad(&import->reader,
				"JSON, but neither a CPU profile nor trace events");
	return r;
}

/* --- samples ------------------------------------------------------------------------------------- */

/* Under its own name, else that of its process. */
static int foreign_thread(struct json_import *import, uint32_t pid, uint32_t tid, uint32_t *ret_id)
{
	struct trace_thread wanted = { .pid = pid, .tid = tid };
	struct trace_thread process = { .pid = pid, .is_process = 1 };
	uint32_t row = row_table_find(&import->threads, &wanted), name = 0;
	struct foreign_text text;

	if (row)
		name = thread_at(import, row)->name;
	row = row_table_find(&import->threads, &process);
	if (!name && row)
		name = thread_at(import, row)->name;
	text = name ? foreign_profile_text(import->profile, name) : foreign_text_of("JavaScript");
	return stepped(import, foreign_profile_thread(import->profile, pid, tid, text, ret_id));
}

static int emit_profiles(struct json_import *import)
{
	uint32_t event, thread;
	int r = 0;

	if (import->profile_count)
		r = stepped(import, foreign_profile_event(import->profile,
							  foreign_text_of("cpu-profile"), &event));
	for (uint32_t i = 0; i < import->profile_count && !r; i++) {
		struct trace_profile *one = import->profiles[i];

		r = foreign_thread(import, one->pid, one->tid, &thread);
		if (r < 0)
			break;
		r = v8_profile_emit(&one->v8, import->profile, thread, event);
		r = r == -ERANGE ? json_bad(&import->reader, "samples at times that cannot be")
				 : stepped(import, r);
	}
	return r;
}

/* What has begun and not ended went on to the end. */
static int end_all(struct json_import *import)
{
	int r = 0;

	for (uint32_t row = 1; row <= import->threads.row_count && !r; row++)
		while (thread_at(import, row)->open && !r)
			r = end_slice(import, row, import->last_us);
	return r;
}

/* Slices have rows of our table; samples have threads of the profile. */
static int name_slices(struct json_import *import)
{
	struct trace_slice *slices = (struct trace_slice *)import->slices.slices.bytes;
	size_t count = import->slices.slices.size / sizeof(*slices);

	for (size_t i = 0; i < count; i++) {
		struct trace_thread *thread = thread_at(import, slices[i].thread);
		int r = thread->id ? 0
				   : foreign_thread(import, thread->pid, thread->tid, &thread->id);

		if (r < 0)
			return r;
		slices[i].thread = thread->id;
	}
	return 0;
}

static int emit_slices(struct json_import *import)
{
	struct foreign_facts *facts = &import->profile->facts;
	uint32_t event;
	int r = end_all(import);

	if (!r && import->slices.slices.size)
		r = name_slices(import);
	if (r < 0 || !import->slices.slices.size)
		return r;
	r = stepped(import,
		    foreign_profile_event(import->profile, foreign_text_of("trace"), &event));
	if (!r)
		r = stepped(import, trace_slices_emit(&import->slices, import->profile, event));
	if (!r && import->profile->event_count == 1)
		snprintf(facts->note, sizeof(facts->note),
			 "Trace events have no samples: these are what each thread was in at every "
			 "%g ms.",
			 import->slices.step_us / 1e3);
	return r;
}

/* --- the whole ----------------------------------------------------------------------------------- */

static void json_import_free(struct json_import *import)
{
	if (!import)
		return;
	for (uint32_t i = 0; i < import->profile_count; i++) {
		v8_profile_close(&import->profiles[i]->v8);
		free(import->profiles[i]);
	}
	v8_part_close(&import->object.part);
	row_table_free(&import->threads);
	bytes_writer_free(&import->open);
	trace_slices_close(&import->slices);
	free(import);
}

DEFINE_CLEANUP(struct json_import *, json_import_free);

int import_json(struct input_bytes *input, struct foreign_profile *profile)
{
	CLEANUP(json_import_free) struct json_import *import = calloc(1, sizeof(*import));
	int r;

	if (!import)
		return -ENOMEM;
	import->input = input;
	import->profile = profile;
	json_reader_open(&import->reader, input);
	v8_part_open(&import->object.part);
	import->threads = row_table_of(sizeof(struct trace_thread),
				       offsetof(struct trace_thread, name), THREADS_MAX);
	import->open = bytes_writer_with_max((size_t)OPEN_MAX * sizeof(struct trace_open));
	import->slices = trace_slices_open();
	r = read_root(import);
	if (!r)
		r = emit_profiles(import);
	return r ? r : emit_slices(import);
}
