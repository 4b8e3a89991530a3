/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of lines and inlined functions: made, read back, and refused when they are bad. */
#include "elf/source_table.h"

#include <errno.h>

#include "base/cleanup.h"
#include "check.h"
#include "elf/source_table_builder.h"

struct made {
	struct source_table_builder builder;
	struct bytes_writer bytes;
	struct source_table_view view;
};

static void cleanup_made_free(struct made *made)
{
	source_table_builder_free(&made->builder);
	bytes_writer_free(&made->bytes);
}

static void start(struct made *made)
{
	*made = (struct made){ .builder = source_table_builder_start(),
			       .bytes = bytes_writer_with_max(1 << 20) };
}

static bool finish(struct made *made)
{
	const struct build_id none = { 0 };

	return source_table_builder_finish(&made->builder, &none, &made->bytes) == 0 &&
	       source_table_view_open(made->bytes.bytes, made->bytes.size, &made->view) == 0;
}

static uint32_t scope_of(struct made *made, uint32_t parent, const char *name, uint32_t line)
{
	uint32_t file = source_table_builder_file(&made->builder, "/home/build/src/a.c");
	uint32_t function = source_table_builder_add_function(
		&made->builder, (uint64_t)(unsigned char)name[0], name, strlen(name));

	return source_table_builder_add_scope(&made->builder, parent, function, file, line);
}

/* The frames as text, innermost first: "inner src/a.c:3, outer src/a.c:2, src/a.c:1". */
static const char *frames_at(const struct made *made, uint64_t address)
{
	struct source_frame frames[SOURCE_FRAMES_MAX];
	static char text[512];
	size_t size = 0;

	text[0] = 0;
	for (uint32_t i = 0; i < made->view.header->range_count; i++) {
		const struct source_table_range *range = &made->view.ranges[i];
		unsigned int count;

		if (address < range->start || address >= range->end)
			continue;
		count = source_table_frames(&made->view, range, address, frames);
		for (unsigned int k = 0; k < count; k++)
			size += (size_t)snprintf(
				text + size, sizeof(text) - size, "%s%.*s%s%.*s:%u", k ? ", " : "",
				(int)frames[k].name_size, frames[k].name ? frames[k].name : "",
				frames[k].name ? " " : "", (int)frames[k].file_size,
				frames[k].file ? frames[k].file : "", frames[k].line);
		return text;
	}
	return "unknown";
}

/* One unit at [100, 200): outer inlined at [120, 160), inner in that at [130, 140). */
static bool make_unit(struct made *made)
{
	const struct source_span span = { 100, 200 };
	struct source_interval intervals[2];
	struct source_line lines[4];
	uint32_t file, outer;

	start(made);
	file = source_table_builder_file(&made->builder, "/home/build/src/a.c");
	outer = scope_of(made, 0, "outer", 1);
	intervals[1] = (struct source_interval){ 120, 160, outer };
	intervals[0] = (struct source_interval){ 130, 140, scope_of(made, outer, "inner", 2) };
	lines[0] = (struct source_line){ 100, file, 9 };
	lines[1] = (struct source_line){ 130, file, 3 };
	lines[2] = (struct source_line){ 150, file, 4 };
	lines[3] = (struct source_line){ 190, 0, 0 };
	return source_table_builder_add_unit(
		       &made->builder, &(struct source_unit){ &span, 1, intervals, 2, lines, 4 }) ==
	       0;
}

static void frames_are_found_innermost_first(void)
{
	CLEANUP(made_free) struct made made = { 0 };

	CHECK_OR_RETURN(make_unit(&made) && finish(&made));
	CHECK_STR_EQ(frames_at(&made, 99), "unknown");
	CHECK_STR_EQ(frames_at(&made, 100), "src/a.c:9");
	CHECK_STR_EQ(frames_at(&made, 125), "outer src/a.c:9, src/a.c:1");
	CHECK_STR_EQ(frames_at(&made, 139), "inner src/a.c:3, outer src/a.c:2, src/a.c:1");
	CHECK_STR_EQ(frames_at(&made, 155), "outer src/a.c:4, src/a.c:1");
	CHECK_STR_EQ(frames_at(&made, 160), "src/a.c:4");
	CHECK_STR_EQ(frames_at(&made, 190), "");
	CHECK_STR_EQ(frames_at(&made, 200), "unknown");
}

