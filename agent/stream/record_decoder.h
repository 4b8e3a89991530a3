/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the records of a segment (include/wire.h): inflated bytes in, plain structs out.
 *
 * The bytes are hostile: every bound, every id and every count is checked, so that a visitor may
 * use ids as indices into tables that it has filled in order. Memory is bounded by the batch and by
 * WIRE_ROWS_MAX stacks. Records of an unknown kind, and what stands behind the known fields of a
 * record, are passed over.
 */
#ifndef FLICKERSCOPE_RECORD_DECODER_H
#define FLICKERSCOPE_RECORD_DECODER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "wire.h"

enum record_decoder_outcome {
	RECORD_DECODER_BAD = 1, /* see struct record_decoder: problem, problem_offset */
};

struct record_module {
	uint64_t key;
	uint32_t name; /* string id, or 0 */
	uint32_t kind; /* enum wire_module_kind; newer writers may have others */
};

struct record_function {
	uint64_t key;
	uint64_t start;
	uint32_t module;
	uint32_t name;
};

struct record_frame {
	uint32_t function;
	uint32_t kind; /* enum wire_frame_kind; newer writers may have others */
	uint32_t file;
	uint32_t line;
};

struct record_stack {
	uint32_t parent; /* always smaller than the own id; 0: root */
	uint32_t frame;
	uint32_t depth; /* 1 to WIRE_STACK_DEPTH_MAX */
};

struct record_thread {
	uint64_t process_start_ns;
	uint32_t tid;
	uint32_t pid;
	uint32_t comm;
	uint32_t process_name;
	uint32_t cgroup;
	uint32_t container;
};

/* A batch of samples, a column each; in no order of time. */
struct record_samples {
	uint32_t count;
	int64_t time_us[WIRE_SAMPLES_MAX]; /* since the segment's start */
	uint32_t thread[WIRE_SAMPLES_MAX];
	uint32_t stack[WIRE_SAMPLES_MAX];
	uint16_t cpu[WIRE_SAMPLES_MAX];
	uint8_t user_status[WIRE_SAMPLES_MAX]; /* enum stack_status */
	uint8_t kernel_status[WIRE_SAMPLES_MAX];
	uint8_t event[WIRE_SAMPLES_MAX];
	uint8_t busy[WIRE_SAMPLES_MAX]; /* enum sample_busy */
};

struct record_late_name {
	uint64_t key;
	uint64_t function_key;
	uint32_t name;
};

struct record_gap {
	int64_t start_us; /* since the segment's start */
	int64_t end_us;
	uint32_t reason; /* enum wire_gap_reason */
	uint64_t lost_count;
};

struct record_index {
	uint32_t segment;
	uint64_t offset; /* in the file */
	uint64_t size;
	uint64_t start_us; /* timeline */
	uint64_t span_us;
	uint64_t sample_count;
};

/*
 * What is called for each record; NULL where nobody cares. Everything passed is borrowed for the
 * call. Ids are those of the rows' order: string() is called with 1, 2, 3, ...
 */
struct record_visitor {
	void (*segment)(void *context, const struct wire_segment_head *head);
	void (*meta)(void *context, uint32_t meta, const char *text, uint32_t size);
	void (*string)(void *context, uint32_t id, const char *bytes, uint32_t size);
	void (*module)(void *context, uint32_t id, const struct record_module *module);
	void (*function)(void *context, uint32_t id, const struct record_function *function);
	void (*frame)(void *context, uint32_t id, const struct record_frame *frame);
	void (*stack)(void *context, uint32_t id, const struct record_stack *stack);
	void (*thread)(void *context, uint32_t id, const struct record_thread *thread);
	void (*samples)(void *context, const struct record_samples *samples);
	void (*tick)(void *context, int64_t time_us);
	void (*clock)(void *context, int64_t time_us, uint64_t mono_ns, uint64_t wall_ns);
	void (*gap)(void *context, const struct record_gap *gap);
	void (*rate)(void *context, int64_t time_us, uint32_t cpu, uint32_t rate_mhz);
	void (*counter)(void *context, int64_t time_us, uint32_t counter, uint64_t value);
	void (*late_name)(void *context, const struct record_late_name *late_name);
	void (*index)(void *context, const struct record_index *index);
};

struct record_decoder;

/* @visitor and @context are borrowed for the decoder's life. */
int record_decoder_new(const struct record_visitor *visitor, void *context,
		       struct record_decoder **ret_decoder);
void record_decoder_free(struct record_decoder *decoder); /* NULL is fine */
DEFINE_CLEANUP(struct record_decoder *, record_decoder_free);

/* Forgets all ids: for the next segment. */
void record_decoder_reset(struct record_decoder *decoder);

/*
 * Reads whole records: the inflated payload of one chunk.
 *
 * Returns 0; RECORD_DECODER_BAD, after which the rest of the segment cannot be read (what was
 * visited before holds); or -ENOMEM.
 */
int record_decoder_read(struct record_decoder *decoder, const void *bytes, size_t size);

/* What was wrong, in words, and the offset of the record within the segment inflated. */
const char *record_decoder_problem(const struct record_decoder *decoder, uint64_t *ret_offset);

#endif
