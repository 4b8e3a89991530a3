/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/record_encoder.h"

#include "stream_fixture.h"
#include "synthetic_load.h"

#include "check.h"

static const char *const stack_a[] = { "main", "run", "work", NULL };
static const char *const stack_b[] = { "main", "run", "wait", NULL };

/* What is put in comes out, each row before its use, in words. */
static void records_come_back(void)
{
	CLEANUP(fixture_free) struct stream_fixture fixture = { 0 };
	CLEANUP(memory_free) char *text = NULL;

	fixture_init(&fixture);
	fixture_sample(&fixture, FIXTURE_START_NS + 1000000, 0, "sh", stack_a);
	fixture_sample(&fixture, FIXTURE_START_NS + 2000000, 1, "sh", stack_b);
	fixture_sample(&fixture, FIXTURE_START_NS + 11000000, 0, "sh", stack_a);
	fixture_close(&fixture, FIXTURE_START_NS + 20000000);
	CHECK_EQ(fixture.chunk_count, 1);
	text = fixture_text(&fixture, 0, 1);
	CHECK_STR_EQ(text,
		     "segment 1 instance 1122334455667788 start 1700000000250000 mono 5000000000 "
		     "shift 0 rate 99000 cpus 2 event 1\n"
		     "meta 1 example\n"
		     "meta 2 Linux 6.1.0\n"
		     "string 1 sh\n"
		     "string 2 /bin/program\n"
		     "string 3 main\n"
		     "string 4 run\n"
		     "string 5 work\n"
		     "string 6 wait\n"
		     "module 1 key 4242 name 2 kind 1\n"
		     "function 1 key 11 module 1 name 3 start 0\n"
		     "function 2 key 12 module 1 name 4 start 0\n"
		     "function 3 key 13 module 1 name 5 start 0\n"
		     "function 4 key 14 module 1 name 6 start 0\n"
		     "frame 1 function 1 kind 1 file 0 line 0\n"
		     "frame 2 function 2 kind 1 file 0 line 0\n"
		     "frame 3 function 3 kind 1 file 0 line 0\n"
		     "frame 4 function 4 kind 1 file 0 line 0\n"
		     "stack 1 parent 0 frame 1 depth 1\n"
		     "stack 2 parent 1 frame 2 depth 2\n"
		     "stack 3 parent 2 frame 3 depth 3\n"
		     "stack 4 parent 2 frame 4 depth 3\n"
		     "thread 1 tid 102 pid 102 start 77 comm 1 process 1 cgroup 0 container 0\n"
		     "sample 1000 cpu 0 thread 1 stack 3 user 1 kernel 0 busy 0\n"
		     "sample 11000 cpu 0 thread 1 stack 3 user 1 kernel 0 busy 0\n"
		     "sample 2000 cpu 1 thread 1 stack 4 user 1 kernel 0 busy 0\n"
		     "tick 20000\n");
}

/* The first chunk says so, the last too; what they say of themselves is so. */
static void headers_describe_their_chunks(void)
{
	CLEANUP(fixture_free) struct stream_fixture fixture = { 0 };
	struct wire_chunk_header header;

	fixture_init(&fixture);
	fixture_sample(&fixture, FIXTURE_START_NS + 1000000, 0, "sh", stack_a);
	CHECK_EQ(record_encoder_flush(fixture.encoder, FIXTURE_START_NS + 1000000000), 0);
	CHECK_EQ(record_encoder_flush(fixture.encoder, FIXTURE_START_NS + 2000000000), 0);
	fixture_close(&fixture, FIXTURE_START_NS + 3000000000);
	CHECK_EQ(fixture.chunk_count, 3);
	for (uint32_t i = 0; i < 3; i++) {
		memcpy(&header, fixture.chunks[i]->bytes, sizeof(header));
		CHECK_EQ(header.magic, WIRE_CHUNK_MAGIC);
		CHECK_EQ(header.kind, WIRE_CHUNK_SEGMENT);
		CHECK_EQ(header.flags, i == 0 ? WIRE_CHUNK_FIRST : i == 2 ? WIRE_CHUNK_LAST : 0);
		CHECK_EQ(header.segment, 1);
		CHECK_EQ(header.sequence, i);
		CHECK_EQ(header.stored_size, fixture.chunks[i]->size - sizeof(header));
		CHECK_EQ(header.end_us, FIXTURE_START_US + (i + 1) * 1000000);
	}
	CHECK_EQ(fixture.chunks[0]->sample_count, 1);
	CHECK_EQ(fixture.chunks[0]->start_us, FIXTURE_START_US + 1000);
	CHECK_EQ(fixture.chunks[1]->sample_count, 0);
}

