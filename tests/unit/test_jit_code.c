/* SPDX-License-Identifier: Apache-2.0 */
/* Which function is at an address: perf maps, and loads that hide one another. */
#include "symbolize/jit_code.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "elf/symbol_table.h"
#include "jit_maker.h"
#include "symbolize/jit_input.h"
#include "symbolize/jit_name.h"

enum { BYTES_MAX = 64 << 20 };

/* What a perf map says, in one part. */
static struct jit_code *code_of(const char *text)
{
	struct jit_code *code = NULL;

	if (jit_code_new(BYTES_MAX, &code))
		check_give_up();
	CHECK_EQ(jit_maker_add_map(code, text), 0);
	return code;
}

static const char *name_at(const struct jit_code *code, uint64_t address)
{
	return jit_maker_name(code, address, UINT64_MAX);
}

static void each_line_names_its_range(void)
{
	CLEANUP(jit_code_free)
	struct jit_code *code =
		code_of("7f0010 20 LazyCompile:*add /srv/a b.js:1\n0x7f0100 0x8 stub\n");

	CHECK_STR_EQ(name_at(code, 0x7f000f), "");
	CHECK_STR_EQ(name_at(code, 0x7f0010), "add /srv/a b.js:1");
	CHECK_STR_EQ(name_at(code, 0x7f002f), "add /srv/a b.js:1");
	CHECK_STR_EQ(name_at(code, 0x7f0030), "");
	CHECK_STR_EQ(name_at(code, 0x7f0107), "stub");
	CHECK_STR_EQ(name_at(code, 0x7f0108), "");
}

static void the_last_line_for_an_address_counts(void)
{
	CLEANUP(jit_code_free)
	struct jit_code *code = code_of("1000 100 old_and_short_lived\n"
					"2000 10 other\n"
					"1000 100 new\n");

	CHECK_STR_EQ(name_at(code, 0x1000), "new");
	CHECK_STR_EQ(name_at(code, 0x10ff), "new");
	CHECK_STR_EQ(name_at(code, 0x2000), "other");
}

static void a_newer_function_hides_part_of_an_older_one(void)
{
	CLEANUP(jit_code_free) struct jit_code *code = code_of("1000 100 old\n1040 20 new\n");

	CHECK_STR_EQ(name_at(code, 0x1000), "old");
	CHECK_STR_EQ(name_at(code, 0x103f), "old");
	CHECK_STR_EQ(name_at(code, 0x1040), "new");
	CHECK_STR_EQ(name_at(code, 0x105f), "new");
	CHECK_STR_EQ(name_at(code, 0x1060), "old");
	CHECK_STR_EQ(name_at(code, 0x10ff), "old");
	CHECK_STR_EQ(name_at(code, 0x1100), "");
}

static void an_older_function_does_not_show_through(void)
{
	CLEANUP(jit_code_free) struct jit_code *code = code_of("1040 20 old\n1000 100 new\n");

	for (uint64_t address = 0x1000; address < 0x1100; address += 0x10)
		CHECK_STR_EQ(name_at(code, address), "new");
}

static void the_older_end_shows_behind_a_newer_one(void)
{
	CLEANUP(jit_code_free)
	struct jit_code *code = code_of("1000 80 first\n1040 80 second\n1020 40 third\n");

	CHECK_STR_EQ(name_at(code, 0x101f), "first");
	CHECK_STR_EQ(name_at(code, 0x1020), "third");
	CHECK_STR_EQ(name_at(code, 0x105f), "third");
	CHECK_STR_EQ(name_at(code, 0x1060), "second");
	CHECK_STR_EQ(name_at(code, 0x10bf), "second");
	CHECK_STR_EQ(name_at(code, 0x10c0), "");
}

