/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/capture_summary.h"

#include "capture_fixture.h"

#include "check.h"

static struct capture_summary summary_of(struct capture_fixture *capture, size_t size)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	struct capture_summary summary = { 0 };

	CHECK_EQ(capture_open_bytes(capture->bytes, size, &reader), 0);
	if (reader)
		CHECK_EQ(capture_summary_read(reader, &summary), 0);
	return summary;
}

/* Prints into memory; the caller frees it. */
static char *printed(const struct capture_summary *summary, bool as_json)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (as_json)
		capture_summary_print_json(file, "a \"file\"\n", summary);
	else
		capture_summary_print(file, "a\tfile", summary);
	fclose(file);
	return text;
}

/* Stacks, threads and processes are counted once, however many segments they are in. */
static void segments_are_summed_up(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	struct capture_summary summary;

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 3, 2, 6);
	capture_fixture_write(&capture);
	summary = summary_of(&capture, capture.size);
	CHECK_EQ(summary.segment_count, 3);
	CHECK_EQ(summary.sample_count, 36);
	CHECK_EQ(summary.stack_count, 2);
	CHECK_EQ(summary.thread_count, 1);
	CHECK_EQ(summary.process_count, 1);
	CHECK_EQ(summary.late_name_count, 3);
	CHECK_EQ(summary.depth_sum, 36 * 3);
	CHECK_EQ(summary.frame_names.frames[FRAME_NAMED], 36 * 3);
	CHECK_EQ(summary.user_status[STACK_COMPLETE], 36);
	CHECK_EQ(summary.start_us, FIXTURE_START_US);
	CHECK_EQ(summary.end_us, FIXTURE_START_US + 6000000);
	CHECK_EQ(summary.process_rows, 1);
	CHECK_STR_EQ(summary.processes[0].name, "sh");
	CHECK_EQ(summary.processes[0].sample_count, 36);
	CHECK_STR_EQ(summary.host, "example");
	CHECK(summary.ended);
}

/* Lost samples are those of gaps; the rate is that of busy CPUs. */
static void gaps_and_rates_are_summed_up(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	const struct record_rate rates[] = { { 0, 90000 }, { 1, 0 }, { 2, 100000 } };
	struct capture_summary summary;

	capture_fixture_init(&capture);
	record_encoder_add_rates(capture.stream.encoder, FIXTURE_START_NS, rates, 3);
	record_encoder_add_gap(capture.stream.encoder, FIXTURE_START_NS, FIXTURE_START_NS + 2000000,
			       WIRE_GAP_RING_FULL, 10);
	record_encoder_add_gap(capture.stream.encoder, FIXTURE_START_NS, FIXTURE_START_NS + 1000000,
			       WIRE_GAP_RING_BUSY, 7);
	capture_fixture_fill(&capture, 1, 1, 1);
	capture_fixture_write(&capture);
	summary = summary_of(&capture, capture.size);
	CHECK_EQ(summary.lost_count, 17);
	CHECK_EQ(summary.gap_count, 2);
	CHECK_EQ(summary.gap_us, 3000);
	CHECK_EQ(summary.rate_mhz, 95000);
}

/* The rate, the CPUs and the clock may change from one segment to the next. */
static void what_changed_meanwhile_is_told(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(memory_free) char *text = NULL, *json = NULL;
	struct capture_summary summary;

	capture_fixture_init(&capture);
	/* A second at 99 Hz with one CPU busy half of the time, an hour that never was, a second at 49.5 Hz. */
	for (uint32_t i = 0; i < 50; i++)
		fixture_sample(&capture.stream, FIXTURE_START_NS + i * 20000000, 0, "sh",
			       fixture_stack);
	fixture_close(&capture.stream, FIXTURE_START_NS + 1000000000);
	fixture_open_segment_at(&capture.stream, 3601, 49500, 1);
	record_encoder_add_gap_us(capture.stream.encoder, FIXTURE_START_US + 1000000,
				  FIXTURE_START_US + 3601000000, WIRE_GAP_CLOCK_STEP, 0);
	for (uint32_t i = 0; i < 50; i++)
		fixture_sample(&capture.stream,
			       FIXTURE_START_NS + UINT64_C(3601000000000) + i * 20000000, 0, "make",
			       fixture_stack);
	fixture_close(&capture.stream, FIXTURE_START_NS + UINT64_C(3602000000000));
	capture_fixture_write(&capture);
	summary = summary_of(&capture, capture.size);
	CHECK_EQ(summary.frequency_mhz, 99000);
	CHECK_EQ(summary.frequency_least_mhz, 49500);
	CHECK_EQ(summary.cpu_count, 2);
	CHECK_EQ(summary.gap_count, 0);
	CHECK_EQ(summary.clock_step_count, 1);
	CHECK_EQ(summary.clock_step_us, 3600000000);
	text = printed(&summary, false);
	CHECK(strstr(text, "\n  span         2.00 s in 2 segments\n"
			   "  clock        set 1 time meanwhile: 1 h 0 min 0 s never were\n"));
	CHECK(strstr(text, " at 49.5 to 99 Hz on 2 CPUs\n"));
	CHECK(strstr(text, "\n  samples      100: 0.76 CPUs busy on average\n"));
	/* The later ones stand for twice the time. */
	CHECK(strstr(text, "66.7%  make") && strstr(text, "33.3%  sh"));
	json = printed(&summary, true);
	CHECK(strstr(json, "\"frequency_hz\":99.000,\"frequency_least_hz\":49.500"));
	CHECK(strstr(json, "\"clock_steps\":1,\"clock_step_s\":3600.000000"));
}