/* A flush with nothing new is a tick and little else: it goes out 15 times a second. */
static void flush_of_nothing_is_small(void)
{
	CLEANUP(fixture_free) struct stream_fixture fixture = { 0 };
	CLEANUP(memory_free) char *text = NULL;

	fixture_init(&fixture);
	CHECK_EQ(record_encoder_flush(fixture.encoder, FIXTURE_START_NS + 50000000), 0);
	CHECK_EQ(record_encoder_flush(fixture.encoder, FIXTURE_START_NS + 100000000), 0);
	CHECK(fixture.chunks[1]->size <= 60);
	text = fixture_text(&fixture, 0, 2);
	CHECK(strstr(text, "tick 50000\ntick 100000\n"));
}

/* Samples of one CPU stand together, each with its own time; one may lie before the segment. */
static void samples_are_grouped_by_cpu(void)
{
	CLEANUP(fixture_free) struct stream_fixture fixture = { 0 };
	CLEANUP(memory_free) char *text = NULL;

	fixture_init(&fixture);
	fixture_sample(&fixture, FIXTURE_START_NS - 3000, 1, "sh", stack_a);
	for (uint32_t i = 0; i < 4; i++)
		fixture_sample(&fixture, FIXTURE_START_NS + i * 10101000 + i * 1000, i % 2, "sh",
			       i == 2 ? stack_b : stack_a);
	CHECK_EQ(record_encoder_flush(fixture.encoder, FIXTURE_START_NS + 50000000), 0);
	text = fixture_text(&fixture, 0, 1);
	CHECK(strstr(text, "sample 0 cpu 0 thread 1 stack 3 user 1 kernel 0 busy 0\n"
			   "sample 20204 cpu 0 thread 1 stack 4 user 1 kernel 0 busy 0\n"
			   "sample -3 cpu 1 thread 1 stack 3 user 1 kernel 0 busy 0\n"
			   "sample 10102 cpu 1 thread 1 stack 3 user 1 kernel 0 busy 0\n"
			   "sample 30306 cpu 1 thread 1 stack 3 user 1 kernel 0 busy 0\n"
			   "tick 50000\n"));
}

/* Statuses keep their rows when the rows are put in another order. */
static void statuses_stay_with_their_samples(void)
{
	CLEANUP(fixture_free) struct stream_fixture fixture = { 0 };
	CLEANUP(memory_free) char *text = NULL;
	struct profile_sample sample = { .time_ns = FIXTURE_START_NS };

	fixture_init(&fixture);
	for (uint8_t i = 0; i < 4; i++) {
		sample.cpu = 1 - i % 2;
		sample.user_status = i;
		sample.kernel_status = i / 2;
		sample.busy = i % 3;
		CHECK_EQ(profile_sample(fixture.profile, &sample), 0);
	}
	CHECK_EQ(record_encoder_flush(fixture.encoder, FIXTURE_START_NS), 0);
	text = fixture_text(&fixture, 0, 1);
	CHECK(strstr(text, "sample 0 cpu 0 thread 0 stack 0 user 1 kernel 0 busy 1\n"
			   "sample 0 cpu 0 thread 0 stack 0 user 3 kernel 1 busy 0\n"
			   "sample 0 cpu 1 thread 0 stack 0 user 0 kernel 0 busy 0\n"
			   "sample 0 cpu 1 thread 0 stack 0 user 2 kernel 1 busy 2\n"));
}

static uint64_t wire_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The formula of include/wire.h, as it stands there. */
static uint64_t wire_derived_key(uint64_t module_key, uint64_t start)
{
	uint64_t h = wire_mix(module_key ^ 0x3c6ef372fe94f82b ^ start, 0xbb67ae8584caa73b);
	uint64_t key = wire_mix(h ^ 8, 0x6a09e667f3bcc909);

	return key ? key : 1;
}

static void find_key(const uint8_t *raw, uint32_t size, void *context)
{
	uint64_t *key = context;

	/* Little-endian here as on the wire. */
	if (memmem(raw, size, key, sizeof(*key)))
		*key = 0;
}