/* Every byte is named by the last of the lines that cover it, as a plain search finds it. */
static void any_overlaps_agree_with_a_plain_search_in_one_part_and_in_many(void)
{
	static char text[200 * 32];
	struct {
		unsigned int start, size;
	} lines[200];
	unsigned int random = 12345;
	size_t size = 0;

	for (int i = 0; i < 200; i++) {
		random = random * 1103515245 + 12345;
		lines[i].start = 0x1000 + (random >> 8) % 2000;
		lines[i].size = 1 + (random >> 20) % 300;
		size += (size_t)snprintf(text + size, sizeof(text) - size, "%x %x f%d\n",
					 lines[i].start, lines[i].size, i);
	}
	CLEANUP(jit_code_free) struct jit_code *code = code_of(text);
	CLEANUP(jit_code_free) struct jit_code *in_parts = code_of("");

	CHECK_OR_RETURN(code && in_parts);
	for (char *at = text; *at;) {
		char *end = at;

		for (int line = 0; line < 17 && *end; line++)
			end = strchr(end, '\n') + 1;
		CLEANUP(memory_free) char *part = strndup(at, (size_t)(end - at));
		CHECK_EQ(jit_maker_add_map(in_parts, part), 0);
		at = end;
	}
	for (unsigned int address = 0x0ff0; address < 0x1000 + 2400; address++) {
		char expected[16] = "";

		for (int i = 0; i < 200; i++)
			if (lines[i].start <= address && address < lines[i].start + lines[i].size)
				snprintf(expected, sizeof(expected), "f%d", i);
		CHECK_STR_EQ(name_at(code, address), expected);
		CHECK_STR_EQ(name_at(in_parts, address), expected);
	}
}

static void bad_lines_and_a_cut_one_are_left_out(void)
{
	CLEANUP(jit_code_free)
	struct jit_code *code = code_of("\nx\n1000\n1000 10\n1000 10 \n1000 0 empty\n"
					"ffffffffffffffff 10 beyond\n3000 10 good\n2000 10 cut");

	CHECK_STR_EQ(name_at(code, 0x3000), "good");
	CHECK_STR_EQ(name_at(code, 0x1000), "");
	CHECK_STR_EQ(name_at(code, 0x2000), "");
}

static void an_empty_map_gives_an_empty_table(void)
{
	CLEANUP(jit_code_free) struct jit_code *code = code_of("");

	CHECK_STR_EQ(name_at(code, 0), "");
}

static void a_very_long_name_is_cut(void)
{
	static char text[3 * SYMBOL_NAME_SIZE_MAX];
	struct jit_function function;

	memset(text, 'n', sizeof(text));
	memcpy(text, "1000 10 ", 8);
	text[sizeof(text) - 2] = '\n';
	text[sizeof(text) - 1] = '\0';
	CLEANUP(jit_code_free) struct jit_code *code = code_of(text);

	CHECK_OR_RETURN(jit_code_find(code, 0x1000, 0, &function));
	CHECK_EQ(function.name_size, SYMBOL_NAME_SIZE_MAX);
}

/* --- times ----------------------------------------------------------------------------------- */

static void add_load(struct jit_loads_writer *writer, uint64_t start, uint64_t size,
		     uint64_t time_ns, const char *name)
{
	const struct jit_load load = { .start = start, .size = size, .time_ns = time_ns };

	jit_loads_writer_add(writer, load, name, strlen(name));
}

static void a_moment_leads_to_what_was_there_then(void)
{
	CLEANUP(jit_loads_writer_free) struct jit_loads_writer writer = jit_loads_writer_new();
	CLEANUP(jit_code_free) struct jit_code *code = code_of("");

	add_load(&writer, 0x1000, 0x100, 100, "first");
	add_load(&writer, 0x1000, 0x80, 200, "second");
	add_load(&writer, 0x1040, 0x10, 300, "third");
	CHECK_OR_RETURN(code && jit_maker_pass(code, &writer) == 0);
	CHECK_STR_EQ(jit_maker_name(code, 0x1048, 100), "first");
	CHECK_STR_EQ(jit_maker_name(code, 0x1048, 199), "first");
	CHECK_STR_EQ(jit_maker_name(code, 0x1048, 200), "second");
	CHECK_STR_EQ(jit_maker_name(code, 0x1048, 299), "second");
	CHECK_STR_EQ(jit_maker_name(code, 0x1048, 300), "third");
	CHECK_STR_EQ(jit_maker_name(code, 0x1050, 300), "second");
	CHECK_STR_EQ(jit_maker_name(code, 0x1080, 300), "first");
	/* It ran before it was told of. */
	CHECK_STR_EQ(jit_maker_name(code, 0x1048, 99), "first");
}

