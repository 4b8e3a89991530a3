/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/import_pprof.h"

#include "check.h"
#include "import_fixture.h"

/* Fields of proto/profile.proto, by their numbers. */
enum {
	SAMPLE_TYPE = 1,
	SAMPLE,
	MAPPING,
	LOCATION,
	FUNCTION,
	STRING,
	TIME = 9,
	PERIOD_TYPE = 11,
	PERIOD
};

enum { PERIOD_NS = 10000000 };

static void put_value_type(struct bytes_writer *profile, uint32_t field, uint64_t type,
			   uint64_t unit)
{
	struct bytes_writer part = bytes_writer_with_max(1024);

	protobuf_put_varint(&part, 1, type);
	protobuf_put_varint(&part, 2, unit);
	protobuf_put_message(profile, field, &part);
	bytes_writer_free(&part);
}

static void put_function(struct bytes_writer *profile, uint64_t id, uint64_t name)
{
	struct bytes_writer part = bytes_writer_with_max(1024);

	protobuf_put_varint(&part, 1, id);
	protobuf_put_varint(&part, 2, name);
	protobuf_put_message(profile, FUNCTION, &part);
	bytes_writer_free(&part);
}

/* A location in mapping 1, with up to two lines: the first is inlined into the second. */
static void put_location(struct bytes_writer *profile, uint64_t id, uint64_t inner, uint64_t outer)
{
	struct bytes_writer part = bytes_writer_with_max(1024), line = bytes_writer_with_max(64);

	protobuf_put_varint(&part, 1, id);
	protobuf_put_varint(&part, 2, 1);
	protobuf_put_varint(&part, 3, 0x1000 * id);
	if (inner) {
		protobuf_put_varint(&line, 1, inner);
		protobuf_put_varint(&line, 2, 42);
		protobuf_put_message(&part, 4, &line);
	}
	if (outer) {
		protobuf_put_varint(&line, 1, outer);
		protobuf_put_message(&part, 4, &line);
	}
	protobuf_put_message(profile, LOCATION, &part);
	bytes_writer_free(&part);
	bytes_writer_free(&line);
}

/* As the writers of Go do: numbers packed, tables behind the samples, strings at the end. */
static struct bytes_writer make_profile(uint64_t period)
{
	static const char *const strings[] = { "",	 "samples",	"count",
					       "cpu",	 "nanoseconds", "main",
					       "work",	 "leaf",	"/bin/p",
					       "thread", "thread-1" };
	struct bytes_writer profile = bytes_writer_with_max(1 << 20);
	struct bytes_writer part = bytes_writer_with_max(1024), inner = bytes_writer_with_max(1024);

	put_value_type(&profile, SAMPLE_TYPE, 1, 2);
	put_value_type(&profile, SAMPLE_TYPE, 3, 4);
	bytes_write(&inner, "\x02\x01", 2);
	protobuf_put_message(&part, 1, &inner);
	bytes_write_uleb128(&inner, 2);
	bytes_write_uleb128(&inner, 2 * period);
	protobuf_put_message(&part, 2, &inner);
	protobuf_put_message(&profile, SAMPLE, &part);
	protobuf_put_varint(&part, 1, 3);
	protobuf_put_varint(&part, 2, 1);
	protobuf_put_varint(&part, 2, period);
	protobuf_put_varint(&inner, 1, 9);
	protobuf_put_varint(&inner, 2, 10);
	protobuf_put_message(&part, 3, &inner);
	protobuf_put_message(&profile, SAMPLE, &part);
	protobuf_put_varint(&part, 1, 1);
	protobuf_put_varint(&part, 5, 8);
	protobuf_put_message(&profile, MAPPING, &part);
	put_location(&profile, 1, 1, 0);
	put_location(&profile, 2, 3, 2);
	put_location(&profile, 3, 0, 0);
	put_function(&profile, 1, 5);
	put_function(&profile, 2, 6);
	put_function(&profile, 3, 7);
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		protobuf_put_string(&profile, STRING, strings[i]);
	protobuf_put_varint(&profile, TIME, UINT64_C(1700000000500000000));
	put_value_type(&profile, PERIOD_TYPE, 3, 4);
	protobuf_put_varint(&profile, PERIOD, period);
	bytes_writer_free(&part);
	bytes_writer_free(&inner);
	return profile;
}

static void values_become_samples(void)
{
	CLEANUP(bytes_writer_free) struct bytes_writer profile = make_profile(PERIOD_NS);
	struct capture_summary summary = import_summary(profile.bytes, profile.size, NULL);
	char *text = import_bytes(profile.bytes, profile.size, "cpu");
	char *samples = import_bytes(profile.bytes, profile.size, "samples");

	CHECK_STR_EQ(text, "1700000000.000000 [0] file.txt 6/6 main@/bin/p;work@/bin/p;leaf'i\n"
			   "1700000000.010000 [0] file.txt 6/6 main@/bin/p;work@/bin/p;leaf'i\n"
			   "1700000000.020000 [0] thread-1 7/7 0x3000@/bin/p\n");
	CHECK_STR_EQ(samples, text);
	CHECK_EQ(summary.frequency_mhz, 100000);
	CHECK_STR_EQ(summary.events, "3 samples\n3 cpu");
	free(text);
	free(samples);
}

static void packed_profiles_are_unpacked(void)
{
	CLEANUP(bytes_writer_free) struct bytes_writer profile = make_profile(PERIOD_NS);
	size_t size;
	void *packed = import_pack(profile.bytes, profile.size, &size);

	CHECK_EQ(import_summary(packed, size, NULL).sample_count, 3);
	free(packed);
}

/* Every one that is refused is refused in order; those cut between two fields may open. */
static void a_file_cut_anywhere_is_no_crash(void)
{
	/* Where its type is cut off the value is a number of samples: few are enough. */
	CLEANUP(bytes_writer_free) struct bytes_writer profile = make_profile(10);
	uint32_t opened = 0;

	for (size_t size = 0; size < profile.size; size++) {
		char *text = import_bytes(profile.bytes, size, NULL);

		opened += text != NULL;
		free(text);
	}
	CHECK(opened < 20);
}

TESTS(TEST(values_become_samples), TEST(packed_profiles_are_unpacked),
      TEST(a_file_cut_anywhere_is_no_crash))
