/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every format that is written, and the tables of `report`: what is in them, and that what cannot be written
 * is an error and never half a file, also where it is memory that was missing. What others read in them:
 * tests/e2e/convert.test.mjs.
 */
#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "base/output_file.h"
#include "capture_fixture.h"
#include "check.h"
#include "convert/call_tree.h"
#include "convert/formats.h"
#include "convert/input.h"
#include "convert/merged_profile.h"
#include "convert/output.h"
#include "convert/report.h"

/* The names of the fixture's stacks, the first one as it was told late; 10 samples at 99 Hz. */
static const char folded[] = "sh;late::name;run;wait 4\n"
			     "sh;late::name;run;work 6\n";

static const char d3[] =
	"{\"name\":\"all\",\"value\":10,\"children\":[\n"
	"{\"name\":\"sh\",\"value\":10,\"children\":[\n"
	"{\"name\":\"late::name\",\"value\":10,\"libtype\":\"user\",\"children\":[\n"
	"{\"name\":\"run\",\"value\":10,\"libtype\":\"user\",\"children\":[\n"
	"{\"name\":\"wait\",\"value\":4,\"libtype\":\"user\",\"children\":[]},\n"
	"{\"name\":\"work\",\"value\":6,\"libtype\":\"user\",\"children\":[]}]}]}]}]}\n";

static const char first_sample[] = "sh 102/102 [000] 1700000000.250000: 10101010 cpu-clock: \n"
				   "\t0 wait (/bin/program)\n"
				   "\t0 run (/bin/program)\n"
				   "\t0 late::name (/bin/program)\n\n";

/* What was written; the test's own memory. */
struct text {
	char *bytes; /* a zero stands behind them */
	size_t size;
};

static inline void cleanup_text_free(struct text *text)
{
	free(text->bytes);
}

static void read_text(int fd, struct text *ret_text)
{
	struct stat status;

	free(ret_text->bytes);
	if (fstat(fd, &status) < 0)
		check_give_up();
	ret_text->size = (size_t)status.st_size;
	ret_text->bytes = calloc(1, ret_text->size + 1);
	if (pread(fd, ret_text->bytes, ret_text->size, 0) != status.st_size)
		check_give_up();
}

static struct merged_profile *load_reader(struct capture_reader *reader)
{
	const struct merged_profile_options options = { .name = "capture" };
	struct merged_profile *profile = NULL;

	if (!reader || merged_profile_load(reader, &options, &profile) < 0)
		check_give_up();
	return profile;
}

static struct merged_profile *load(struct capture_fixture *capture)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	struct merged_profile *profile;

	capture_fixture_fill(capture, 1, 2, 5);
	capture_fixture_write(capture);
	if (capture_open_bytes(capture->bytes, capture->size, &reader) < 0)
		check_give_up();
	profile = load_reader(reader);
	merged_profile_sort(profile);
	return profile;
}

static int write_to(int fd, const struct format *format, struct merged_profile *profile)
{
	CLEANUP(output_free) struct output *output = NULL;
	int r = output_new(fd, &output);

	if (!r)
		r = format->write(profile, "a \"title\"", output);
	return r ? r : output_finish(output);
}

static int written(const char *name, struct merged_profile *profile, struct text *ret_text)
{
	CLEANUP(fd_close) int fd = memfd_create("export", MFD_CLOEXEC);
	int r = write_to(fd, format_by_name(name), profile);

	read_text(fd, ret_text);
	return r;
}

static void texts_are_what_they_should_be(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(merged_profile_free) struct merged_profile *profile = NULL;
	CLEANUP(text_free) struct text text = { 0 };

	capture_fixture_init(&capture);
	profile = load(&capture);
	CHECK_EQ(written("folded", profile, &text), 0);
	CHECK_ALWAYS(strcmp(text.bytes, folded) == 0);
	CHECK_EQ(written("d3", profile, &text), 0);
	CHECK_ALWAYS(strcmp(text.bytes, d3) == 0);
	CHECK_EQ(written("speedscope", profile, &text), 0);
	CHECK_ALWAYS(strstr(text.bytes, "\"name\":\"a \\\"title\\\"\""));
	CHECK_ALWAYS(strstr(text.bytes,
			    "{\"type\":\"sampled\",\"name\":\"sh 102\",\"unit\":"
			    "\"nanoseconds\",\"startValue\":0,\"endValue\":101010100,"));
	CHECK_ALWAYS(strstr(text.bytes, "{\"name\":\"work\",\"file\":\"/bin/program\"}"));
	CHECK_EQ(written("perf-script", profile, &text), 0);
	CHECK_ALWAYS(strncmp(text.bytes, first_sample, strlen(first_sample)) == 0);
}

