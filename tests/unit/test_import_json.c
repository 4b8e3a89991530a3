/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/import_json.h"

#include "check.h"
#include "import_fixture.h"

static void check_import(const char *input, const char *expected)
{
	char *text = import_string_of(input);

	CHECK_STR_EQ(text, expected);
	free(text);
}

static const char cpuprofile[] =
	"{\"nodes\":[{\"id\":1,\"callFrame\":{\"functionName\":\"(root)\",\"scriptId\":\"0\","
	"\"url\":\"\","
	"\"lineNumber\":-1,\"columnNumber\":-1},\"hitCount\":0,\"children\":[2,3]},"
	"{\"id\":2,\"callFrame\":{\"functionName\":\"main\",\"url\":\"file:///"
	"a.js\",\"lineNumber\":9},"
	"\"children\":[4]},"
	"{\"id\":3,\"callFrame\":{\"functionName\":\"(idle)\",\"url\":\"\",\"lineNumber\":-1}},"
	"{\"id\":4,\"callFrame\":{\"functionName\":\"\",\"url\":\"file:///"
	"a.js\",\"lineNumber\":3}}],"
	"\"startTime\":5000000,\"endTime\":5004000,\"samples\":[2,3,4,4],"
	"\"timeDeltas\":[100,1000,1000,1000]}";

static void cpuprofile_is_read(void)
{
	struct capture_summary summary = import_summary(cpuprofile, strlen(cpuprofile), NULL);

	check_import(
		cpuprofile,
		"5.000100 [0] JavaScript 0/0 main@file:///a.js'j\n"
		"5.002100 [0] JavaScript 0/0 main@file:///a.js'j;(anonymous)@file:///a.js'j\n"
		"5.003100 [0] JavaScript 0/0 main@file:///a.js'j;(anonymous)@file:///a.js'j\n");
	CHECK_EQ(summary.idle_count, 1);
	CHECK_EQ(summary.frequency_mhz, 1000000);
}

/* Node's v8-profiler and old Chrome: nodes within nodes, times by themselves. */
static void older_form_is_read(void)
{
	check_import(
		"{\"head\":{\"functionName\":\"(root)\",\"url\":\"\",\"id\":1,\"children\":["
		"{\"functionName\":\"f\",\"url\":\"x.js\",\"lineNumber\":1,\"id\":2,\"children\":["
		"{\"functionName\":\"g\",\"url\":\"x.js\",\"id\":3,\"children\":[]}]}]},"
		"\"startTime\":1.5,\"samples\":[2,3],\"timestamps\":[7000000,7000500]}",
		"7.000000 [0] JavaScript 0/0 f@x.js'j\n"
		"7.000500 [0] JavaScript 0/0 f@x.js'j;g@x.js'j\n");
}

static void pieces_in_trace_events_are_joined(void)
{
	check_import(
		"{\"traceEvents\":[{\"args\":{\"data\":{\"startTime\":2000000}},\"name\":"
		"\"Profile\","
		"\"ph\":\"P\",\"id\":\"0x1\",\"pid\":7,\"tid\":8,\"ts\":2000000},"
		"{\"args\":{\"data\":{\"cpuProfile\":{\"nodes\":[{\"id\":1,\"callFrame\":{"
		"\"functionName\":"
		"\"a\"}}],\"samples\":[1]},\"timeDeltas\":[10]}},\"name\":\"ProfileChunk\",\"ph\":"
		"\"P\","
		"\"id\":\"0x1\",\"pid\":7,\"tid\":9,\"ts\":2000010},"
		"{\"args\":{\"data\":{\"cpuProfile\":{\"nodes\":[{\"id\":2,\"parent\":1,"
		"\"callFrame\":{"
		"\"functionName\":\"b\"}}],\"samples\":[2,1]},\"timeDeltas\":[20,30]}},"
		"\"name\":\"ProfileChunk\",\"ph\":\"P\",\"id\":\"0x1\",\"pid\":7,\"tid\":9,\"ts\":"
		"2000060},"
		"{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":7,\"tid\":8,\"args\":{\"name\":"
		"\"Main\"}}]}",
		"2.000010 [0] Main 7/8 a\n2.000030 [0] Main 7/8 a;b\n2.000060 [0] Main 7/8 a\n");
}

