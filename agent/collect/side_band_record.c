/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/side_band_record.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"

enum {
	MAPPING_IDENTITY_SIZE = 24, /* of PERF_RECORD_MMAP2: major to generation, or the build id */
	TIME_SIZE = 8,		    /* what stands behind each record: sample_id_all */
};

/* The record's text: the rest of it up to its zero, which must be there. */
static void read_name(struct bytes_reader *body, struct side_band_event *event)
{
	const char *name = bytes_read_string(body);

	if (!name)
		return; /* the reader has failed */
	event->name = name;
	event->name_size = strlen(name);
}

static void read_identity(struct bytes_reader identity, bool is_build_id,
			  struct side_band_mapping *mapping)
{
	if (!is_build_id) {
		mapping->device_major = bytes_read_u32(&identity);
		mapping->device_minor = bytes_read_u32(&identity);
		mapping->inode = bytes_read_u64(&identity);
		mapping->inode_generation = bytes_read_u64(&identity);
		return;
	}
	mapping->build_id_size = bytes_read_u8(&identity);
	bytes_read(&identity, 3); /* reserved */
	if (mapping->build_id_size > SIDE_BAND_BUILD_ID_SIZE_MAX)
		mapping->build_id_size = 0;
	bytes_read_into(&identity, mapping->build_id, SIDE_BAND_BUILD_ID_SIZE_MAX);
}

static void read_mmap(struct bytes_reader *body, uint16_t misc, struct side_band_event *event)
{
	event->kind = SIDE_BAND_MMAP;
	event->pid = bytes_read_u32(body);
	event->tid = bytes_read_u32(body);
	event->mapping.address = bytes_read_u64(body);
	event->mapping.length = bytes_read_u64(body);
	event->mapping.file_offset = bytes_read_u64(body);
	read_identity(bytes_read_part(body, MAPPING_IDENTITY_SIZE),
		      misc & PERF_RECORD_MISC_MMAP_BUILD_ID, &event->mapping);
	event->mapping.executable = bytes_read_u32(body) & PROT_EXEC;
	bytes_read_u32(body); /* flags of mmap(2) */
	read_name(body, event);
}

static void read_comm(struct bytes_reader *body, uint16_t misc, struct side_band_event *event)
{
	event->kind = misc & PERF_RECORD_MISC_COMM_EXEC ? SIDE_BAND_EXEC : SIDE_BAND_COMM;
	event->pid = bytes_read_u32(body);
	event->tid = bytes_read_u32(body);
	read_name(body, event);
}

/* PERF_RECORD_FORK and _EXIT: pid, ppid, tid, ptid, time. */
static void read_task(struct bytes_reader *body, enum side_band_kind kind,
		      struct side_band_event *event)
{
	event->kind = kind;
	event->pid = bytes_read_u32(body);
	event->parent_pid = bytes_read_u32(body);
	event->tid = bytes_read_u32(body);
	bytes_read_u32(body); /* the parent's thread */
	bytes_read_u64(body); /* its time: the one behind the record is in our clock */
}

int side_band_record_parse(const void *record, size_t size, struct side_band_event *ret_event)
{
	struct side_band_event event = { .name = "" };
	struct bytes_reader reader = bytes_reader_of(record, size);
	uint32_t type = bytes_read_u32(&reader);
	uint16_t misc = bytes_read_u16(&reader);
	uint16_t record_size = bytes_read_u16(&reader);
	struct bytes_reader body;

	if (record_size != size || bytes_left(&reader) < TIME_SIZE)
		return -EBADMSG;
	body = bytes_read_part(&reader, bytes_left(&reader) - TIME_SIZE);
	event.time_ns = bytes_read_u64(&reader);

	switch (type) {
	case PERF_RECORD_MMAP2:
		read_mmap(&body, misc, &event);
		break;
	case PERF_RECORD_COMM:
		read_comm(&body, misc, &event);
		break;
	case PERF_RECORD_FORK:
		read_task(&body, SIDE_BAND_FORK, &event);
		if (!body.failed && event.pid == event.parent_pid)
			return SIDE_BAND_RECORD_OTHER; /* a thread */
		break;
	case PERF_RECORD_EXIT:
		read_task(&body, SIDE_BAND_EXIT, &event);
		break;
	case PERF_RECORD_LOST:
		event.kind = SIDE_BAND_LOST;
		bytes_read_u64(&body); /* the event's id */
		event.lost_count = bytes_read_u64(&body);
		break;
	default:
		return SIDE_BAND_RECORD_OTHER;
	}
	if (reader.failed || body.failed)
		return -EBADMSG;
	*ret_event = event;
	return 0;
}
