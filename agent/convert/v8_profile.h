/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU profiles of V8 (Chrome's DevTools Protocol, Profiler.Profile): a tree of nodes, the node of
 * each sample, and the microseconds between them. As a whole in a .cpuprofile, in pieces in trace
 * events; the older form, a tree of nested nodes with time stamps, is read too.
 *
 * A piece is read before it is known whose it is, because an object's members come in any order.
 * Owned by one thread.
 */
#ifndef FLICKERSCOPE_V8_PROFILE_H
#define FLICKERSCOPE_V8_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "profile/row_table.h"

struct foreign_profile;
struct json_reader;
struct json_token;

enum v8_profile_limits {
	V8_NODES_MAX = 4194304,
	V8_SAMPLES_MAX = 67108864,
};

enum v8_profile_outcome {
	V8_OTHER_KEY = 1, /* the member is none of a CPU profile */
};

/* What a piece holds, as it stands. */
struct v8_part {
	struct bytes_writer nodes;    /* struct v8_node each */
	struct bytes_writer children; /* struct v8_edge each */
	struct bytes_writer samples;  /* uint32_t: ids of nodes */
	struct bytes_writer deltas;   /* int64_t: us to the sample before */
	struct bytes_writer times;    /* int64_t: us; in the older form */
	int64_t start_us;	      /* -1: it does not say */
};

void v8_part_open(struct v8_part *part);
void v8_part_close(struct v8_part *part);
void v8_part_clear(struct v8_part *part);
bool v8_part_is_empty(const struct v8_part *part);

/*
 * Reads the value of a member of a profile's object, @key. Returns 0, V8_OTHER_KEY (its value has
 * not been read), or -errno.
 */
int v8_part_read(struct v8_part *part, struct foreign_profile *profile, struct json_reader *reader,
		 const struct json_token *key);

/* One profile, from all its parts. */
struct v8_profile {
	struct row_table nodes; /* struct v8_node, by id */
	struct bytes_writer samples;
	int64_t last_us;
};

void v8_profile_open(struct v8_profile *profile);
void v8_profile_close(struct v8_profile *profile);

/* Adds a part, in order of time. Returns 0, ROW_TABLE_FULL or -ENOMEM. */
int v8_profile_add(struct v8_profile *v8, const struct v8_part *part);

/*
 * Hands its samples over: of @thread, as @event.
 *
 * Returns 0, FOREIGN_PROFILE_FULL, -ENOMEM, or -ERANGE for a time that cannot be.
 */
int v8_profile_emit(struct v8_profile *v8, struct foreign_profile *profile, uint32_t thread,
		    uint32_t event);

#endif
