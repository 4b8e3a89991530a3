/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/side_band_record.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "check.h"

enum { TIME_NS = 123456789 };

/* A record under construction: its size is filled in at the end. */
static struct bytes_writer record_begin(uint32_t type, uint16_t misc)
{
	struct bytes_writer record = bytes_writer_with_max(SIDE_BAND_RECORD_SIZE_MAX);

	bytes_write_u32(&record, type);
	bytes_write_u16(&record, misc);
	bytes_write_u16(&record, 0);
	return record;
}

/* As the kernel does: with its zero, filled up to a multiple of 8 bytes. */
static void write_name(struct bytes_writer *record, const char *name)
{
	bytes_write(record, name, strlen(name) + 1);
	while (record->size % 8)
		bytes_write_u8(record, 0);
}

static void record_end(struct bytes_writer *record)
{
	bytes_write_u64(record, TIME_NS);
	if (record->failed)
		check_give_up();
	record->bytes[6] = (uint8_t)record->size;
	record->bytes[7] = (uint8_t)(record->size >> 8);
}

static struct bytes_writer mmap_record(uint16_t misc, const char *path)
{
	struct bytes_writer record = record_begin(PERF_RECORD_MMAP2, misc);

	bytes_write_u32(&record, 100); /* pid */
	bytes_write_u32(&record, 101); /* tid */
	bytes_write_u64(&record, 0x7f0000001000);
	bytes_write_u64(&record, 0x2000);
	bytes_write_u64(&record, 0x3000);
	if (misc & PERF_RECORD_MISC_MMAP_BUILD_ID) {
		bytes_write_u8(&record, 20);
		bytes_write(&record, "\0\0", 3);
		for (uint8_t i = 0; i < 20; i++)
			bytes_write_u8(&record, i + 1);
	} else {
		bytes_write_u32(&record, 8);
		bytes_write_u32(&record, 1);
		bytes_write_u64(&record, 4711);
		bytes_write_u64(&record, 42);
	}
	bytes_write_u32(&record, PROT_READ | PROT_EXEC);
	bytes_write_u32(&record, MAP_PRIVATE);
	write_name(&record, path);
	record_end(&record);
	return record;
}

static void mapping_with_inode_is_read(void)
{
	CLEANUP(bytes_writer_free) struct bytes_writer record = mmap_record(0, "/usr/bin/thing");
	struct side_band_event event;

	CHECK_EQ(side_band_record_parse(record.bytes, record.size, &event), 0);
	CHECK_EQ(event.kind, SIDE_BAND_MMAP);
	CHECK_EQ(event.time_ns, TIME_NS);
	CHECK_EQ(event.pid, 100);
	CHECK_EQ(event.mapping.address, 0x7f0000001000);
	CHECK_EQ(event.mapping.length, 0x2000);
	CHECK_EQ(event.mapping.file_offset, 0x3000);
	CHECK_EQ(event.mapping.device_major, 8);
	CHECK_EQ(event.mapping.device_minor, 1);
	CHECK_EQ(event.mapping.inode, 4711);
	CHECK_EQ(event.mapping.inode_generation, 42);
	CHECK_EQ(event.mapping.build_id_size, 0);
	CHECK(event.mapping.executable);
	CHECK_STR_EQ(event.name, "/usr/bin/thing");
	CHECK_EQ(event.name_size, strlen("/usr/bin/thing"));
}

static void mapping_with_build_id_is_read(void)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer record = mmap_record(PERF_RECORD_MISC_MMAP_BUILD_ID, "[vdso]");
	struct side_band_event event;

	CHECK_EQ(side_band_record_parse(record.bytes, record.size, &event), 0);
	CHECK_EQ(event.mapping.build_id_size, 20);
	CHECK_EQ(event.mapping.build_id[0], 1);
	CHECK_EQ(event.mapping.build_id[19], 20);
	CHECK_EQ(event.mapping.inode, 0);
	CHECK_STR_EQ(event.name, "[vdso]");
}

/* A length that a build id cannot have is not believed. */
static void too_long_build_id_is_none(void)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer record = mmap_record(PERF_RECORD_MISC_MMAP_BUILD_ID, "/x");
	struct side_band_event event;

	record.bytes[8 + 8 + 24] = 21;
	CHECK_EQ(side_band_record_parse(record.bytes, record.size, &event), 0);
	CHECK_EQ(event.mapping.build_id_size, 0);
}

static void exec_and_comm_differ_by_the_flag(void)
{
	for (int is_exec = 0; is_exec < 2; is_exec++) {
		CLEANUP(bytes_writer_free)
		struct bytes_writer record =
			record_begin(PERF_RECORD_COMM, is_exec ? PERF_RECORD_MISC_COMM_EXEC : 0);
		struct side_band_event event;

		bytes_write_u32(&record, 7);
		bytes_write_u32(&record, 8);
		write_name(&record, "a comm");
		record_end(&record);
		CHECK_EQ(side_band_record_parse(record.bytes, record.size, &event), 0);
		CHECK_EQ(event.kind, is_exec ? SIDE_BAND_EXEC : SIDE_BAND_COMM);
		CHECK_EQ(event.pid, 7);
		CHECK_EQ(event.tid, 8);
		CHECK_STR_EQ(event.name, "a comm");
	}
}