static void any_times_agree_with_a_plain_search(void)
{
	struct {
		uint64_t start, size, time_ns;
	} loads[300];
	CLEANUP(jit_code_free) struct jit_code *code = code_of("");
	unsigned int random = 99;

	CHECK_OR_RETURN(code);
	for (int part = 0; part < 3; part++) {
		CLEANUP(jit_loads_writer_free)
		struct jit_loads_writer writer = jit_loads_writer_new();

		for (int i = part * 100; i < part * 100 + 100; i++) {
			char name[16];

			random = random * 1103515245 + 12345;
			loads[i].start = 0x1000 + (random >> 8) % 500;
			loads[i].size = 1 + (random >> 20) % 100;
			loads[i].time_ns = 1000 + (uint64_t)i * 10;
			snprintf(name, sizeof(name), "f%d", i);
			add_load(&writer, loads[i].start, loads[i].size, loads[i].time_ns, name);
		}
		CHECK_EQ(jit_maker_pass(code, &writer), 0);
	}
	for (uint64_t time_ns = 1000; time_ns < 4000; time_ns += 95) {
		for (uint64_t address = 0xff0; address < 0x1000 + 620; address++) {
			char expected[16] = "";
			int first = -1;

			for (int i = 299; i >= 0; i--) {
				if (address - loads[i].start >= loads[i].size)
					continue;
				first = i;
				if (loads[i].time_ns <= time_ns)
					break;
			}
			if (first >= 0)
				snprintf(expected, sizeof(expected), "f%d", first);
			CHECK_STR_EQ(jit_maker_name(code, address, time_ns), expected);
		}
	}
}

static void too_many_loads_push_out_the_oldest(void)
{
	CLEANUP(jit_code_free) struct jit_code *code = NULL;
	const size_t bytes_max = 1 << 20;

	CHECK_OR_RETURN(jit_code_new(bytes_max, &code) == 0);
	for (unsigned int part = 0; part < 50; part++) {
		CLEANUP(jit_loads_writer_free)
		struct jit_loads_writer writer = jit_loads_writer_new();

		for (unsigned int i = part * 1000; i < part * 1000 + 1000; i++) {
			char name[32];

			snprintf(name, sizeof(name), "function_%u", i);
			add_load(&writer, 0x1000 + i * 0x10, 0x10, 0, name);
		}
		CHECK_EQ(jit_maker_pass(code, &writer), 0);
		CHECK(jit_code_bytes(code) <= bytes_max);
	}
	CHECK(jit_code_forgotten(code) > 30000);
	CHECK_STR_EQ(name_at(code, 0x1000), "");
	CHECK_STR_EQ(name_at(code, 0x1000 + 49999 * 0x10), "function_49999");
	CHECK_STR_EQ(name_at(code, 0x1000 + 49000 * 0x10), "function_49000");
}

/* --- what the worker answers ----------------------------------------------------------------- */

static void nonsense_is_refused(void)
{
	CLEANUP(bytes_writer_free) struct bytes_writer good = bytes_writer_with_max(4096);
	CLEANUP(jit_loads_writer_free) struct jit_loads_writer writer = jit_loads_writer_new();
	struct jit_loads_view view;
	struct jit_load *row;

	add_load(&writer, 0x1000, 0x10, 0, "name");
	add_load(&writer, UINT64_MAX - 1, 0x10, 0, "left out");
	add_load(&writer, 0x2000, 0, 0, "left out");
	CHECK_OR_RETURN(jit_loads_writer_finish(&writer, (struct jit_position){ 0 }, 0, &good) ==
			0);
	CHECK_OR_RETURN(jit_loads_view_open(good.bytes, good.size, &view) == 0);
	CHECK_EQ(view.header->count, 1);
	for (size_t size = 0; size < good.size; size++)
		CHECK_EQ(jit_loads_view_open(good.bytes, size, &view), -EBADMSG);
	row = (struct jit_load *)(good.bytes + sizeof(struct jit_loads_header));
	row->name_size = 5;
	CHECK_EQ(jit_loads_view_open(good.bytes, good.size, &view), -EBADMSG);
	row->name_size = 4;
	row->name_offset = UINT32_MAX;
	CHECK_EQ(jit_loads_view_open(good.bytes, good.size, &view), -EBADMSG);
	row->name_offset = 0;
	row->size = UINT64_MAX;
	CHECK_EQ(jit_loads_view_open(good.bytes, good.size, &view), -EBADMSG);
	row->size = 0;
	CHECK_EQ(jit_loads_view_open(good.bytes, good.size, &view), -EBADMSG);
}