/* The key that include/wire.h derives from module and start is not written, and comes back. */
static void derived_key_is_what_wire_h_says(void)
{
	CLEANUP(fixture_free) struct stream_fixture fixture = { 0 };
	CLEANUP(memory_free) char *text = NULL;
	struct profile_frame_row row = {
		.function_key = wire_derived_key(0x0123456789abcdef, 0x1000),
		.module_key = 0x0123456789abcdef,
		.kind = WIRE_FRAME_LIBRARY,
		.module_kind = WIRE_MODULE_FILE,
		.module_name = "libc.so.6",
		.start = 0x1000,
	};
	uint64_t derived = row.function_key, own = 0xfedcba9876543210;
	char expected[128];
	uint32_t id;

	fixture_init(&fixture);
	CHECK_EQ(profile_frame(fixture.profile, &row, &id), 0);
	CHECK_EQ(record_encoder_flush(fixture.encoder, FIXTURE_START_NS), 0);
	row.function_key = 0xfedcba9876543210;
	CHECK_EQ(profile_frame(fixture.profile, &row, &id), 0);
	row.function_key++;
	row.start = UINT64_MAX; /* no room for it on the wire: it is left out */
	row.name = "named";
	CHECK_EQ(profile_frame(fixture.profile, &row, &id), 0);
	row.function_key++;
	row.start = 0; /* the same name again is no missing name */
	CHECK_EQ(profile_frame(fixture.profile, &row, &id), 0);
	CHECK_EQ(record_encoder_flush(fixture.encoder, FIXTURE_START_NS), 0);
	text = fixture_text(&fixture, 0, 2);
	snprintf(expected, sizeof(expected),
		 "function 1 key %" PRIx64 " module 1 name 0 start 1000\n", derived);
	CHECK(strstr(text, expected));
	CHECK(strstr(text, "function 2 key fedcba9876543210 module 1 name 0 start 1000\n"));
	CHECK(strstr(text, "function 3 key fedcba9876543211 module 1 name 2 start 0\n"));
	CHECK(strstr(text, "function 4 key fedcba9876543212 module 1 name 2 start 0\n"));
	fixture_inflate(&fixture, 0, 2, find_key, &derived);
	CHECK(derived != 0); /* not among the bytes */
	fixture_inflate(&fixture, 0, 2, find_key, &own);
	CHECK_EQ(own, 0);
}

/* Records with a time of their own, in the order of adding, behind the samples. */
static void timed_records_come_back(void)
{
	CLEANUP(fixture_free) struct stream_fixture fixture = { 0 };
	CLEANUP(memory_free) char *text = NULL;
	const struct record_rate rates[] = { { 0, 98700 }, { 3, 0 } };
	uint64_t counters[WIRE_COUNTER_COUNT] = { 0 };
	char last[64];

	fixture_init(&fixture);
	counters[WIRE_COUNTER_SAMPLES] = 12345;
	counters[WIRE_COUNTER_COUNT - 1] = UINT64_MAX;
	record_encoder_add_clock(fixture.encoder, FIXTURE_START_NS + 1000000, 1234567890123456789);
	record_encoder_add_gap(fixture.encoder, FIXTURE_START_NS - 5000000,
			       FIXTURE_START_NS + 3000000, WIRE_GAP_RING_FULL, 17);
	record_encoder_add_gap_us(fixture.encoder, FIXTURE_START_US - 3600000000, FIXTURE_START_US,
				  WIRE_GAP_CLOCK_STEP, 0);
	record_encoder_add_rates(fixture.encoder, FIXTURE_START_NS + 2000000, rates, 2);
	record_encoder_add_counters(fixture.encoder, FIXTURE_START_NS + 2000000, counters);
	CHECK_EQ(record_encoder_flush(fixture.encoder, FIXTURE_START_NS + 4000000), 0);
	text = fixture_text(&fixture, 0, 1);
	CHECK(strstr(text, "clock 1000 mono 5001000000 wall 1234567890123456789\n"
			   "gap -5000 to 3000 reason 1 lost 17\n"
			   "gap -3600000000 to 0 reason 4 lost 0\n"
			   "rate 2000 cpu 0 98700\n"
			   "rate 2000 cpu 3 0\n"
			   "counter 2000 1 12345\n"));
	snprintf(last, sizeof(last), "counter 2000 %d 18446744073709551615\ntick 4000\n",
		 WIRE_COUNTER_COUNT - 1);
	CHECK(strstr(text, last));
}