/* As when the names are in another file: the line of the inner code says nothing of the outer function. */
static void code_of_no_name_counts_as_its_callers_at_the_call(void)
{
	CLEANUP(made_free) struct made made = { 0 };
	const struct source_span span = { 100, 200 };
	struct source_interval intervals[2];
	struct source_line line;
	uint32_t file, outer;

	start(&made);
	file = source_table_builder_file(&made.builder, "/home/build/src/a.c");
	outer = scope_of(&made, 0, "outer", 1);
	intervals[0] = (struct source_interval){
		110, 120, source_table_builder_add_scope(&made.builder, outer, 0, file, 2)
	};
	intervals[1] = (struct source_interval){
		150, 160, source_table_builder_add_scope(&made.builder, 0, 0, file, 5)
	};
	line = (struct source_line){ 100, file, 40 };
	CHECK_EQ(source_table_builder_add_unit(
			 &made.builder, &(struct source_unit){ &span, 1, intervals, 2, &line, 1 }),
		 0);
	CHECK_OR_RETURN(finish(&made));
	CHECK_STR_EQ(frames_at(&made, 115), "outer src/a.c:2, src/a.c:1");
	CHECK_STR_EQ(frames_at(&made, 155), "src/a.c:5");
	CHECK_STR_EQ(frames_at(&made, 170), "src/a.c:40");
}

static void of_spans_that_overlap_the_first_is_kept(void)
{
	CLEANUP(made_free) struct made made = { 0 };
	const struct source_span gap = { 150, 300 }, behind = { 200, 300 };

	CHECK_OR_RETURN(make_unit(&made));
	source_table_builder_add_empty(&made.builder, &gap);
	source_table_builder_add_empty(&made.builder, &behind);
	CHECK_OR_RETURN(finish(&made));
	CHECK_EQ(made.view.header->range_count, 2);
	CHECK_STR_EQ(frames_at(&made, 155), "outer src/a.c:4, src/a.c:1");
	CHECK_STR_EQ(frames_at(&made, 250), "");
}

static void scopes_that_cross_end_where_they_say(void)
{
	CLEANUP(made_free) struct made made = { 0 };
	const struct source_span span = { 0, 100 };
	struct source_interval intervals[2];

	start(&made);
	intervals[0] = (struct source_interval){ 10, 50, scope_of(&made, 0, "first", 1) };
	intervals[1] = (struct source_interval){ 30, 70, scope_of(&made, 0, "second", 2) };
	CHECK_EQ(source_table_builder_add_unit(
			 &made.builder, &(struct source_unit){ &span, 1, intervals, 2, NULL, 0 }),
		 0);
	CHECK_OR_RETURN(finish(&made));
	CHECK_STR_EQ(frames_at(&made, 29), "first :0, src/a.c:1");
	CHECK_STR_EQ(frames_at(&made, 40), "second :0, src/a.c:2");
	CHECK_STR_EQ(frames_at(&made, 69), "second :0, src/a.c:2");
	CHECK_STR_EQ(frames_at(&made, 70), "");
}

static void a_table_that_contradicts_itself_is_refused(void)
{
	CLEANUP(made_free) struct made made = { 0 };
	struct source_table_header *header;
	struct source_table_range *range;
	struct source_table_scope *scope;
	struct source_table_row *row;
	struct source_table_view view;

	CHECK_OR_RETURN(make_unit(&made) && finish(&made));
	header = (struct source_table_header *)made.bytes.bytes;
	range = (struct source_table_range *)(header + 1);
	row = (struct source_table_row *)(range + header->range_count);
	scope = (struct source_table_scope *)(row + header->row_count);
#define REFUSED_WITH(place, value)                                                                 \
	do {                                                                                       \
		__typeof__(place) before = (place);                                                \
		(place) = (value);                                                                 \
		CHECK_EQ(source_table_view_open(made.bytes.bytes, made.bytes.size, &view),         \
			 -EBADMSG);                                                                \
		(place) = before;                                                                  \
	} while (0)
	REFUSED_WITH(header->magic, 0);
	REFUSED_WITH(header->row_count, UINT32_MAX);
	REFUSED_WITH(header->strings_size, header->strings_size + 1);
	REFUSED_WITH(range->end, range->start);
	REFUSED_WITH(range->first_row, 1);
	REFUSED_WITH(row[0].distance, 1);
	REFUSED_WITH(row[1].distance, 0);
	REFUSED_WITH(row[1].scope, 99);
	REFUSED_WITH(row[1].file, 99);
	REFUSED_WITH(scope[1].parent, 2); /* itself: a circle */
	REFUSED_WITH(scope[0].function, 99);
#undef REFUSED_WITH
	CHECK_EQ(source_table_view_open(made.bytes.bytes, made.bytes.size - 1, &view), -EBADMSG);
	CHECK_EQ(source_table_view_open(made.bytes.bytes, made.bytes.size, &view), 0);
}

TESTS(TEST(frames_are_found_innermost_first), TEST(of_spans_that_overlap_the_first_is_kept),
      TEST(code_of_no_name_counts_as_its_callers_at_the_call),
      TEST(scopes_that_cross_end_where_they_say), TEST(a_table_that_contradicts_itself_is_refused))