/* --- names ----------------------------------------------------------------------------------- */

static const char *shown(const char *name)
{
	static char text[256];

	text[jit_name_write(text, name, strlen(name))] = '\0';
	return text;
}

static void names_are_those_that_people_know(void)
{
	CHECK_STR_EQ(shown("JS:*fib /srv/x.js:1:13"), "fib /srv/x.js:1:13");
	CHECK_STR_EQ(shown("JS:^fib /srv/x.js:1:13"), "fib /srv/x.js:1:13");
	CHECK_STR_EQ(shown("LazyCompile:~get area /srv/x.js:2:49"), "get area /srv/x.js:2:49");
	CHECK_STR_EQ(shown("Function:+run node:internal/x:1:2"), "run node:internal/x:1:2");
	CHECK_STR_EQ(shown("JS:~ /srv/x.js:4:68"), "(anonymous) /srv/x.js:4:68");
	CHECK_STR_EQ(shown("Eval:~ [eval]:1:1"), "(anonymous) [eval]:1:1");
	CHECK_STR_EQ(shown("Builtin:ArrayMap"), "Builtin:ArrayMap");
	CHECK_STR_EQ(shown("RegExp:(a|b)*"), "RegExp:(a|b)*");
	CHECK_STR_EQ(shown("py::fib:/srv/fib.py"), "py::fib:/srv/fib.py");
	CHECK_STR_EQ(shown("int Sum.add(int, int)"), "int Sum.add(int, int)");
	CHECK_STR_EQ(shown("JS:"), "JS:");
	CHECK_STR_EQ(shown("JS:*"), "(anonymous)");
}

/* --- files that grow ------------------------------------------------------------------------- */

struct growing {
	int fd;
	struct jit_position position;
	struct jit_code *code;
	uint32_t flags; /* of the last read */
};

static void cleanup_growing_close(struct growing *growing)
{
	fd_close(growing->fd);
	jit_code_free(growing->code);
}

static bool open_growing(struct growing *growing)
{
	*growing = (struct growing){ .fd = memfd_create("map", MFD_CLOEXEC) };
	return growing->fd >= 0 && jit_code_new(BYTES_MAX, &growing->code) == 0;
}

static void write_at(struct growing *growing, uint64_t offset, const char *text)
{
	CHECK_EQ(pwrite(growing->fd, text, strlen(text), (off_t)offset), (ssize_t)strlen(text));
}

/* As the worker and the loop do it between them. */
static void read_on(struct growing *growing)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer result = bytes_writer_with_max(JIT_MAKER_RESULT_SIZE_MAX);
	struct jit_loads_view view;

	CHECK_OR_RETURN(
		perf_map_text_job(growing->fd,
				  bytes_reader_of(&growing->position, sizeof(growing->position)),
				  &result) == 0);
	CHECK_OR_RETURN(jit_loads_view_open(result.bytes, result.size, &view) == 0);
	growing->flags = view.header->flags;
	growing->position = view.header->position;
	if (view.header->flags & JIT_LOADS_RESTARTED) {
		jit_code_free(growing->code);
		growing->code = NULL;
		CHECK_EQ(jit_code_new(BYTES_MAX, &growing->code), 0);
	}
	CHECK_EQ(jit_code_add(growing->code, &view), 0);
}