/* A late name comes with its string before it, and stays with the chunk for a capture's index. */
static void late_names_come_back(void)
{
	CLEANUP(fixture_free) struct stream_fixture fixture = { 0 };
	CLEANUP(memory_free) char *text = NULL;
	struct bytes_reader kept;
	const struct chunk *chunk;

	fixture_init(&fixture);
	CHECK_EQ(record_encoder_add_late_name(fixture.encoder, 0xaa, 0xbb, "operator new"), 0);
	CHECK_EQ(record_encoder_flush(fixture.encoder, FIXTURE_START_NS + 4000000), 0);
	text = fixture_text(&fixture, 0, 1);
	CHECK(strstr(text, "string 1 operator new\nlate name key aa function bb name 1\n"));
	chunk = fixture.chunks[0];
	kept = bytes_reader_of(chunk->late_names, chunk->late_names_size);
	CHECK_EQ(bytes_read_u64(&kept), 0xaa);
	CHECK_EQ(bytes_read_u64(&kept), 0xbb);
	CHECK_EQ(bytes_read_uleb128(&kept), 12);
	CHECK(memcmp(bytes_read(&kept, 12), "operator new", 12) == 0);
	CHECK_EQ(bytes_left(&kept), 0);
}

/* Without a name it is written when it says what the key is a part of, and is no news otherwise. */
static void late_names_without_a_name_tell_whose_part_it_is(void)
{
	CLEANUP(fixture_free) struct stream_fixture fixture = { 0 };
	CLEANUP(memory_free) char *text = NULL;

	fixture_init(&fixture);
	CHECK_EQ(record_encoder_add_late_name(fixture.encoder, 0xaa, 0xbb, NULL), 0);
	CHECK_EQ(record_encoder_add_late_name(fixture.encoder, 0xcc, 0xcc, NULL), 0);
	CHECK_EQ(record_encoder_flush(fixture.encoder, FIXTURE_START_NS + 4000000), 0);
	text = fixture_text(&fixture, 0, 1);
	CHECK(strstr(text, "late name key aa function bb name 0\n"));
	CHECK(!strstr(text, "late name key cc"));
	CHECK_EQ(fixture.chunks[0]->late_names_size, 0);
}

static void count_late_name(void *context, const struct record_late_name *late_name)
{
	(*(uint32_t *)context)++;
}

/* More late names than are kept between two flushes are written before: none is lost. */
static void many_late_names_are_all_written(void)
{
	enum { COUNT = 40000 };
	static const struct record_visitor counting = { .late_name = count_late_name };
	CLEANUP(fixture_free) struct stream_fixture fixture = { 0 };
	CLEANUP(record_decoder_free) struct record_decoder *decoder = NULL;
	uint32_t found = 0;

	fixture_init(&fixture);
	for (uint32_t i = 0; i < COUNT; i++)
		CHECK_EQ(record_encoder_add_late_name(fixture.encoder, i + 1, i + 1, "name"), 0);
	fixture_close(&fixture, FIXTURE_START_NS);
	CHECK_EQ(record_decoder_new(&counting, &found, &decoder), 0);
	fixture_inflate(&fixture, 0, fixture.chunk_count, fixture_decode, decoder);
	CHECK_EQ(found, COUNT);
}

/* Timed records beyond the limit are lost and counted; the samples are not. */
static void timed_records_are_bounded(void)
{
	CLEANUP(fixture_free) struct stream_fixture fixture = { 0 };

	fixture_init(&fixture);
	for (uint32_t i = 0; i < 200000; i++)
		record_encoder_add_gap(fixture.encoder, FIXTURE_START_NS, FIXTURE_START_NS, 1, 1);
	fixture_sample(&fixture, FIXTURE_START_NS + 1000000, 0, "sh", stack_a);
	CHECK_EQ(record_encoder_flush(fixture.encoder, FIXTURE_START_NS + 4000000), 0);
	CHECK(record_encoder_counters(fixture.encoder).notes_lost > 0);
	CHECK(record_encoder_counters(fixture.encoder).notes_lost < 200000);
	CHECK_EQ(record_encoder_counters(fixture.encoder).samples, 1);
}

static const struct synthetic_options load_options = {
	.cpu_count = 16,
	.frequency_hz = 999,
	.program_count = 8,
	.functions_per_program = 800,
	.thread_count = 60,
	.return_percent = 50,
	.switch_percent = 15,
};

struct expected_chunk {
	uint32_t raw_size_max;
	struct record_decoder *decoder;
	int result;
};

static void decode_alone(const uint8_t *raw, uint32_t size, void *context)
{
	struct expected_chunk *expected = context;

	if (size > expected->raw_size_max)
		expected->raw_size_max = size;
	if (!expected->result)
		expected->result = record_decoder_read(expected->decoder, raw, size);
}

