/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/record_decoder.h"

#include "stream_fixture.h"

#include "check.h"

/* A decoder that is fed with records written by hand. */
struct fixture {
	struct record_text text;
	struct record_decoder *decoder;
	struct bytes_writer record;
	struct bytes_writer stream;
};

static void hand_init(struct fixture *fixture)
{
	*fixture = (struct fixture){
		.text = { bytes_writer_with_max(1 << 24) },
		.record = bytes_writer_with_max(1 << 24),
		.stream = bytes_writer_with_max(1 << 24),
	};
	if (record_decoder_new(&record_text_visitor, &fixture->text, &fixture->decoder))
		check_give_up();
}

static void cleanup_hand_free(struct fixture *fixture)
{
	record_decoder_free(fixture->decoder);
	bytes_writer_free(&fixture->text.text);
	bytes_writer_free(&fixture->record);
	bytes_writer_free(&fixture->stream);
}

/* Ends the record in the making with its kind and size. */
static void end_record(struct fixture *fixture, unsigned int kind)
{
	bytes_write_u8(&fixture->stream, (uint8_t)kind);
	bytes_write_uleb128(&fixture->stream, fixture->record.size);
	bytes_write(&fixture->stream, fixture->record.bytes, fixture->record.size);
	bytes_writer_clear(&fixture->record);
}

static void put(struct fixture *fixture, unsigned int count, const uint64_t *values)
{
	for (unsigned int i = 0; i < count; i++)
		bytes_write_uleb128(&fixture->record, values[i]);
}