static void only_what_was_appended_is_read(void)
{
	CLEANUP(growing_close) struct growing growing = { 0 };

	CHECK_OR_RETURN(open_growing(&growing));
	write_at(&growing, 0, "1000 10 first\n2000 10 sec");
	read_on(&growing);
	CHECK_EQ(growing.position.offset, 14);
	CHECK_STR_EQ(name_at(growing.code, 0x2000), "");
	write_at(&growing, 25, "ond\n3000 10 third\n");
	read_on(&growing);
	CHECK_EQ(growing.flags, 0);
	CHECK_STR_EQ(name_at(growing.code, 0x1000), "first");
	CHECK_STR_EQ(name_at(growing.code, 0x2000), "second");
	CHECK_STR_EQ(name_at(growing.code, 0x3000), "third");
}

static void a_map_that_was_written_anew_is_read_anew(void)
{
	CLEANUP(growing_close) struct growing growing = { 0 };

	CHECK_OR_RETURN(open_growing(&growing));
	write_at(&growing, 0, "1000 10 first\n2000 10 second\n");
	read_on(&growing);
	/* Longer than before, and other text where the last read stopped. */
	CHECK_EQ(ftruncate(growing.fd, 0), 0);
	write_at(&growing, 0, "5000 10 other\n6000 10 another\n7000 10 more\n");
	read_on(&growing);
	CHECK_EQ(growing.flags, JIT_LOADS_RESTARTED);
	CHECK_STR_EQ(name_at(growing.code, 0x1000), "");
	CHECK_STR_EQ(name_at(growing.code, 0x7000), "more");
	/* Shorter than before. */
	CHECK_EQ(ftruncate(growing.fd, 14), 0);
	read_on(&growing);
	CHECK_EQ(growing.flags, JIT_LOADS_RESTARTED);
	CHECK_STR_EQ(name_at(growing.code, 0x5000), "other");
	CHECK_STR_EQ(name_at(growing.code, 0x6000), "");
}

static void of_a_huge_map_the_end_is_read_in_parts(void)
{
	const uint64_t lines = 100000, line_size = 17;
	CLEANUP(growing_close) struct growing growing = { 0 };
	CLEANUP(bytes_writer_free) struct bytes_writer text = bytes_writer_with_max(8 << 20);
	uint64_t end = (UINT64_C(10) << 30) - lines * line_size;
	int parts = 0;

	CHECK_OR_RETURN(open_growing(&growing));
	for (uint64_t i = 0; i < lines; i++) {
		char line[32];

		snprintf(line, sizeof(line), "%06llx 10 f%05llu\n",
			 (unsigned long long)(0x100000 + i * 0x10), (unsigned long long)i);
		bytes_write(&text, line, strlen(line));
	}
	CHECK_OR_RETURN(text.size == lines * line_size);
	CHECK_EQ(pwrite(growing.fd, text.bytes, text.size, (off_t)end), (ssize_t)text.size);
	do
		read_on(&growing);
	while (growing.flags & JIT_LOADS_MORE && ++parts < 100);
	CHECK(parts >= PERF_MAP_SIZE_MAX / JIT_INPUT_PART_SIZE_MAX);
	CHECK(parts < 20);
	CHECK_EQ(growing.position.offset, end + lines * line_size);
	CHECK_STR_EQ(name_at(growing.code, 0x100010), "f00001");
	CHECK_STR_EQ(name_at(growing.code, 0x100000 + (lines - 1) * 0x10), "f99999");
}

TESTS(TEST(each_line_names_its_range), TEST(the_last_line_for_an_address_counts),
      TEST(a_newer_function_hides_part_of_an_older_one),
      TEST(an_older_function_does_not_show_through), TEST(the_older_end_shows_behind_a_newer_one),
      TEST(any_overlaps_agree_with_a_plain_search_in_one_part_and_in_many),
      TEST(bad_lines_and_a_cut_one_are_left_out), TEST(an_empty_map_gives_an_empty_table),
      TEST(a_very_long_name_is_cut), TEST(a_moment_leads_to_what_was_there_then),
      TEST(any_times_agree_with_a_plain_search), TEST(too_many_loads_push_out_the_oldest),
      TEST(nonsense_is_refused), TEST(names_are_those_that_people_know),
      TEST(only_what_was_appended_is_read), TEST(a_map_that_was_written_anew_is_read_anew),
      TEST(of_a_huge_map_the_end_is_read_in_parts))
