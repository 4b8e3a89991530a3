/* SPDX-License-Identifier: Apache-2.0 */
#include "capture_fixture.h"
#include "check.h"
#include "convert/call_tree.h"
#include "convert/merged_capture.h"
#include "convert/merged_profile.h"
#include "convert/report.h"

#define START_US ((int64_t)FIXTURE_START_US)

/* T = 0 of the fixture: its first sample is a quarter of a second later. */
#define ZERO_US (START_US - 250000)

static const char *const recursive[] = { "main", "run", "work", "run", "work", NULL };

/* 3 samples of each of 2 stacks and 4 of a recursive one, 1 ms apart, in 2 segments. */
static void fill(struct capture_fixture *capture)
{
	uint64_t now_ns = FIXTURE_START_NS;

	for (uint32_t segment = 0; segment < 2; segment++) {
		if (segment)
			fixture_open_segment(&capture->stream, 1);
		now_ns = FIXTURE_START_NS + segment * UINT64_C(1000000000);
		for (uint32_t i = 0; i < 5; i++)
			fixture_sample(&capture->stream, now_ns + i * 1000000, i % 2,
				       i < 3 ? "sh" : "make",
				       i < 2   ? recursive
				       : i < 4 ? fixture_stack
					       : fixture_other_stack);
		fixture_close(&capture->stream, now_ns + 1000000000);
	}
	capture_fixture_write(capture);
}

static struct merged_profile *load(const struct capture_fixture *capture, const char *from,
				   const char *to)
{
	struct merged_profile_options options = { .name = "capture" };
	struct capture_reader *reader = NULL;
	struct merged_profile *profile = NULL;

	if ((from && time_point_parse(from, &options.range.from)) ||
	    (to && time_point_parse(to, &options.range.to)) ||
	    capture_open_bytes(capture->bytes, capture->size, &reader) ||
	    merged_profile_load(reader, &options, &profile))
		check_give_up();
	capture_reader_free(reader);
	return profile;
}

static struct report make(struct call_tree *tree, enum report_by by, int64_t from_us, int64_t to_us)
{
	struct report report;

	if (report_make(tree, by, from_us, to_us, &report))
		check_give_up();
	return report;
}

static const struct report_row *find(const struct report *report, const char *name)
{
	static const struct report_row none;

	for (uint32_t i = 0; i < report->row_count; i++) {
		size_t size;
		const char *text =
			merged_string(report->tree->profile, report->rows[i].name, &size);

		if (size == strlen(name) && memcmp(text, name, size) == 0)
			return &report->rows[i];
	}
	return &none;
}

static uint64_t count_between(const struct capture_fixture *capture, const char *from,
			      const char *to)
{
	CLEANUP(merged_profile_free) struct merged_profile *profile = load(capture, from, to);

	return profile->sample_count;
}

static void recursion_counts_once(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(merged_profile_free) struct merged_profile *profile = NULL;
	CLEANUP(call_tree_free) struct call_tree *tree = NULL;
	CLEANUP(report_close) struct report report = { 0 };

	capture_fixture_init(&capture);
	fill(&capture);
	profile = load(&capture, NULL, NULL);
	CHECK_OR_RETURN(call_tree_new(profile, &tree) == 0);
	report = make(tree, REPORT_BY_FUNCTION, INT64_MIN, INT64_MAX);
	CHECK_EQ(report.sample_count, 10u);
	CHECK_EQ(report.row_count, 4u);
	CHECK_EQ(find(&report, "work")->self, 8u);
	CHECK_EQ(find(&report, "work")->total, 8u);
	CHECK_EQ(find(&report, "run")->self, 0u);
	CHECK_EQ(find(&report, "run")->total, 10u);
	CHECK_EQ(find(&report, "main")->total, 10u);
	CHECK_EQ(find(&report, "wait")->self, 2u);
	/* The most self first. */
	CHECK_EQ(report.rows[0].self, 8u);
}