static struct bytes_writer task_record(uint32_t type, uint32_t pid, uint32_t parent_pid,
				       uint32_t tid)
{
	struct bytes_writer record = record_begin(type, 0);

	bytes_write_u32(&record, pid);
	bytes_write_u32(&record, parent_pid);
	bytes_write_u32(&record, tid);
	bytes_write_u32(&record, parent_pid);
	bytes_write_u64(&record, 999); /* its own time is in another clock */
	record_end(&record);
	return record;
}

static void fork_of_a_process_is_read_and_of_a_thread_left_out(void)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer process = task_record(PERF_RECORD_FORK, 20, 10, 20);
	CLEANUP(bytes_writer_free)
	struct bytes_writer thread = task_record(PERF_RECORD_FORK, 10, 10, 21);
	struct side_band_event event;

	CHECK_EQ(side_band_record_parse(process.bytes, process.size, &event), 0);
	CHECK_EQ(event.kind, SIDE_BAND_FORK);
	CHECK_EQ(event.pid, 20);
	CHECK_EQ(event.parent_pid, 10);
	CHECK_EQ(event.time_ns, TIME_NS);
	CHECK_STR_EQ(event.name, "");
	CHECK_EQ(side_band_record_parse(thread.bytes, thread.size, &event), SIDE_BAND_RECORD_OTHER);
}

static void exit_of_a_thread_is_read(void)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer record = task_record(PERF_RECORD_EXIT, 10, 10, 21);
	struct side_band_event event;

	CHECK_EQ(side_band_record_parse(record.bytes, record.size, &event), 0);
	CHECK_EQ(event.kind, SIDE_BAND_EXIT);
	CHECK_EQ(event.pid, 10);
	CHECK_EQ(event.tid, 21);
}

static void lost_events_are_counted(void)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer record = record_begin(PERF_RECORD_LOST, 0);
	struct side_band_event event;

	bytes_write_u64(&record, 1);
	bytes_write_u64(&record, 77);
	record_end(&record);
	CHECK_EQ(side_band_record_parse(record.bytes, record.size, &event), 0);
	CHECK_EQ(event.kind, SIDE_BAND_LOST);
	CHECK_EQ(event.lost_count, 77);
}

static void other_kinds_are_passed_over(void)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer record = record_begin(PERF_RECORD_THROTTLE, 0);
	struct side_band_event event;

	bytes_write_u64(&record, 1);
	record_end(&record);
	CHECK_EQ(side_band_record_parse(record.bytes, record.size, &event), SIDE_BAND_RECORD_OTHER);
}

/* Cut anywhere, with the size that the header then claims, a record is refused. */
static void cut_records_are_refused(void)
{
	CLEANUP(bytes_writer_free) struct bytes_writer record = mmap_record(0, "/usr/bin/thing");
	struct side_band_event event = { .pid = 5 };

	for (size_t size = 0; size < record.size; size++) {
		CLEANUP(memory_free) uint8_t *cut = malloc(size ? size : 1);

		memcpy(cut, record.bytes, size);
		if (size >= 8) {
			cut[6] = (uint8_t)size;
			cut[7] = (uint8_t)(size >> 8);
		}
		/* With less than 16 bytes cut off, the name's zero may still be there. */
		if (size < record.size - 16)
			CHECK_EQ(side_band_record_parse(cut, size, &event), -EBADMSG);
		else
			CHECK(side_band_record_parse(cut, size, &event) <= 0);
	}
}

static void wrong_sizes_and_endless_names_are_refused(void)
{
	CLEANUP(bytes_writer_free) struct bytes_writer record = mmap_record(0, "abcdefghijklmno");
	struct side_band_event event = { .pid = 5 };

	record.bytes[6]++;
	CHECK_EQ(side_band_record_parse(record.bytes, record.size, &event), -EBADMSG);
	record.bytes[6]--;
	record.bytes[record.size - 9] = 'p'; /* where the name's zero was */
	CHECK_EQ(side_band_record_parse(record.bytes, record.size, &event), -EBADMSG);
	CHECK_EQ(event.pid, 5);
}

TESTS(TEST(mapping_with_inode_is_read), TEST(mapping_with_build_id_is_read),
      TEST(too_long_build_id_is_none), TEST(exec_and_comm_differ_by_the_flag),
      TEST(fork_of_a_process_is_read_and_of_a_thread_left_out), TEST(exit_of_a_thread_is_read),
      TEST(lost_events_are_counted), TEST(other_kinds_are_passed_over),
      TEST(cut_records_are_refused), TEST(wrong_sizes_and_endless_names_are_refused))