/* What limits kept out is told when there is something, by the last word of it. */
static void what_was_left_out_is_told(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(memory_free) char *before = NULL, *text = NULL, *json = NULL;
	uint64_t counters[WIRE_COUNTER_COUNT] = { 0 };
	struct capture_summary summary = { .segment_count = 1 };

	before = printed(&summary, false);
	CHECK(!strstr(before, "left out"));
	capture_fixture_init(&capture);
	for (uint64_t second = 1; second <= 3; second++) {
		counters[WIRE_COUNTER_NAMES_LEFT_OUT] = second;
		counters[WIRE_COUNTER_LINES_LEFT_OUT] = 10 * second;
		counters[WIRE_COUNTER_UNWIND_NO_ROOM] = 1;
		record_encoder_add_counters(capture.stream.encoder, FIXTURE_START_NS, counters);
	}
	capture_fixture_fill(&capture, 1, 1, 1);
	capture_fixture_write(&capture);
	summary = summary_of(&capture, capture.size);
	text = printed(&summary, false);
	CHECK(strstr(text, "  left out     3 functions' names, 30 pieces of debug information, "
			   "1 unwind table; --memory gives more room\n"));
	json = printed(&summary, true);
	CHECK(strstr(json, ",\"left_out\":{\"names\":3,\"lines\":30,\"unwind_tables\":1,"
			   "\"evicted\":0}"));
}

/* The busiest processes come first, and no more than are asked for. */
static void busiest_processes_come_first(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	struct capture_summary summary;
	char comm[32];

	capture_fixture_init(&capture);
	for (uint32_t process = 0; process < 15; process++) {
		/* The fixture makes the pid from the length of the name. */
		snprintf(comm, sizeof(comm), "%0*u", (int)process + 1, process);
		for (uint32_t i = 0; i <= process; i++)
			fixture_sample(&capture.stream, FIXTURE_START_NS, 0, comm, fixture_stack);
	}
	fixture_close(&capture.stream, FIXTURE_START_NS);
	capture_fixture_write(&capture);
	summary = summary_of(&capture, capture.size);
	CHECK_EQ(summary.process_count, 15);
	CHECK_EQ(summary.process_rows, CAPTURE_SUMMARY_PROCESSES);
	for (uint32_t i = 0; i < CAPTURE_SUMMARY_PROCESSES; i++)
		CHECK_EQ(summary.processes[i].sample_count, 15 - i);
}

/* A capture that was cut says so; one of nothing has nothing to tell. */
static void cut_capture_says_so(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(memory_free) char *cut_text = NULL, *empty_text = NULL;
	struct capture_summary cut, empty;

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 2, 2, 6);
	capture_fixture_write(&capture);
	cut = summary_of(&capture, capture.size - 1);
	CHECK(!cut.ended);
	CHECK_EQ(cut.sample_count, 24);
	CHECK_EQ(cut.damaged_segments, 0);
	cut_text = printed(&cut, false);
	CHECK(strstr(cut_text, "not closed in order"));
	empty = summary_of(&capture, 40);
	CHECK_EQ(empty.segment_count, 0);
	empty_text = printed(&empty, false);
	CHECK(strstr(empty_text, "nothing: it was cut"));
}

/* Names from strangers pass the terminal's escaper, and JSON's. */
static void names_are_escaped(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(memory_free) char *text = NULL, *json = NULL;
	struct capture_summary summary;

	capture_fixture_init(&capture);
	fixture_sample(&capture.stream, FIXTURE_START_NS, 0, "\x1b[2J\"x", fixture_stack);
	fixture_close(&capture.stream, FIXTURE_START_NS);
	capture_fixture_write(&capture);
	summary = summary_of(&capture, capture.size);
	text = printed(&summary, false);
	json = printed(&summary, true);
	CHECK(!strchr(text, '\x1b'));
	CHECK(!strchr(text, '\t'));
	CHECK(strstr(text, "\\x1b[2J\"x [106]"));
	CHECK(strstr(json, "\"name\":\"\\u001b[2J\\\"x\""));
	CHECK(strncmp(json, "{\"file\":\"a \\\"file\\\"\\u000a\"", 25) == 0);
}

TESTS(TEST(segments_are_summed_up), TEST(gaps_and_rates_are_summed_up),
      TEST(what_changed_meanwhile_is_told), TEST(what_was_left_out_is_told),
      TEST(busiest_processes_come_first), TEST(cut_capture_says_so), TEST(names_are_escaped))