static void processes_and_threads_have_their_samples(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(merged_profile_free) struct merged_profile *profile = NULL;
	CLEANUP(call_tree_free) struct call_tree *tree = NULL;
	CLEANUP(report_close) struct report processes = { 0 }, threads = { 0 }, modules = { 0 };

	capture_fixture_init(&capture);
	fill(&capture);
	profile = load(&capture, NULL, NULL);
	CHECK_OR_RETURN(call_tree_new(profile, &tree) == 0);
	processes = make(tree, REPORT_BY_PROCESS, INT64_MIN, INT64_MAX);
	CHECK_EQ(processes.row_count, 2u);
	CHECK_EQ(find(&processes, "sh")->self, 6u);
	CHECK_EQ(find(&processes, "make")->self, 4u);
	CHECK_EQ(find(&processes, "make")->pid, 104u);
	threads = make(tree, REPORT_BY_THREAD, INT64_MIN, INT64_MAX);
	CHECK_EQ(find(&threads, "sh")->tid, 102u);
	modules = make(tree, REPORT_BY_MODULE, INT64_MIN, INT64_MAX);
	CHECK_EQ(modules.row_count, 1u);
	CHECK_EQ(modules.rows[0].self, 10u);
	CHECK_EQ(modules.rows[0].total, 10u);
}

/* Two samples a quarter as often as four others are four times as much time each. */
static void a_sample_weighs_what_the_rate_of_its_segment_says(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(merged_profile_free) struct merged_profile *profile = NULL;
	CLEANUP(call_tree_free) struct call_tree *tree = NULL;
	CLEANUP(report_close) struct report functions = { 0 }, processes = { 0 };

	capture_fixture_init(&capture);
	fixture_close(&capture.stream, FIXTURE_START_NS);
	for (uint32_t segment = 0; segment < 2; segment++) {
		uint64_t now_ns = FIXTURE_START_NS + (segment + 1) * UINT64_C(1000000000);

		fixture_open_segment_at(&capture.stream, segment + 1, segment ? 25000 : 100000, 2);
		for (uint32_t i = 0; i < (segment ? 2 : 4); i++)
			fixture_sample(&capture.stream, now_ns + i * 40000000, 0,
				       segment ? "make" : "sh",
				       segment ? fixture_other_stack : fixture_stack);
		fixture_close(&capture.stream, now_ns + 1000000000);
	}
	capture_fixture_write(&capture);
	profile = load(&capture, NULL, NULL);
	CHECK_EQ(merged_profile_period_ns(profile), 10000000);
	CHECK_OR_RETURN(call_tree_new(profile, &tree) == 0);
	functions = make(tree, REPORT_BY_FUNCTION, INT64_MIN, INT64_MAX);
	CHECK_EQ(functions.sample_count, 6);
	CHECK_EQ(functions.weight, 120000000);
	CHECK_EQ(find(&functions, "work")->self, 4);
	CHECK_EQ(find(&functions, "wait")->self, 8);
	CHECK_EQ(find(&functions, "wait")->self_weight, 80000000);
	CHECK_EQ(find(&functions, "main")->total, 12);
	processes = make(tree, REPORT_BY_PROCESS, INT64_MIN, INT64_MAX);
	CHECK_EQ(find(&processes, "make")->self, 8);
	/* A part in which there is one rate alone is counted as ever. */
	report_close(&processes);
	merged_profile_free(TAKE(profile));
	call_tree_free(TAKE(tree));
	profile = load(&capture, "1", NULL);
	CHECK_OR_RETURN(call_tree_new(profile, &tree) == 0);
	processes = make(tree, REPORT_BY_PROCESS, INT64_MIN, INT64_MAX);
	CHECK_EQ(find(&processes, "make")->self, 2);
}