/* The page's capture is that of the format, as base64. */
static void page_holds_the_capture(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(merged_profile_free) struct merged_profile *profile = NULL;
	CLEANUP(text_free) struct text page = { 0 }, flicker = { 0 };
	CLEANUP(memory_free) char *encoded = NULL;

	capture_fixture_init(&capture);
	profile = load(&capture);
	CHECK_EQ(written("flicker", profile, &flicker), 0);
	CHECK_EQ(written("html", profile, &page), 0);
	encoded = malloc(flicker.size * 4 / 3 + 8);
	EVP_EncodeBlock((unsigned char *)encoded, (unsigned char *)flicker.bytes,
			(int)flicker.size);
	CHECK_ALWAYS(strstr(page.bytes, encoded));
	CHECK_ALWAYS(!strstr(page.bytes, "@CAPTURE@"));
	CHECK_ALWAYS(!strstr(page.bytes, "@NONCE@"));
	CHECK_ALWAYS(!strstr(page.bytes, "a \"title\""));
}

static uint64_t sample_count_of(const struct text *text)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	CLEANUP(merged_profile_free) struct merged_profile *profile = NULL;
	int fd = memfd_create("again", MFD_CLOEXEC);

	if (write(fd, text->bytes, text->size) != (ssize_t)text->size ||
	    lseek(fd, 0, SEEK_SET) < 0 || input_open_fd(fd, "again", NULL, &reader) < 0)
		check_give_up();
	profile = load_reader(reader);
	return profile->sample_count;
}

static void what_is_read_back_has_all_samples(void)
{
	static const char *const names[] = { "flicker", "perf-script", "folded", "pprof" };
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(merged_profile_free) struct merged_profile *profile = NULL;

	capture_fixture_init(&capture);
	profile = load(&capture);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CLEANUP(text_free) struct text text = { 0 };

		CHECK_EQ(written(names[i], profile, &text), 0);
		CHECK_ALWAYS(sample_count_of(&text) == 10);
	}
}

/* What was written without an error is whole, also when there was no memory for a part of it. */
static void writing_twice_is_the_same(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(merged_profile_free) struct merged_profile *profile = NULL;

	capture_fixture_init(&capture);
	profile = load(&capture);
	for (size_t i = 0; i < format_count; i++) {
		CLEANUP(text_free) struct text first = { 0 }, second = { 0 };

		CHECK_EQ(written(formats[i].name, profile, &first), 0);
		CHECK_EQ(written(formats[i].name, profile, &second), 0);
		CHECK_ALWAYS(first.size == second.size);
		/* A page has a nonce of its own. */
		if (strcmp(formats[i].name, "html") != 0)
			CHECK_ALWAYS(memcmp(first.bytes, second.bytes, first.size) == 0);
	}
}

static uint32_t file_count(const char *path)
{
	CLEANUP(dir_close) DIR *folder = opendir(path);
	uint32_t count = 0;

	for (const struct dirent *entry; folder && (entry = readdir(folder));)
		count += entry->d_name[0] != '.';
	return count;
}

/* As `convert` does, on a disk with room for @bytes_max. */
static int convert(const struct format *format, struct merged_profile *profile, const char *path,
		   rlim_t bytes_max)
{
	CLEANUP(output_file_free) struct output_file *file = NULL;
	struct rlimit limit, before;
	int r = output_file_open(path, false, &file);

	if (r < 0)
		return r;
	getrlimit(RLIMIT_FSIZE, &before);
	limit = (struct rlimit){ bytes_max, before.rlim_max };
	setrlimit(RLIMIT_FSIZE, &limit);
	r = write_to(output_file_fd(file), format, profile);
	setrlimit(RLIMIT_FSIZE, &before);
	return r ? r : output_file_commit(file);
}

/* ... and whatever becomes of it there is a whole file, or none. */
static int convert_or_not(const struct format *format, struct merged_profile *profile,
			  struct capture_fixture *capture, rlim_t bytes_max)
{
	char path[128];
	int r;

	snprintf(path, sizeof(path), "%s/export", capture->folder);
	r = convert(format, profile, path, bytes_max);
	CHECK_ALWAYS((unlink(path) == 0) == (r == 0));
	/* The capture itself. */
	CHECK_ALWAYS(file_count(capture->folder) == 1);
	return r;
}

