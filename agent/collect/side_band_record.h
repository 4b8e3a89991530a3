/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads one record of the side band: the kernel's word on forks, execs, exits and mappings, as it
 * stands in a perf ring (perf_event_open(2), "MMAP layout"). A pure function over bytes; every
 * bound is checked.
 */
#ifndef FLICKERSCOPE_SIDE_BAND_RECORD_H
#define FLICKERSCOPE_SIDE_BAND_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum side_band_limits {
	SIDE_BAND_BUILD_ID_SIZE_MAX = 20,
	SIDE_BAND_RECORD_SIZE_MAX = 65535, /* the header's size field has 16 bits */
};

enum side_band_kind {
	SIDE_BAND_FORK = 1, /* pid, parent_pid: a new process; new threads are left out */
	SIDE_BAND_EXEC,	    /* pid, tid, name: the comm that the process has from now on */
	SIDE_BAND_COMM,	    /* pid, tid, name: a thread gave itself a name */
	SIDE_BAND_MMAP,	    /* pid, name: the path; and struct side_band_mapping */
	SIDE_BAND_EXIT,	    /* pid, tid: a thread ended; the main thread is not always the last */
	SIDE_BAND_LOST,	    /* lost_count: events that the kernel had no room for */
};

struct side_band_mapping {
	uint64_t address;
	uint64_t length;
	uint64_t file_offset;
	uint64_t inode;		   /* 0 with a build id: the kernel gives one or the other */
	uint64_t inode_generation; /* the same */
	uint32_t device_major;
	uint32_t device_minor;
	uint8_t build_id[SIDE_BAND_BUILD_ID_SIZE_MAX];
	uint8_t build_id_size; /* 0: none */
	bool executable;
};

struct side_band_event {
	enum side_band_kind kind;
	uint32_t pid; /* process (tgid), as in struct sample_event */
	uint32_t tid;
	uint32_t parent_pid;
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint64_t lost_count;
	const char *name; /* zero-terminated, any bytes; borrowed; "" when the kind has none */
	size_t name_size; /* without the zero */
	struct side_band_mapping mapping;
};

enum side_band_record_outcome {
	SIDE_BAND_RECORD_OTHER = 1, /* a kind that is not used, or a new thread */
};

/*
 * @record: one whole record, its header included.
 * @ret_event: its name points into @record.
 *
 * Returns 0, SIDE_BAND_RECORD_OTHER, or -EBADMSG.
 */
int side_band_record_parse(const void *record, size_t size, struct side_band_event *ret_event);

#endif
