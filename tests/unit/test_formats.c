/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of `convert` and `report`: a capture is opened, read with its next segment ahead in a thread, and
 * written in each format or counted. Also built with ThreadSanitizer.
 */
#include "convert/formats.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture_fixture.h"
#include "check.h"
#include "convert/call_tree.h"
#include "convert/input.h"
#include "convert/merged_capture.h"
#include "convert/merged_profile.h"
#include "convert/output.h"
#include "convert/report.h"

enum {
	SEGMENTS = 6, /* the next is read ahead from the second on */
	SECONDS = 2,
	PER_SECOND = 30,
	SAMPLES = SEGMENTS * SECONDS * PER_SECOND,
};

static const struct input_options quiet = { .quiet = true };

/* @fd: taken. */
static int load(int fd, struct merged_profile **ret_profile)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	const struct merged_profile_options options = { .name = "capture" };
	int r = input_open_fd(fd, "capture", &quiet, &reader);

	return r ? r : merged_profile_load(reader, &options, ret_profile);
}

static void make(struct capture_fixture *capture)
{
	capture_fixture_init(capture);
	capture_fixture_fill(capture, SEGMENTS, SECONDS, PER_SECOND);
	capture_fixture_write(capture);
}

static int load_fixture(const struct capture_fixture *capture, struct merged_profile **ret_profile)
{
	int fd = open(capture->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		check_give_up();
	return load(fd, ret_profile);
}

/* Writes what is in @profile to a file in memory, which is the caller's. */
static int write_format(const struct format *format, struct merged_profile *profile, int *ret_fd)
{
	CLEANUP(output_free) struct output *output = NULL;
	CLEANUP(fd_close) int fd = memfd_create("output", MFD_CLOEXEC);
	int r = output_new(fd, &output);

	if (!r)
		r = format->write(profile, "title", output);
	if (!r)
		r = output_finish(output);
	if (r)
		return r;
	lseek(fd, 0, SEEK_SET);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static void names_and_endings_tell_formats(void)
{
	for (size_t i = 0; i < format_count; i++)
		CHECK(format_by_name(formats[i].name) == &formats[i]);
	CHECK(format_by_name("svg") == NULL);
	CHECK(format_by_path("a.json") == format_by_name("d3"));
	CHECK(format_by_path("a.SpeedScope.json") == format_by_name("speedscope"));
	CHECK(format_by_path("a.pb.gz") == format_by_name("pprof"));
	CHECK(format_by_path("a.gz") == NULL);
	CHECK(format_by_path(".folded") == NULL);
}

static uint64_t samples_of(const struct merged_profile *profile)
{
	CLEANUP(call_tree_free) struct call_tree *tree = NULL;
	CLEANUP(report_close) struct report report = { 0 };

	if (call_tree_new(profile, &tree) ||
	    report_make(tree, REPORT_BY_THREAD, INT64_MIN, INT64_MAX, &report))
		check_give_up();
	return report.sample_count;
}

/* What we read as well has all samples of all segments. */
static void each_format_has_all_samples(void)
{
	static const char *const readable[] = { "flicker", "perf-script", "folded", "pprof" };
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(merged_profile_free) struct merged_profile *profile = NULL;

	make(&capture);
	CHECK_OR_RETURN(load_fixture(&capture, &profile) == 0);
	CHECK_EQ(profile->sample_count, SAMPLES);
	for (size_t i = 0; i < ARRAY_SIZE(readable); i++) {
		CLEANUP(merged_profile_free) struct merged_profile *again = NULL;
		int fd = -1;

		CHECK_EQ(write_format(format_by_name(readable[i]), profile, &fd), 0);
		CHECK_OR_RETURN(load(fd, &again) == 0);
		CHECK_EQ(samples_of(again), SAMPLES);
	}
}

static void a_page_and_a_tree_are_written(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(merged_profile_free) struct merged_profile *profile = NULL;

	make(&capture);
	CHECK_OR_RETURN(load_fixture(&capture, &profile) == 0);
	for (size_t i = 0; i < format_count; i++) {
		CLEANUP(fd_close) int fd = -1;

		CHECK_EQ(write_format(&formats[i], profile, &fd), 0);
		CHECK(lseek(fd, 0, SEEK_END) > 0);
	}
}

/* By each of the ways the whole is the same. */
static void reports_count_all_segments(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(merged_profile_free) struct merged_profile *profile = NULL;
	CLEANUP(call_tree_free) struct call_tree *tree = NULL;

	make(&capture);
	CHECK_OR_RETURN(load_fixture(&capture, &profile) == 0);
	CHECK_OR_RETURN(call_tree_new(profile, &tree) == 0);
	for (int by = 0; by < REPORT_BY_COUNT; by++) {
		CLEANUP(report_close) struct report report = { 0 };

		CHECK_EQ(report_make(tree, (enum report_by)by, INT64_MIN, INT64_MAX, &report), 0);
		CHECK_EQ(report.sample_count, SAMPLES);
	}
}

TESTS(TEST(names_and_endings_tell_formats), TEST(each_format_has_all_samples),
      TEST(a_page_and_a_tree_are_written), TEST(reports_count_all_segments))