static void a_sample_on_an_edge_is_in_one_range(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(merged_profile_free) struct merged_profile *profile = NULL;
	CLEANUP(call_tree_free) struct call_tree *tree = NULL;
	CLEANUP(report_close) struct report left = { 0 }, right = { 0 };

	capture_fixture_init(&capture);
	fill(&capture);
	CHECK_EQ(count_between(&capture, "0", "0.25"), 0u);
	CHECK_EQ(count_between(&capture, "0.25", "0.250001"), 1u);
	CHECK_EQ(count_between(&capture, "0.25", "0.252"), 2u);
	CHECK_EQ(count_between(&capture, "0.252", "1.253"), 6u);
	CHECK_EQ(count_between(&capture, "1.253", NULL), 2u);
	CHECK_EQ(count_between(&capture, "1.254001", NULL), 0u);
	profile = load(&capture, NULL, NULL);
	CHECK_EQ(profile->zero_us, ZERO_US);
	CHECK_OR_RETURN(call_tree_new(profile, &tree) == 0);
	left = make(tree, REPORT_BY_FUNCTION, INT64_MIN, ZERO_US + 252000);
	CHECK_EQ(left.sample_count, 2u);
	right = make(tree, REPORT_BY_FUNCTION, ZERO_US + 252000, INT64_MAX);
	CHECK_EQ(right.sample_count, 8u);
}

/* A part of a capture, written as one, has the samples of the part and the same names. */
static void a_part_is_a_capture_again(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(merged_profile_free) struct merged_profile *part = NULL, *again = NULL;
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	CLEANUP(call_tree_free) struct call_tree *tree = NULL;
	CLEANUP(report_close) struct report report = { 0 };
	struct merged_profile_options options = { .name = "part" };
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	capture_fixture_init(&capture);
	fill(&capture);
	part = load(&capture, "0.251", "1.251");
	CHECK_EQ(part->sample_count, 5u);
	CHECK_OR_RETURN(fd >= 0 && merged_capture_write(part, fd) == 0);
	CHECK_OR_RETURN(capture_reader_open_fd(fd, "part", false, &reader) == 0);
	CHECK(capture_reader_ended(reader));
	CHECK_OR_RETURN(merged_profile_load(reader, &options, &again) == 0);
	CHECK_EQ(again->sample_count, 5u);
	CHECK_EQ(again->damaged_segments, 0u);
	CHECK_OR_RETURN(call_tree_new(again, &tree) == 0);
	report = make(tree, REPORT_BY_FUNCTION, INT64_MIN, INT64_MAX);
	CHECK_EQ(find(&report, "work")->self, 4u);
	CHECK_EQ(find(&report, "wait")->self, 1u);
	merged_profile_sort(part);
	merged_profile_sort(again);
	for (uint64_t i = 0; i < again->sample_count; i++)
		CHECK_EQ(again->samples[i].time_us, part->samples[i].time_us);
}

/* "late::name" is told for the key of "main" in the second half of the capture. */
static void late_names_are_everywhere(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(merged_profile_free) struct merged_profile *profile = NULL;
	CLEANUP(call_tree_free) struct call_tree *tree = NULL;
	CLEANUP(report_close) struct report report = { 0 };

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 3, 4, 5);
	capture_fixture_write(&capture);
	/* Before the name was told. */
	profile = load(&capture, NULL, "0.7");
	CHECK_OR_RETURN(call_tree_new(profile, &tree) == 0);
	report = make(tree, REPORT_BY_FUNCTION, INT64_MIN, INT64_MAX);
	CHECK_EQ(profile->sample_count, 5u);
	CHECK_EQ(find(&report, "late::name")->total, 5u);
	CHECK_EQ(find(&report, "main")->total, 0u);
}

TESTS(TEST(recursion_counts_once), TEST(processes_and_threads_have_their_samples),
      TEST(a_sample_on_an_edge_is_in_one_range), TEST(a_part_is_a_capture_again),
      TEST(late_names_are_everywhere), TEST(a_sample_weighs_what_the_rate_of_its_segment_says))
