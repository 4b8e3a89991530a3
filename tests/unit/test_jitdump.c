/* SPDX-License-Identifier: Apache-2.0 */
/* jitdumps as loads of code, and which function was at an address at a time. */
#include "symbolize/jitdump.h"

#include <errno.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "jit_maker.h"

enum { BYTES_MAX = 64 << 20, DUMP_SIZE_MAX = 64 << 20, ARCH_TIMESTAMP = 1 };

static const uint64_t now_ns = 1000000000;

struct read {
	struct bytes_writer dump;
	struct jit_code *code;
	struct jitdump_part part;
};

static void cleanup_read_free(struct read *read)
{
	bytes_writer_free(&read->dump);
	jit_code_free(read->code);
}

static bool read_open(struct read *read, uint64_t header_flags)
{
	*read = (struct read){ .dump = bytes_writer_with_max(DUMP_SIZE_MAX) };
	read->part = (struct jitdump_part){
		.is_start = true,
		.now_ns = now_ns,
		.size_max = 1 << 20,
		.file_left = DUMP_SIZE_MAX,
	};
	jit_maker_header(&read->dump, header_flags);
	return !read->dump.failed && jit_code_new(BYTES_MAX, &read->code) == 0;
}

/* Takes @size bytes from @offset on, as the next part. */
static int parse(struct read *read, size_t offset, size_t size)
{
	CLEANUP(jit_loads_writer_free) struct jit_loads_writer writer = jit_loads_writer_new();
	/* Of its own, so that a byte too far is seen. */
	CLEANUP(memory_free) void *bytes = malloc(size + !size);
	int r;

	memcpy(bytes, read->dump.bytes + offset, size);
	read->part.is_start = offset == 0;
	r = jitdump_parse(bytes, size, &read->part, &writer);
	return r < 0 ? r : jit_maker_pass(read->code, &writer);
}

static const char *name_at(const struct read *read, uint64_t address, uint64_t time_ns)
{
	return jit_maker_name(read->code, address, time_ns);
}

static void code_is_found_by_place_and_time(void)
{
	CLEANUP(read_free) struct read read = { 0 };

	CHECK_OR_RETURN(read_open(&read, 0));
	jit_maker_load(&read.dump, 100, 0x1000, 0x40, "JS:*add /srv/a.js:1:2");
	jit_maker_load(&read.dump, 200, 0x1000, 0x20, "mul");
	jit_maker_close(&read.dump, 300);
	CHECK_EQ(parse(&read, 0, read.dump.size), 0);
	CHECK_EQ(read.part.used, read.dump.size);
	CHECK(read.part.closed);
	CHECK(!read.part.damaged);
	CHECK_STR_EQ(name_at(&read, 0x1010, 150), "add /srv/a.js:1:2");
	CHECK_STR_EQ(name_at(&read, 0x1010, 200), "mul");
	CHECK_STR_EQ(name_at(&read, 0x1030, 200), "add /srv/a.js:1:2");
	CHECK_STR_EQ(name_at(&read, 0x1040, 200), "");
}

static void moved_code_keeps_its_name(void)
{
	CLEANUP(read_free) struct read read = { 0 };
	size_t first_part;

	CHECK_OR_RETURN(read_open(&read, 0));
	jit_maker_load(&read.dump, 100, 0x1000, 0x40, "add");
	jit_maker_move(&read.dump, 200, 0x1000, 0x5000, 0x40);
	first_part = read.dump.size;
	jit_maker_load(&read.dump, 300, 0x1000, 0x40, "mul");
	jit_maker_move(&read.dump, 400, 0x5000, 0x6000, 0x40);
	jit_maker_move(&read.dump, 500, 0x9000, 0x1000, 0x40); /* of nothing */
	CHECK_EQ(parse(&read, 0, first_part), 0);
	CHECK_EQ(parse(&read, first_part, read.dump.size - first_part), 0);
	CHECK_STR_EQ(name_at(&read, 0x5010, 250), "add");
	CHECK_STR_EQ(name_at(&read, 0x6010, 450), "add");
	CHECK_STR_EQ(name_at(&read, 0x1010, 450), "mul");
	CHECK_STR_EQ(name_at(&read, 0x1010, 550), "mul");
}

/* Cut anywhere, the rest comes with the next part. */
static void a_record_that_is_cut_is_left_for_later(void)
{
	for (size_t cut = 0;; cut++) {
		CLEANUP(read_free) struct read read = { 0 };
		size_t used;

		CHECK_OR_RETURN(read_open(&read, 0));
		jit_maker_load(&read.dump, 100, 0x1000, 0x10, "add");
		jit_maker_load(&read.dump, 200, 0x2000, 0x10, "mul");
		if (cut > read.dump.size)
			break;
		CHECK_EQ(parse(&read, 0, cut), 0);
		used = read.part.used;
		CHECK(used <= cut);
		CHECK_EQ(parse(&read, used, read.dump.size - used), 0);
		CHECK_STR_EQ(name_at(&read, 0x1000, now_ns), "add");
		CHECK_STR_EQ(name_at(&read, 0x2000, now_ns), "mul");
	}
}