static void a_full_disk_leaves_nothing_behind(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(merged_profile_free) struct merged_profile *profile = NULL;

	signal(SIGXFSZ, SIG_IGN); /* the limit's, not a disk's */
	capture_fixture_init(&capture);
	profile = load(&capture);
	for (size_t i = 0; i < format_count; i++) {
		CHECK_EQ(convert_or_not(&formats[i], profile, &capture, 40), -EFBIG);
		CHECK_EQ(convert_or_not(&formats[i], profile, &capture, RLIM_INFINITY), 0);
	}
}

/* The tables of one kind, for people and as JSON. Returns 0 or -errno. */
static int print_report(const struct merged_profile *profile, enum report_by by, bool as_json,
			struct text *ret_text)
{
	CLEANUP(fd_close) int fd = memfd_create("report", MFD_CLOEXEC);
	CLEANUP(call_tree_free) struct call_tree *tree = NULL;
	CLEANUP(report_close) struct report report = { 0 };
	CLEANUP(output_free) struct output *output = NULL;
	const struct report_view view = { .title = "a\tfile", .rows_max = 2, .columns_max = 80 };
	int r = call_tree_new(profile, &tree);

	if (!r)
		r = report_make(tree, by, INT64_MIN, INT64_MAX, &report);
	if (!r)
		r = output_new(fd, &output);
	if (r)
		return r;
	if (as_json)
		report_print_json(&report, 2, output);
	else
		report_print(&report, &view, output);
	r = output_finish(output);
	read_text(fd, ret_text);
	return r;
}

static void tables_are_what_they_should_be(void)
{
	static const char head[] = "a\\x09file: 10 samples in 2.000000 s from 2023-11-14 "
				   "22:13:20.250000 (T = 0.250000) on\n\n";
	static const char *const tables[REPORT_BY_COUNT] = {
		[REPORT_BY_FUNCTION] =
			"        SELF              TOTAL           FUNCTION  MODULE\n"
			"           6  60.0%           6  60.0%    work      /bin/program\n"
			"           4  40.0%           4  40.0%    wait      /bin/program\n"
			"... and 2 more; --limit 0 shows all\n",
		[REPORT_BY_MODULE] = "        SELF              TOTAL           MODULE\n"
				     "          10 100.0%          10 100.0%    /bin/program\n",
		[REPORT_BY_PROCESS] = "     SAMPLES  SHARE        PID  PROCESS\n"
				      "          10 100.0%        102  sh\n",
		[REPORT_BY_THREAD] = "     SAMPLES  SHARE        PID         TID  THREAD  PROCESS\n"
				     "          10 100.0%        102         102  sh      sh\n",
	};
	static const char *const rows[REPORT_BY_COUNT] = {
		[REPORT_BY_FUNCTION] = "[\n{\"name\":\"work\",\"module\":\"/bin/"
				       "program\",\"self\":6,\"total\":6},\n"
				       "{\"name\":\"wait\",\"module\":\"/bin/"
				       "program\",\"self\":4,\"total\":4}\n]\n",
		[REPORT_BY_MODULE] = "[\n{\"name\":\"/bin/program\",\"self\":10,\"total\":10}\n]\n",
		[REPORT_BY_PROCESS] =
			"[\n{\"name\":\"sh\",\"pid\":102,\"self\":10,\"total\":10}\n]\n",
		[REPORT_BY_THREAD] =
			"[\n{\"name\":\"sh\",\"tid\":102,\"process\":\"sh\",\"pid\":102,"
			"\"self\":10,\"total\":10}\n]\n",
	};
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(merged_profile_free) struct merged_profile *profile = NULL;

	setenv("TZ", "UTC", 1);
	tzset();
	capture_fixture_init(&capture);
	profile = load(&capture);
	for (uint32_t by = 0; by < REPORT_BY_COUNT; by++) {
		CLEANUP(text_free) struct text table = { 0 }, json = { 0 };

		CHECK_EQ(print_report(profile, by, false, &table), 0);
		CHECK_ALWAYS(strncmp(table.bytes, head, strlen(head)) == 0);
		CHECK_ALWAYS(strcmp(table.bytes + strlen(head), tables[by]) == 0);
		CHECK_EQ(print_report(profile, by, true, &json), 0);
		CHECK_ALWAYS(strcmp(json.bytes, rows[by]) == 0);
	}
}

TESTS(TEST(texts_are_what_they_should_be), TEST(page_holds_the_capture),
      TEST(what_is_read_back_has_all_samples), TEST(writing_twice_is_the_same),
      TEST(a_full_disk_leaves_nothing_behind), TEST(tables_are_what_they_should_be))