/* A flush of much becomes several chunks of bounded size, each of whole records. */
static void large_flush_is_cut_between_records(void)
{
	CLEANUP(fixture_free) struct stream_fixture fixture = { 0 };
	CLEANUP(record_decoder_free) struct record_decoder *decoder = NULL;
	static const struct record_visitor nothing = { 0 };
	struct expected_chunk expected = { 0 };
	struct synthetic_load load;
	uint32_t samples = 0;

	fixture_init(&fixture);
	synthetic_load_init(&load, &load_options, FIXTURE_START_NS);
	for (uint32_t i = 0; i < 30000; i++) {
		struct profile_sample sample;

		CHECK_EQ(synthetic_next(&load, fixture.profile, &sample), 0);
		CHECK_EQ(profile_sample(fixture.profile, &sample), 0);
	}
	fixture_close(&fixture, load.time_ns);
	CHECK(fixture.chunk_count > 5);
	CHECK_EQ(record_decoder_new(&nothing, NULL, &decoder), 0);
	expected.decoder = decoder;
	fixture_inflate(&fixture, 0, fixture.chunk_count, decode_alone, &expected);
	CHECK_EQ(expected.result, 0);
	CHECK(expected.raw_size_max <= WIRE_CHUNK_RAW_MAX);
	for (uint32_t i = 0; i < fixture.chunk_count; i++) {
		CHECK(fixture.chunks[i]->size <=
		      WIRE_CHUNK_STORED_MAX + sizeof(struct wire_chunk_header));
		CHECK_EQ(fixture.chunks[i]->end_us,
			 i + 1 < fixture.chunk_count
				 ? FIXTURE_START_US
				 : FIXTURE_START_US + (load.time_ns - FIXTURE_START_NS) / 1000);
		samples += fixture.chunks[i]->sample_count;
	}
	CHECK_EQ(samples, 30000);
	synthetic_load_free(&load);
}

/* Bytes that do not deflate fit a chunk too: 64 KiB of random names. */
static void incompressible_bytes_fit(void)
{
	CLEANUP(fixture_free) struct stream_fixture fixture = { 0 };
	CLEANUP(memory_free) char *text = NULL;
	static char name[WIRE_STRING_SIZE_MAX + 1];
	uint64_t random = 1;
	uint32_t id;

	fixture_init(&fixture);
	for (uint32_t i = 0; i < 16; i++) {
		for (uint32_t j = 0; j < WIRE_STRING_SIZE_MAX; j++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			name[j] = (char)(random >> 56 | 1);
		}
		CHECK_EQ(profile_string(fixture.profile, name, &id), 0);
	}
	fixture_close(&fixture, FIXTURE_START_NS);
	text = fixture_text(&fixture, 0, fixture.chunk_count);
	CHECK(strstr(text, "string 16 "));
}

/* A segment asks to be closed by its span, its bytes, its chunks, or when a table fills up. */
static void segment_closes_at_each_limit(void)
{
	CLEANUP(fixture_free) struct stream_fixture fixture = { 0 };
	struct profile_thread_row thread = { .pid = 1 };
	uint64_t now_ns = FIXTURE_START_NS;
	struct synthetic_load load;
	uint32_t id;

	fixture_init(&fixture);
	CHECK(!record_encoder_should_close(fixture.encoder, FIXTURE_START_NS + 59999999999));
	CHECK(record_encoder_should_close(fixture.encoder, FIXTURE_START_NS + 60000000000));

	for (uint32_t i = 0; i < WIRE_SEGMENT_CHUNKS_MAX; i++)
		if (!record_encoder_should_close(fixture.encoder, ++now_ns))
			CHECK_EQ(record_encoder_flush(fixture.encoder, now_ns), 0);
	CHECK(record_encoder_should_close(fixture.encoder, now_ns));
	CHECK(fixture.chunk_count < WIRE_SEGMENT_CHUNKS_MAX);
	fixture_close(&fixture, now_ns);
	CHECK_EQ(record_encoder_segment(fixture.encoder), 0);

	fixture_open_segment(&fixture, 60);
	CHECK_EQ(record_encoder_segment(fixture.encoder), 2);
	for (uint32_t i = 0; i < PROFILE_THREADS_MAX; i++) {
		thread.tid = i + 1;
		CHECK_EQ(profile_thread(fixture.profile, &thread, &id), 0);
	}
	CHECK(record_encoder_should_close(fixture.encoder, FIXTURE_START_NS));
	fixture_close(&fixture, FIXTURE_START_NS);

	fixture_open_segment(&fixture, 120);
	synthetic_load_init(&load, &load_options, FIXTURE_START_NS + UINT64_C(120000000000));
	while (!record_encoder_should_close(fixture.encoder, load.time_ns)) {
		struct profile_sample sample;

		CHECK_EQ(synthetic_next(&load, fixture.profile, &sample), 0);
		CHECK_EQ(profile_sample(fixture.profile, &sample), 0);
		if (profile_should_flush(fixture.profile))
			CHECK_EQ(record_encoder_flush(fixture.encoder, load.time_ns), 0);
	}
	CHECK(load.sample_count > 50000);
	CHECK(load.sample_count < 400000);
	synthetic_load_free(&load);
}