static void what_is_of_no_use_is_passed_over(void)
{
	CLEANUP(read_free) struct read read = { 0 };

	CHECK_OR_RETURN(read_open(&read, 0));
	jit_maker_record(&read.dump, 2, 16, 50); /* lines */
	bytes_write_u64(&read.dump, 0x1000);
	bytes_write_u64(&read.dump, UINT64_MAX);
	jit_maker_record(&read.dump, 4, 8, 60); /* unwind information */
	bytes_write_u64(&read.dump, UINT64_MAX);
	jit_maker_record(&read.dump, 77, 3, 70); /* a kind that is not known */
	bytes_write(&read.dump, "abc", 3);
	jit_maker_load(&read.dump, 100, 0x1000, 0x10, "add");
	CHECK_EQ(parse(&read, 0, read.dump.size), 0);
	CHECK_STR_EQ(name_at(&read, 0x1000, 150), "add");
}

static void times_of_another_clock_do_not_matter(void)
{
	CLEANUP(read_free) struct read ticks = { 0 };
	CLEANUP(read_free) struct read wall = { 0 };

	CHECK_OR_RETURN(read_open(&ticks, ARCH_TIMESTAMP));
	jit_maker_load(&ticks.dump, 5, 0x1000, 0x10, "add");
	jit_maker_load(&ticks.dump, 500, 0x1000, 0x10, "mul");
	CHECK_EQ(parse(&ticks, 0, ticks.dump.size), 0);
	CHECK(ticks.part.no_times);
	CHECK_STR_EQ(name_at(&ticks, 0x1000, 1), "mul");
	CHECK_OR_RETURN(read_open(&wall, 0));
	jit_maker_load(&wall.dump, 100 * now_ns, 0x1000, 0x10, "add");
	jit_maker_load(&wall.dump, 101 * now_ns, 0x1000, 0x10, "mul");
	CHECK_EQ(parse(&wall, 0, wall.dump.size), 0);
	CHECK_STR_EQ(name_at(&wall, 0x1000, now_ns), "mul");
}

static void what_is_no_jitdump_is_refused(void)
{
	CLEANUP(read_free) struct read read = { 0 };

	CHECK_OR_RETURN(read_open(&read, 0));
	read.dump.bytes[0] ^= 1;
	CHECK_EQ(parse(&read, 0, read.dump.size), -EBADMSG);
	read.dump.bytes[0] ^= 1;
	read.dump.bytes[4] = 2; /* version */
	CHECK_EQ(parse(&read, 0, read.dump.size), -EBADMSG);
	read.dump.bytes[4] = 1;
	read.dump.bytes[8] = 39; /* size of the header */
	CHECK_EQ(parse(&read, 0, read.dump.size), -EBADMSG);
}

static void damage_costs_what_follows(void)
{
	CLEANUP(read_free) struct read read = { 0 };

	CHECK_OR_RETURN(read_open(&read, 0));
	jit_maker_load(&read.dump, 100, 0x1000, 0x10, "add");
	bytes_write_u64(&read.dump, 15ULL << 32); /* shorter than its own head */
	bytes_write_u64(&read.dump, 0);
	jit_maker_load(&read.dump, 100, 0x2000, 0x10, "mul");
	CHECK_EQ(parse(&read, 0, read.dump.size), 0);
	CHECK(read.part.damaged);
	CHECK_STR_EQ(name_at(&read, 0x1000, 150), "add");
	CHECK_STR_EQ(name_at(&read, 0x2000, 150), "");
}

/* Through files, as the worker reads them: code of 20 MB is passed over, not taken in. */
static void huge_code_is_passed_over(void)
{
	const uint64_t huge = 20 << 20;
	CLEANUP(fd_close) int fd = memfd_create("dump", MFD_CLOEXEC);
	CLEANUP(read_free) struct read read = { 0 };
	struct jit_position position = { 0 };
	size_t head;

	CHECK_OR_RETURN(read_open(&read, 0) && fd >= 0);
	jit_maker_load(&read.dump, 100, 0x1000, huge, "huge");
	head = read.dump.size;
	jit_maker_load(&read.dump, 100, 0x10000000, 0x10, "behind");
	/* The huge one is not all there at first. */
	CHECK_EQ(write(fd, read.dump.bytes, head - 1), (ssize_t)head - 1);
	for (int i = 0; i < 6; i++) {
		CLEANUP(bytes_writer_free)
		struct bytes_writer result = bytes_writer_with_max(JIT_MAKER_RESULT_SIZE_MAX);
		struct jit_loads_view view;

		if (i == 3)
			CHECK_EQ(write(fd, read.dump.bytes + head - 1, read.dump.size - head + 1),
				 (ssize_t)(read.dump.size - head + 1));
		CHECK_OR_RETURN(jitdump_job(fd, bytes_reader_of(&position, sizeof(position)),
					    &result) == 0);
		CHECK_OR_RETURN(jit_loads_view_open(result.bytes, result.size, &view) == 0);
		CHECK_EQ(jit_code_add(read.code, &view), 0);
		position = view.header->position;
		CHECK_EQ(position.offset < head, i < 3);
		CHECK_EQ(view.header->flags & JIT_LOADS_RESTARTED, i == 0);
	}
	CHECK_EQ(position.offset, read.dump.size);
	CHECK_STR_EQ(name_at(&read, 0x1000 + huge - 1, now_ns), "huge");
	CHECK_STR_EQ(name_at(&read, 0x10000000, now_ns), "behind");
}

TESTS(TEST(code_is_found_by_place_and_time), TEST(moved_code_keeps_its_name),
      TEST(a_record_that_is_cut_is_left_for_later), TEST(what_is_of_no_use_is_passed_over),
      TEST(times_of_another_clock_do_not_matter), TEST(what_is_no_jitdump_is_refused),
      TEST(damage_costs_what_follows), TEST(huge_code_is_passed_over))