/* 250 us each, in any order, one inside the other; a sample at each 100 us of what is open then. */
static void slices_become_samples(void)
{
	static const char expected[] =
		"1.000000 [0] JavaScript 1/2 outer\n1.000100 [0] JavaScript 1/2 outer;inner\n"
		"1.000200 [0] JavaScript 1/2 outer;inner\n1.000300 [0] JavaScript 1/2 outer\n"
		"1.000400 [0] JavaScript 1/2 outer\n1.000600 [0] JavaScript 1/2 next\n";

	check_import(
		"[{\"ph\":\"X\",\"name\":\"inner\",\"pid\":1,\"tid\":2,\"ts\":1000050,\"dur\":200},"
		"{\"ph\":\"X\",\"name\":\"outer\",\"pid\":1,\"tid\":2,\"ts\":1000000.5,\"dur\":0},"
		"{\"ph\":\"X\",\"name\":\"outer\",\"pid\":1,\"tid\":2,\"ts\":1000000,\"dur\":500},"
		"{\"ph\":\"X\",\"name\":\"next\",\"pid\":1,\"tid\":2,\"ts\":1000550,\"dur\":100}]",
		expected);
	check_import("[{\"ph\":\"B\",\"name\":\"outer\",\"pid\":1,\"tid\":2,\"ts\":1000000},"
		     "{\"ph\":\"B\",\"name\":\"inner\",\"pid\":1,\"tid\":2,\"ts\":1000050},"
		     "{\"ph\":\"E\",\"pid\":1,\"tid\":2,\"ts\":1000250},"
		     "{\"ph\":\"E\",\"pid\":1,\"tid\":2,\"ts\":1000500},"
		     "{\"ph\":\"E\",\"pid\":1,\"tid\":2,\"ts\":1000510},"
		     "{\"ph\":\"B\",\"name\":\"next\",\"pid\":1,\"tid\":2,\"ts\":1000550},"
		     "{\"ph\":\"I\",\"name\":\"mark\",\"pid\":1,\"tid\":2,\"ts\":1000600},"
		     "{\"ph\":\"E\",\"pid\":1,\"tid\":2,\"ts\":1000650},\n", /* cut by a crash */
		     expected);
}

static void strings_are_unescaped(void)
{
	check_import("[{\"ph\":\"X\",\"name\":\"\\u0041\\n\\\"\\u00e9\\ud83d\\ude00\\ud800x\\/\","
		     "\"ts\":1000000,\"dur\":100}]",
		     "1.000000 [0] JavaScript 0/0 A\n\"\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbdx/\n");
}

static void circles_of_nodes_end(void)
{
	char *text = import_string_of(
		"{\"nodes\":[{\"id\":1,\"parent\":2,\"callFrame\":{\"functionName\":\"a\"}},"
		"{\"id\":2,\"parent\":1,\"callFrame\":{\"functionName\":\"b\"}}],"
		"\"startTime\":1000000,\"samples\":[1,2,77],\"timeDeltas\":[0,1,1]}");

	CHECK(text);
	free(text);
}

static void what_is_no_json_is_refused(void)
{
	static const char *const texts[] = {
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"[{\"a\":1 2}]",
		"[{\"a\":\"\\q\"}]",
		"[{\"a\":\"\\u00g0\"}]",
		"[{\"a\":truth}]",
		"[{\"a\":1.2.3}]",
		"{\"nodes\":[]} extra",
		"[{\"ph\":\"X\",\"name\":\"a\",\"ts\":-5,\"dur\":1}]",
		"[{\"ph\":\"X\",\"name\":\"a\",\"ts\":1e300,\"dur\":1}]",
		"{\"a\":1}",
		"[{}]",
		"{\"nodes\":[{\"callFrame\":{}}],\"samples\":[1]}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char *text = import_string_of(texts[i]);

		if (text)
			printf("# accepted: %s\n", texts[i]);
		CHECK(!text);
		free(text);
	}
}

static void deep_nesting_is_refused(void)
{
	size_t size = 1000000;
	char *text = malloc(size + 1);

	memcpy(text, "[{\"a\":", 6);
	memset(text + 6, '[', size - 6);
	text[size] = '\0';
	CHECK(!import_string_of(text));
	free(text);
}

static void a_file_cut_anywhere_is_no_crash(void)
{
	for (size_t size = 0; size < strlen(cpuprofile); size++)
		CHECK(!import_bytes(cpuprofile, size, NULL));
}

TESTS(TEST(cpuprofile_is_read), TEST(older_form_is_read), TEST(pieces_in_trace_events_are_joined),
      TEST(slices_become_samples), TEST(strings_are_unescaped), TEST(circles_of_nodes_end),
      TEST(what_is_no_json_is_refused), TEST(deep_nesting_is_refused),
      TEST(a_file_cut_anywhere_is_no_crash))