/* Where many CPUs fill it, a segment has more bytes: else its tables would be most of it. */
static void a_segment_of_many_cpus_is_larger(void)
{
	CLEANUP(fixture_free) struct stream_fixture fixture = { 0 };
	const struct segment_start start = {
		.start_us = FIXTURE_START_US,
		.start_mono_ns = FIXTURE_START_NS,
		.frequency_mhz = 99000,
		.cpu_count = 80,
		.event = WIRE_EVENT_CPU_CLOCK,
	};
	struct synthetic_load load;
	uint64_t before, size;

	fixture_init(&fixture);
	fixture_close(&fixture, FIXTURE_START_NS);
	before = record_encoder_counters(fixture.encoder).stored_bytes;
	CHECK_EQ(record_encoder_open(fixture.encoder, &start), 0);
	synthetic_load_init(&load, &load_options, FIXTURE_START_NS);
	while (!record_encoder_should_close(fixture.encoder, FIXTURE_START_NS)) {
		struct profile_sample sample;

		CHECK_EQ(synthetic_next(&load, fixture.profile, &sample), 0);
		CHECK_EQ(profile_sample(fixture.profile, &sample), 0);
		if (profile_should_flush(fixture.profile))
			CHECK_EQ(record_encoder_flush(fixture.encoder, load.time_ns), 0);
	}
	size = record_encoder_counters(fixture.encoder).stored_bytes - before;
	CHECK(size >= UINT64_C(80) * WIRE_SEGMENT_STORED_CPU);
	CHECK(size < UINT64_C(80) * WIRE_SEGMENT_STORED_CPU * 2);
	synthetic_load_free(&load);
}

/* Ids start again in each segment, and so do the bytes: each is inflated alone. */
static void segments_are_self_contained(void)
{
	CLEANUP(fixture_free) struct stream_fixture fixture = { 0 };
	CLEANUP(memory_free) char *first = NULL, *second = NULL;
	char *rest_of_first, *rest_of_second;

	fixture_init(&fixture);
	fixture_sample(&fixture, FIXTURE_START_NS + 1000000, 0, "sh", stack_a);
	fixture_close(&fixture, FIXTURE_START_NS + 60000000000);
	fixture_open_segment(&fixture, 60);
	fixture_sample(&fixture, FIXTURE_START_NS + 60001000000, 0, "sh", stack_a);
	fixture_close(&fixture, FIXTURE_START_NS + 120000000000);
	CHECK_EQ(fixture.chunk_count, 2);
	first = fixture_text(&fixture, 0, 1);
	second = fixture_text(&fixture, 1, 1);
	CHECK(strncmp(second, "segment 2 ", 10) == 0);
	rest_of_first = strchr(first, '\n');
	rest_of_second = strchr(second, '\n');
	CHECK_STR_EQ(rest_of_first, rest_of_second);
}

TESTS(TEST(records_come_back), TEST(headers_describe_their_chunks), TEST(flush_of_nothing_is_small),
      TEST(samples_are_grouped_by_cpu), TEST(statuses_stay_with_their_samples),
      TEST(derived_key_is_what_wire_h_says), TEST(timed_records_come_back),
      TEST(late_names_come_back), TEST(late_names_without_a_name_tell_whose_part_it_is),
      TEST(many_late_names_are_all_written), TEST(timed_records_are_bounded),
      TEST(large_flush_is_cut_between_records), TEST(incompressible_bytes_fit),
      TEST(segment_closes_at_each_limit), TEST(a_segment_of_many_cpus_is_larger),
      TEST(segments_are_self_contained))