#define PUT(fixture, ...)                                                                          \
	put(fixture, sizeof((uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t),                       \
	    (const uint64_t[]){ __VA_ARGS__ })

static void put_head(struct fixture *fixture)
{
	bytes_write_u64(&fixture->record, 0x11);
	bytes_write_u64(&fixture->record, 1000000);
	bytes_write_u64(&fixture->record, 5);
	bytes_write_u32(&fixture->record, 3);
	bytes_write_u32(&fixture->record, 0);
	bytes_write_u32(&fixture->record, 99000);
	bytes_write_u32(&fixture->record, 2);
	bytes_write_u32(&fixture->record, 1);
	bytes_write_u32(&fixture->record, 0);
	end_record(fixture, WIRE_RECORD_SEGMENT);
}

/* Two strings, a module, a function, a frame, two stacks, a thread: what samples stand on. */
static void put_tables(struct fixture *fixture)
{
	put_head(fixture);
	PUT(fixture, 2, 1, 'a', 1, 'b');
	end_record(fixture, WIRE_RECORD_STRINGS);
	PUT(fixture, 1);
	bytes_write_u64(&fixture->record, 0x77);
	PUT(fixture, 1, WIRE_MODULE_FILE);
	end_record(fixture, WIRE_RECORD_MODULES);
	PUT(fixture, 1, 1, 1 + 2 * 2, 0x10 << 1);
	end_record(fixture, WIRE_RECORD_FUNCTIONS);
	PUT(fixture, 1, 2, WIRE_FRAME_PROGRAM, 0, 0);
	end_record(fixture, WIRE_RECORD_FRAMES);
	PUT(fixture, 2, 1, 1, 1, 1);
	end_record(fixture, WIRE_RECORD_STACKS);
	PUT(fixture, 1, 7, 7, 99, 1, 2, 0, 0);
	end_record(fixture, WIRE_RECORD_THREADS);
}

static void put_samples(struct fixture *fixture)
{
	PUT(fixture, 2, 100);
	bytes_write_zigzag(&fixture->record, -150); /* 50 us before the segment */
	bytes_write_zigzag(&fixture->record, 5);    /* a period and 5 us later */
	PUT(fixture, 1, 0);
	PUT(fixture, 1, 1);
	bytes_write_zigzag(&fixture->record, 2);
	bytes_write_zigzag(&fixture->record, -1);
	PUT(fixture, 1, 2);
	PUT(fixture, 0, 1, 4, 1);
	PUT(fixture, 0, 2);
	PUT(fixture, 2, 1, 1, 1);
	end_record(fixture, WIRE_RECORD_SAMPLES);
}

static int read_all(struct fixture *fixture)
{
	return record_decoder_read(fixture->decoder, fixture->stream.bytes, fixture->stream.size);
}

static const char *text_of(struct fixture *fixture)
{
	bytes_write_u8(&fixture->text.text, 0);
	if (fixture->text.text.failed)
		check_give_up();
	fixture->text.text.size--;
	return (const char *)fixture->text.text.bytes;
}

static const char *problem_of(const struct fixture *fixture)
{
	uint64_t offset;

	return record_decoder_problem(fixture->decoder, &offset);
}

static void columns_become_samples(void)
{
	CLEANUP(hand_free) struct fixture fixture = { 0 };

	hand_init(&fixture);
	put_tables(&fixture);
	put_samples(&fixture);
	CHECK_EQ(read_all(&fixture), 0);
	CHECK(strstr(text_of(&fixture), "function 1 key "));
	CHECK(strstr(text_of(&fixture), " module 1 name 2 start 10\n"));
	CHECK(strstr(text_of(&fixture), "stack 2 parent 1 frame 1 depth 2\n"));
	CHECK(strstr(text_of(&fixture),
		     "sample -50 cpu 1 thread 1 stack 2 user 1 kernel 0 busy 2\n"
		     "sample 10056 cpu 0 thread 1 stack 1 user 1 kernel 4 busy 1\n"));
}

/* Records of a kind that is not known, and what stands behind known fields, are passed over. */
static void newer_records_are_passed_over(void)
{
	CLEANUP(hand_free) struct fixture fixture = { 0 };

	hand_init(&fixture);
	put_tables(&fixture);
	PUT(&fixture, 1, 2, 3);
	end_record(&fixture, WIRE_RECORD_KIND_COUNT + 3);
	end_record(&fixture, 0);
	PUT(&fixture, 77, 1, 2, 3); /* a tick with more behind its time */
	end_record(&fixture, WIRE_RECORD_TICK);
	CHECK_EQ(read_all(&fixture), 0);
	CHECK(strstr(text_of(&fixture), "tick 77\n"));
}

/* Cut anywhere, what came before the cut is visited and the rest is refused; nothing crashes. */
static void cut_records_are_refused(void)
{
	CLEANUP(hand_free) struct fixture fixture = { 0 };
	size_t whole_text_size;

	hand_init(&fixture);
	put_tables(&fixture);
	put_samples(&fixture);
	CHECK_EQ(read_all(&fixture), 0);
	whole_text_size = fixture.text.text.size;
	for (size_t size = 0; size < fixture.stream.size; size++) {
		uint8_t *copy =
			malloc(size ? size : 1); /* of this size, so that ASan sees its end */

		memcpy(copy, fixture.stream.bytes, size);
		bytes_writer_clear(&fixture.text.text);
		record_decoder_reset(fixture.decoder);
		record_decoder_read(fixture.decoder, copy, size);
		CHECK(fixture.text.text.size < whole_text_size);
		free(copy);
	}
}

/* Whatever a single bit is turned into: an answer, and no crash. */
static void flipped_bits_do_no_harm(void)
{
	CLEANUP(hand_free) struct fixture fixture = { 0 };
	uint32_t refused = 0;

	hand_init(&fixture);
	put_tables(&fixture);
	put_samples(&fixture);
	for (size_t bit = 0; bit < fixture.stream.size * 8; bit++) {
		fixture.stream.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		bytes_writer_clear(&fixture.text.text);
		record_decoder_reset(fixture.decoder);
		refused += read_all(&fixture) == RECORD_DECODER_BAD;
		fixture.stream.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	CHECK(refused > fixture.stream.size);
	CHECK(refused < fixture.stream.size * 8);
	record_decoder_reset(fixture.decoder);
	CHECK_EQ(read_all(&fixture), 0);
}

/* One record behind the tables is refused for the reason given. */
static void check_refused(const uint64_t *values, unsigned int count, unsigned int kind,
			  const char *problem)
{
	CLEANUP(hand_free) struct fixture fixture = { 0 };
	uint64_t tables_size, offset;

	hand_init(&fixture);
	put_tables(&fixture);
	tables_size = fixture.stream.size;
	put(&fixture, count, values);
	end_record(&fixture, kind);
	CHECK_EQ(read_all(&fixture), RECORD_DECODER_BAD);
	CHECK_STR_EQ(record_decoder_problem(fixture.decoder, &offset), problem);
	CHECK_EQ(offset, tables_size);
	/* Nothing after it is read either. */
	CHECK_EQ(record_decoder_read(fixture.decoder, "", 0), RECORD_DECODER_BAD);
}

#define CHECK_REFUSED(kind, problem, ...)                                                          \
	check_refused((const uint64_t[]){ __VA_ARGS__ },                                           \
		      sizeof((uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t), kind, problem)

static void ids_that_do_not_exist_are_refused(void)
{
	const uint64_t flag = 1; /* keys follow as 8 bytes; here they are 8 varints of one byte */

	CHECK_REFUSED(WIRE_RECORD_MODULES, "modules that do not hold", 1, 0, 0, 0, 0, 0, 0, 0, 0, 3,
		      1);
	CHECK_REFUSED(WIRE_RECORD_FUNCTIONS, "functions that do not hold", 1, 2, 0, flag, 0, 0, 0,
		      0, 0, 0, 0, 0);
	CHECK_REFUSED(WIRE_RECORD_FUNCTIONS, "functions that do not hold", 1, 1, 1 + 2 * 3, flag, 0,
		      0, 0, 0, 0, 0, 0, 0);
	CHECK_REFUSED(WIRE_RECORD_FUNCTIONS, "functions that do not hold", 1, 1, 1 + 1, flag, 0, 0,
		      0, 0, 0, 0, 0, 0);
	CHECK_REFUSED(WIRE_RECORD_FRAMES, "frames that do not hold", 1, 4, 1, 0, 0);
	CHECK_REFUSED(WIRE_RECORD_FRAMES, "frames that do not hold", 1, 1, 1, 0, 0);
	CHECK_REFUSED(WIRE_RECORD_FRAMES, "frames that do not hold", 1, 2, 1, 3, 0);
	CHECK_REFUSED(WIRE_RECORD_STACKS, "stacks that do not hold", 1, 4, 1);
	CHECK_REFUSED(WIRE_RECORD_STACKS, "stacks that do not hold", 1, 1, 2);
	CHECK_REFUSED(WIRE_RECORD_STACKS, "a stack that is its own parent, or has no frame", 1, 0,
		      1);
	CHECK_REFUSED(WIRE_RECORD_STACKS, "a stack that is its own parent, or has no frame", 1, 1,
		      0);
	CHECK_REFUSED(WIRE_RECORD_THREADS, "threads that do not hold", 1, 1, 1, 1, 3, 0, 0, 0);
	CHECK_REFUSED(WIRE_RECORD_LATE_NAMES, "late names that do not hold", 1, 0, 0, 0, 0, 0, 0, 0,
		      0, 0, 0, 0, 0, 0, 0, 0, 0, 3);
}

static void samples_that_do_not_hold_are_refused(void)
{
	const char *columns = "columns of samples that do not hold";

	/* count, time; time, CPU, thread, stack; runs of user, kernel, event and busy. */
	CHECK_REFUSED(WIRE_RECORD_SAMPLES, columns, 1, 0, 0, WIRE_CPUS_MAX, 1, 2, 0, 1, 0, 1, 0, 1,
		      0, 1);
	CHECK_REFUSED(WIRE_RECORD_SAMPLES, columns, 1, 0, 0, 0, 2, 2, 0, 1, 0, 1, 0, 1, 0, 1);
	CHECK_REFUSED(WIRE_RECORD_SAMPLES, columns, 1, 0, 0, 0, 1, 6, 0, 1, 0, 1, 0, 1, 0, 1);
	CHECK_REFUSED(WIRE_RECORD_SAMPLES, columns, 1, 0, 0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 1);
	CHECK_REFUSED(WIRE_RECORD_SAMPLES, columns, 1, 0, 0, 0, 1, 2, 0, 2, 0, 1, 0, 1, 0, 1);
	CHECK_REFUSED(WIRE_RECORD_SAMPLES, columns, 1, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 1, 0, 1);
	CHECK_REFUSED(WIRE_RECORD_SAMPLES, columns, 1, 0, 0, 0, 1, 2, 256, 1, 0, 1, 0, 1, 0, 1);
	CHECK_REFUSED(WIRE_RECORD_SAMPLES, columns, 1, 0, UINT64_MAX, 0, 1, 2, 0, 1, 0, 1, 0, 1, 0,
		      1);
	CHECK_REFUSED(WIRE_RECORD_SAMPLES, columns, 1, UINT64_C(1) << 53, 2, 0, 1, 2, 0, 1, 0, 1, 0,
		      1, 0, 1);
	CHECK_REFUSED(WIRE_RECORD_SAMPLES, "more samples than the record holds", 1, UINT64_MAX, 2,
		      0, 1, 2, 0, 1, 0, 1, 0, 1, 0, 1);
	CHECK_REFUSED(WIRE_RECORD_SAMPLES, "more samples than the record holds", UINT64_MAX, 0, 0);
	CHECK_REFUSED(WIRE_RECORD_SAMPLES, "more samples than the record holds", 3, 0, 0, 0, 0);
}

/* A claim of many rows costs nothing: what is there bounds it. */
static void counts_that_claim_too_much_are_refused(void)
{
	CHECK_REFUSED(WIRE_RECORD_STRINGS, "strings that do not hold", UINT64_MAX);
	CHECK_REFUSED(WIRE_RECORD_STRINGS, "strings that do not hold", 1, WIRE_STRING_SIZE_MAX + 1);
	CHECK_REFUSED(WIRE_RECORD_MODULES, "modules that do not hold", 1000000);
	CHECK_REFUSED(WIRE_RECORD_STACKS, "stacks that do not hold", 1000, 1, 1);
	CHECK_REFUSED(WIRE_RECORD_RATE, "rates that do not hold", 0, 1000000);
	CHECK_REFUSED(WIRE_RECORD_COUNTERS, "counters that do not hold", 0, 1);
	CHECK_REFUSED(WIRE_RECORD_INDEX, "an index that does not hold", 4, 1);
	CHECK_REFUSED(WIRE_RECORD_META, "a row of meta is cut short", 1, 100);
	CHECK_REFUSED(WIRE_RECORD_CLOCK, "a clock that is cut short", 1);
	CHECK_REFUSED(WIRE_RECORD_GAP, "a gap that does not hold", 1);
	CHECK_REFUSED(WIRE_RECORD_TICK, "a tick without a time", UINT64_MAX);
}

/* A stack deeper than stacks may be is refused; one of that depth is not. */
static void deep_stacks_are_refused(void)
{
	CLEANUP(hand_free) struct fixture fixture = { 0 };

	hand_init(&fixture);
	put_tables(&fixture); /* two deep already */
	PUT(&fixture, WIRE_STACK_DEPTH_MAX - 2);
	for (uint32_t i = 0; i < WIRE_STACK_DEPTH_MAX - 2; i++)
		PUT(&fixture, 1, 1);
	end_record(&fixture, WIRE_RECORD_STACKS);
	CHECK_EQ(read_all(&fixture), 0);
	PUT(&fixture, 1, 1, 1);
	end_record(&fixture, WIRE_RECORD_STACKS);
	record_decoder_reset(fixture.decoder);
	CHECK_EQ(read_all(&fixture), RECORD_DECODER_BAD);
	CHECK_STR_EQ(problem_of(&fixture), "a stack that is too deep");
}

/* A segment has one head, and samples only behind it. */
static void head_comes_first_and_once(void)
{
	CLEANUP(hand_free) struct fixture fixture = { 0 };

	hand_init(&fixture);
	PUT(&fixture, 0, 0);
	end_record(&fixture, WIRE_RECORD_SAMPLES);
	CHECK_EQ(read_all(&fixture), RECORD_DECODER_BAD);
	CHECK_STR_EQ(problem_of(&fixture), "samples before the segment's head");

	record_decoder_reset(fixture.decoder);
	bytes_writer_clear(&fixture.stream);
	put_head(&fixture);
	put_head(&fixture);
	CHECK_EQ(read_all(&fixture), RECORD_DECODER_BAD);
	CHECK_STR_EQ(problem_of(&fixture), "a second head in one segment");
}

/* Ids are counted whether or not anybody looks at the rows. */
static void rows_count_without_a_visitor(void)
{
	static const struct record_visitor nothing = { 0 };
	CLEANUP(record_decoder_free) struct record_decoder *decoder = NULL;
	CLEANUP(hand_free) struct fixture fixture = { 0 };

	hand_init(&fixture);
	put_tables(&fixture);
	put_samples(&fixture);
	CHECK_EQ(record_decoder_new(&nothing, NULL, &decoder), 0);
	CHECK_EQ(record_decoder_read(decoder, fixture.stream.bytes, fixture.stream.size), 0);
}

TESTS(TEST(columns_become_samples), TEST(newer_records_are_passed_over),
      TEST(cut_records_are_refused), TEST(flipped_bits_do_no_harm),
      TEST(ids_that_do_not_exist_are_refused), TEST(samples_that_do_not_hold_are_refused),
      TEST(counts_that_claim_too_much_are_refused), TEST(deep_stacks_are_refused),
      TEST(head_comes_first_and_once), TEST(rows_count_without_a_visitor))
