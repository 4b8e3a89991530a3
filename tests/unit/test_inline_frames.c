/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inlined functions and lines of real programs, with addr2line as the judge, and of debug information
 * that was made to be bad.
 */
#include "elf/inline_frames.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "elf/demangle.h"
#include "elf/executable_file.h"
#include "elf/source_table.h"
#include "elf_maker.h"

enum {
	ADDRESSES_MAX = 3000, /* of one program */
	JOBS_MAX = 16,
	TABLE_SIZE_MAX = 64 << 20,
	LINE_SIZE = 8192,
};

/* --- asking as the agent does ---------------------------------------------------------------- */

struct answers {
	struct bytes_writer tables[JOBS_MAX];
	struct source_table_view views[JOBS_MAX];
	size_t count;
};

static void cleanup_answers_free(struct answers *answers)
{
	for (size_t i = 0; i < answers->count; i++)
		bytes_writer_free(&answers->tables[i]);
}

static const struct source_table_range *find_range(const struct source_table_view *view,
						   uint64_t address)
{
	for (uint32_t i = 0; i < view->header->range_count; i++)
		if (view->ranges[i].start <= address && address < view->ranges[i].end)
			return &view->ranges[i];
	return NULL;
}

/* The frames of an address; -1 when no table knows whether there are any. */
static int frames_of(const struct answers *answers, uint64_t address, struct source_frame *frames)
{
	for (size_t i = 0; i < answers->count; i++) {
		const struct source_table_range *range = find_range(&answers->views[i], address);

		if (range)
			return (int)source_table_frames(&answers->views[i], range, address, frames);
	}
	return -1;
}

/* Asks until everything is answered. Returns how many addresses were not. */
static size_t ask(int fd, const uint64_t *addresses, size_t count, struct answers *answers)
{
	uint64_t *left = calloc(count + 1, sizeof(*left));
	struct source_frame frames[SOURCE_FRAMES_MAX];
	size_t left_count = 0;

	*answers = (struct answers){ 0 };
	do {
		struct bytes_writer *table = &answers->tables[answers->count];
		struct source_table_view *view = &answers->views[answers->count];

		left_count = 0;
		for (size_t i = 0; i < count; i++)
			if (frames_of(answers, addresses[i], frames) < 0)
				left[left_count++] = addresses[i];
		if (!left_count)
			break;
		*table = bytes_writer_with_max(TABLE_SIZE_MAX);
		if (inline_frames_job(fd, -1, bytes_reader_of(left, left_count * sizeof(*left)),
				      table) != 0 ||
		    source_table_view_open(table->bytes, table->size, view) < 0) {
			bytes_writer_free(table);
			break;
		}
		answers->count++;
	} while (answers->count < JOBS_MAX);
	free(left);
	return left_count;
}

/* --- addr2line ------------------------------------------------------------------------------- */

struct judged_frame {
	char name[LINE_SIZE];
	char file[LINE_SIZE];
	uint32_t line;
};

/* What the judge says of one address. */
struct judged {
	struct judged_frame frames[SOURCE_FRAMES_MAX];
	size_t count;
};

static const char *last_two_parts(const char *path)
{
	const char *at = path + strlen(path);

	for (int slashes = 0; at > path; at--)
		if (at[-1] == '/' && ++slashes == 2)
			break;
	return at;
}

/* Two lines for each frame: its function, then "file:line" and perhaps " (discriminator 1)". */
static bool read_frame(FILE *output, char *name, struct judged_frame *frame)
{
	char place[LINE_SIZE], *colon;

	if (!fgets(place, sizeof(place), output))
		return false;
	name[strcspn(name, "\n")] = 0;
	snprintf(frame->name, sizeof(frame->name), "%s", name);
	place[strcspn(place, " \n")] = 0;
	colon = strrchr(place, ':');
	if (!colon)
		return false;
	frame->line = (uint32_t)strtoul(colon + 1, NULL, 10);
	*colon = 0;
	snprintf(frame->file, sizeof(frame->file), "%s", last_two_parts(place));
	return true;
}

/* With -a each address comes on a line of its own: the first one has been read, the next one is. */
static void read_judged(FILE *output, struct judged *judged)
{
	char line[LINE_SIZE];

	judged->count = 0;
	while (fgets(line, sizeof(line), output) && strncmp(line, "0x", 2) != 0)
		if (judged->count < SOURCE_FRAMES_MAX &&
		    read_frame(output, line, &judged->frames[judged->count]))
			judged->count++;
}

static bool is_name(const struct source_frame *ours, const char *theirs)
{
	char text[DEMANGLED_SIZE_MAX];
	size_t size = demangle_name(theirs, strlen(theirs), text);

	if (size)
		return ours->name_size == size && memcmp(ours->name, text, size) == 0;
	return ours->name_size == strlen(theirs) &&
	       memcmp(ours->name, theirs, ours->name_size) == 0;
}

static bool is_place(const struct source_frame *ours, const struct judged_frame *theirs)
{
	/* Both say line 0 for code that belongs to none; of its file they may say nothing. */
	if (!theirs->line)
		return !ours->line;
	return ours->line == theirs->line && ours->file_size == strlen(theirs->file) &&
	       memcmp(ours->file, theirs->file, ours->file_size) == 0;
}

static bool agrees(const struct source_frame *frames, int count, const struct judged *judged)
{
	if (!count) /* the judge then says "??" */
		return judged->count == 1 && !judged->frames[0].line;
	if (count != (int)judged->count)
		return false;
	for (int i = 0; i < count; i++) {
		if (!is_place(&frames[i], &judged->frames[i]))
			return false;
		if (i + 1 < count && !is_name(&frames[i], judged->frames[i].name))
			return false;
	}
	return true;
}

static void show(uint64_t linked, const struct source_frame *frames, int count,
		 const struct judged *judged)
{
	printf("# 0x%llx\n", (unsigned long long)linked);
	for (int i = 0; i < count; i++)
		printf("#   ours   %.*s %.*s:%u\n", (int)frames[i].name_size,
		       frames[i].name ? frames[i].name : "", (int)frames[i].file_size,
		       frames[i].file ? frames[i].file : "", frames[i].line);
	for (size_t i = 0; i < judged->count; i++)
		printf("#   theirs %s %s:%u\n", judged->frames[i].name, judged->frames[i].file,
		       judged->frames[i].line);
}

/* Addresses all over the code, as offsets and as they were linked. */
static size_t choose_addresses(int fd, uint64_t *offsets, uint64_t *linked)
{
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	const Elf64_Shdr *text;
	uint64_t step;
	size_t count = 0;

	if (executable_file_open(fd, &file) != 0)
		return 0;
	text = executable_file_find_section(file, ".text", SHT_PROGBITS);
	if (!text)
		return 0;
	step = text->sh_size / ADDRESSES_MAX + 1;
	for (uint64_t at = 0; at < text->sh_size && count < ADDRESSES_MAX; at += step) {
		offsets[count] = text->sh_offset + at;
		linked[count++] = text->sh_addr + at;
	}
	return count;
}

static FILE *start_judge(const char *judge, const char *folder, const uint64_t *linked,
			 size_t count)
{
	char path[PATH_MAX], command[3 * PATH_MAX];
	FILE *input;

	snprintf(path, sizeof(path), "%s/addresses", folder);
	input = fopen(path, "w");
	if (!input)
		return NULL;
	for (size_t i = 0; i < count; i++)
		fprintf(input, "0x%llx\n", (unsigned long long)linked[i]);
	fclose(input);
	snprintf(command, sizeof(command), "%s -a -i -f -e %s/program < %s", judge, folder, path);
	return popen(command, "r");
}

static void compare(const char *judge, const char *folder, size_t inlined_least)
{
	static uint64_t offsets[ADDRESSES_MAX], linked[ADDRESSES_MAX];
	static struct judged judged;
	CLEANUP(answers_free) struct answers answers = { 0 };
	CLEANUP(fd_close) int fd = -1;
	char path[PATH_MAX], line[LINE_SIZE];
	size_t count, differ = 0, inlined = 0;
	FILE *output;

	snprintf(path, sizeof(path), "%s/program", folder);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	count = choose_addresses(fd, offsets, linked);
	CHECK_OR_RETURN(count > 500);
	CHECK_EQ(ask(fd, offsets, count, &answers), 0);
	output = start_judge(judge, folder, linked, count);
	CHECK_OR_RETURN(output && fgets(line, sizeof(line), output));
	for (size_t i = 0; i < count; i++) {
		struct source_frame frames[SOURCE_FRAMES_MAX];
		int frame_count = frames_of(&answers, offsets[i], frames);

		read_judged(output, &judged);
		inlined += frame_count > 1;
		if (agrees(frames, frame_count, &judged))
			continue;
		if (++differ <= 3)
			show(linked[i], frames, frame_count, &judged);
	}
	pclose(output);
	printf("# %zu addresses, %zu in inlined functions, %zu differ, %zu jobs\n", count, inlined,
	       differ, answers.count);
	CHECK_EQ(differ, 0);
	CHECK(inlined >= inlined_least);
}

static bool has(const char *program)
{
	char command[128];

	snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1", program);
	return system(command) == 0;
}

/* Builds the source by "%s -o FOLDER/program tests/unit/sources/frames.EXTENSION" and compares. */
static void build_and_compare(const char *compiler, const char *extension, const char *judge,
			      size_t inlined_least)
{
	char folder[] = "/tmp/flickerscope-XXXXXX", command[4 * PATH_MAX];

	CHECK_OR_RETURN(mkdtemp(folder));
	snprintf(command, sizeof(command), "%s -o %s/program tests/unit/sources/frames.%s",
		 compiler, folder, extension);
	CHECK_EQ(system(command), 0);
	compare(judge, folder, inlined_least);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	CHECK_EQ(system(command), 0);
}

static void c_by_gcc_agrees_with_addr2line(void)
{
	build_and_compare("gcc -O3 -g -gdwarf-5", "c", "addr2line", 100);
	build_and_compare("gcc -O2 -g -gdwarf-4 -ffunction-sections -gz", "c", "addr2line", 100);
}

static void c_by_clang_agrees_with_addr2line(void)
{
	if (!has("clang"))
		SKIP("clang is not installed");
	build_and_compare("clang -O2 -g -gdwarf-4", "c", "addr2line", 100);
}

/* GNU's addr2line is wrong about some lines of C++, where LLVM's agrees with what is in the file. */
static void cpp_by_gcc_agrees_with_addr2line(void)
{
	if (!has("llvm-addr2line"))
		SKIP("llvm-addr2line is not installed");
	build_and_compare("g++ -O2 -g -gdwarf-5", "cpp", "llvm-addr2line", 300);
}

static void cpp_by_clang_agrees_with_addr2line(void)
{
	if (!has("clang++") || !has("llvm-addr2line"))
		SKIP("clang++ or llvm-addr2line is not installed");
	build_and_compare("clang++ -O3 -g -gdwarf-5", "cpp", "llvm-addr2line", 300);
}

static void rust_agrees_with_addr2line(void)
{
	if (!has("rustc") || !has("llvm-addr2line"))
		SKIP("rustc or llvm-addr2line is not installed");
	build_and_compare("rustc -O -g", "rs", "llvm-addr2line", 300);
}

/* --- made to be bad -------------------------------------------------------------------------- */

enum {
	TEXT_SIZE = 4096,
	UNIT_HEADER_SIZE = 11, /* of DWARF 4: length, version, abbreviations, address size */
	UNIT_DIE_SIZE = 1 + 8 + 4,
};

/* The numbers in abbreviations below; see DWARF 4, 7.5. */
enum { UNIT = 1, FUNCTION, INLINED, JUMPING, NESTING, NAMED };

static const uint8_t abbreviations[] = {
	UNIT,	  0x11, 1, 0x11, 0x01, 0x12, 0x06, 0,	 0, /* low_pc, high_pc */
	FUNCTION, 0x2e, 1, 0x11, 0x01, 0x12, 0x06, 0,	 0, /* the same */
	INLINED,  0x1d, 1, 0x31, 0x13, 0x11, 0x01, 0x12, 0x06,
	0x59,	  0x0b, 0, 0,			/* origin, low_pc, high_pc, line of the call */
	JUMPING,  0x0b, 1, 0x01, 0x13, 0,    0, /* a block with a sibling */
	NESTING,  0x0b, 1, 0,	 0,		/* a block */
	NAMED,	  0x2e, 0, 0x03, 0x08, 0x31, 0x13, 0,	 0, /* name, origin */
	0,
};

struct bad {
	struct elf_maker maker;
	struct bytes_writer info;
	uint64_t text; /* address */
};

static void cleanup_bad_free(struct bad *bad)
{
	free(bad->maker.bytes);
	bytes_writer_free(&bad->info);
}

static void put_code(struct bad *bad, uint8_t kind, uint32_t start, uint32_t size)
{
	bytes_write_u8(&bad->info, kind);
	bytes_write_u64(&bad->info, bad->text + start);
	bytes_write_u32(&bad->info, size);
}

static void put_inlined(struct bad *bad, uint32_t origin, uint32_t start, uint32_t size)
{
	bytes_write_u8(&bad->info, INLINED);
	bytes_write_u32(&bad->info, origin);
	bytes_write_u64(&bad->info, bad->text + start);
	bytes_write_u32(&bad->info, size);
	bytes_write_u8(&bad->info, 7);
}

/* Where the next die will be, as references say it. */
static uint32_t next_place(const struct bad *bad)
{
	return (uint32_t)bad->info.size;
}

static void start_bad(struct bad *bad)
{
	static const uint8_t text[TEXT_SIZE];
	size_t index;

	*bad = (struct bad){ .info = bytes_writer_with_max(ELF_MAKER_SIZE_MAX / 2) };
	elf_maker_start(&bad->maker);
	index = elf_maker_add(&bad->maker, ".text", SHT_PROGBITS, text, sizeof(text));
	bad->text = bad->maker.sections[index].sh_addr;
	bytes_write_u32(&bad->info, 0); /* the length, see ask_bad() */
	bytes_write_u16(&bad->info, 4);
	bytes_write_u32(&bad->info, 0);
	bytes_write_u8(&bad->info, 8);
	put_code(bad, UNIT, 0, TEXT_SIZE);
}

/* Puts the file together. Returns where the text begins in it. */
static uint64_t finish_bad(struct bad *bad)
{
	uint32_t length = (uint32_t)bad->info.size - 4;

	memcpy(bad->info.bytes, &length, sizeof(length));
	elf_maker_add(&bad->maker, ".debug_abbrev", SHT_PROGBITS, abbreviations,
		      sizeof(abbreviations));
	elf_maker_add(&bad->maker, ".debug_info", SHT_PROGBITS, bad->info.bytes, bad->info.size);
	elf_maker_finish(&bad->maker);
	return bad->maker.sections[1].sh_offset;
}

/* The frames of an address; below 0 when the table is bad or does not know it. */
static int frames_in(const struct bytes_writer *table, uint64_t address,
		     struct source_frame *frames)
{
	const struct source_table_range *range;
	struct source_table_view view;

	if (source_table_view_open(table->bytes, table->size, &view) < 0)
		return -2;
	range = find_range(&view, address);
	return range ? (int)source_table_frames(&view, range, address, frames) : -3;
}

/* Asks about one offset in the text. Returns the number of frames, below 0 when it was refused. */
static int ask_bad(struct bad *bad, uint32_t distance, struct source_frame *frames,
		   struct bytes_writer *table)
{
	uint64_t address = finish_bad(bad) + distance;

	*table = bytes_writer_with_max(TABLE_SIZE_MAX);
	return inline_frames_table(bad->maker.bytes, bad->maker.size,
				   bytes_reader_of(&address, sizeof(address)), table)
		       ? -1
		       : frames_in(table, address, frames);
}

static void check_bad(struct bad *bad, uint32_t distance, int frames_wanted)
{
	CLEANUP(bytes_writer_free) struct bytes_writer table = { 0 };
	struct source_frame frames[SOURCE_FRAMES_MAX];

	CHECK_EQ(ask_bad(bad, distance, frames, &table), frames_wanted);
}

/* A function that has another one inlined in it. */
static void put_inner(struct bad *bad, const char *name)
{
	uint32_t origin = next_place(bad);

	bytes_write_u8(&bad->info, NAMED);
	bytes_write(&bad->info, name, strlen(name) + 1);
	bytes_write_u32(&bad->info, origin + 1); /* leads nowhere, and the name is here */
	put_code(bad, FUNCTION, 0x100, 0x100);
	put_inlined(bad, origin, 0x140, 0x20);
	bytes_write(&bad->info, "\0\0\0", 3);
}

static void a_made_file_is_read(void)
{
	CLEANUP(bad_free) struct bad bad = { 0 };
	CLEANUP(bytes_writer_free) struct bytes_writer table = { 0 };
	struct source_frame frames[SOURCE_FRAMES_MAX];

	start_bad(&bad);
	put_inner(&bad, "inner");
	CHECK_EQ(ask_bad(&bad, 0x150, frames, &table), 2);
	CHECK_EQ(frames[0].name_size, 5);
	CHECK(memcmp(frames[0].name, "inner", 5) == 0);
	CHECK(!frames[1].name);
}

/* Writes a file in which @name is inlined. Returns the offset of an address of it. */
static uint64_t write_inner(int fd, const char *name)
{
	CLEANUP(bad_free) struct bad bad = { 0 };
	uint64_t text;

	start_bad(&bad);
	put_inner(&bad, name);
	text = finish_bad(&bad);
	CHECK_EQ(pwrite(fd, bad.maker.bytes, bad.maker.size, 0), (ssize_t)bad.maker.size);
	return text + 0x150;
}

static void check_inner(int fd, int debug_fd, uint64_t address, const char *name)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer table = bytes_writer_with_max(TABLE_SIZE_MAX);
	struct source_frame frames[SOURCE_FRAMES_MAX];

	CHECK_EQ(
		inline_frames_job(fd, debug_fd, bytes_reader_of(&address, sizeof(address)), &table),
		0);
	CHECK_EQ(frames_in(&table, address, frames), 2);
	CHECK_EQ(frames[0].name_size, strlen(name));
	CHECK(memcmp(frames[0].name, name, strlen(name)) == 0);
}

/* What stays open between jobs answers for its own file, as that is now. */
static void each_job_is_answered_from_its_own_file(void)
{
	enum { CLOCK_TICK_MOST_US = 10000 }; /* within one a change cannot be seen */
	CLEANUP(fd_close) int first = memfd_create("first", MFD_CLOEXEC);
	CLEANUP(fd_close) int second = memfd_create("second", MFD_CLOEXEC);
	uint64_t address = write_inner(first, "inner");

	CHECK_EQ(write_inner(second, "other"), address);
	check_inner(first, -1, address, "inner");
	check_inner(first, -1, address, "inner");
	check_inner(second, -1, address, "other");
	check_inner(first, second, address, "other");
	check_inner(first, -1, address, "inner");
	usleep(2 * CLOCK_TICK_MOST_US);
	write_inner(first, "third");
	check_inner(first, -1, address, "third");
	inline_frames_forget();
	check_inner(first, -1, address, "third");
	inline_frames_forget();
}

static void an_origin_that_is_itself_has_no_name(void)
{
	CLEANUP(bad_free) struct bad bad = { 0 };

	start_bad(&bad);
	put_code(&bad, FUNCTION, 0x100, 0x100);
	put_inlined(&bad, next_place(&bad), 0x140, 0x20);
	bytes_write(&bad.info, "\0\0\0", 3);
	check_bad(&bad, 0x150, 0);
}

static void origins_in_a_circle_end(void)
{
	CLEANUP(bad_free) struct bad bad = { 0 };
	uint32_t first, second;

	start_bad(&bad);
	first = next_place(&bad);
	second = first + 1 + 1 + 4;
	bytes_write_u8(&bad.info, NAMED);
	bytes_write_u8(&bad.info, 0);
	bytes_write_u32(&bad.info, second);
	bytes_write_u8(&bad.info, NAMED);
	bytes_write_u8(&bad.info, 0);
	bytes_write_u32(&bad.info, first);
	put_code(&bad, FUNCTION, 0x100, 0x100);
	put_inlined(&bad, first, 0x140, 0x20);
	bytes_write(&bad.info, "\0\0\0", 3);
	check_bad(&bad, 0x150, 0);
}

static void a_sibling_that_leads_back_ends_the_walk(void)
{
	CLEANUP(bad_free) struct bad bad = { 0 };

	start_bad(&bad);
	put_code(&bad, FUNCTION, 0x100, 0x100);
	bytes_write_u8(&bad.info, JUMPING);
	bytes_write_u32(&bad.info, UNIT_HEADER_SIZE + UNIT_DIE_SIZE);
	bytes_write_u8(&bad.info, JUMPING);
	bytes_write_u32(&bad.info, next_place(&bad) - 1);
	bytes_write(&bad.info, "\0\0\0\0", 4);
	check_bad(&bad, 0x150, 0);
}

/* Each pair of blocks is walked twice as often as the one around it: the limit has to end that. */
static void siblings_that_leap_out_of_their_parents_end(void)
{
	CLEANUP(bad_free) struct bad bad = { 0 };
	uint32_t last;

	start_bad(&bad);
	put_code(&bad, FUNCTION, 0x100, 0x100);
	last = next_place(&bad) + 64 * 5;
	for (int i = 0; i < 64; i++) {
		bytes_write_u8(&bad.info, JUMPING);
		bytes_write_u32(&bad.info, i % 2 ? last : next_place(&bad) - 1 + 10);
	}
	for (int i = 0; i < 80; i++)
		bytes_write_u8(&bad.info, 0);
	check_bad(&bad, 0x150, 0);
}

static void blocks_nested_beyond_the_limit_are_left_out(void)
{
	CLEANUP(bad_free) struct bad bad = { 0 };

	start_bad(&bad);
	put_code(&bad, FUNCTION, 0x100, 0x100);
	for (int i = 0; i < 1000000; i++)
		bytes_write_u8(&bad.info, NESTING);
	check_bad(&bad, 0x150, 0);
}

static void functions_inlined_beyond_the_limit_count_as_those_around_them(void)
{
	CLEANUP(bad_free) struct bad bad = { 0 };
	uint32_t origin;

	start_bad(&bad);
	origin = next_place(&bad);
	bytes_write_u8(&bad.info, NAMED);
	bytes_write(&bad.info, "inner", 6);
	bytes_write_u32(&bad.info, origin);
	put_code(&bad, FUNCTION, 0x100, 0x100);
	for (int i = 0; i < 100; i++)
		put_inlined(&bad, origin, 0x140, 0x20);
	check_bad(&bad, 0x150, SOURCE_FRAMES_MAX);
}

/* A file is cut at many places; each gives a table that its reader accepts, or an outcome. */
static void a_cut_file_is_refused_or_read_as_far_as_it_goes(void)
{
	char folder[] = "/tmp/flickerscope-XXXXXX", command[2 * PATH_MAX];
	uint64_t address = 0x1100;
	size_t read_count = 0;
	FILE *file;
	static uint8_t bytes[1 << 20];
	size_t size;

	CHECK_OR_RETURN(mkdtemp(folder));
	snprintf(command, sizeof(command), "gcc -O2 -g -o %s/program tests/unit/sources/frames.c",
		 folder);
	CHECK_EQ(system(command), 0);
	snprintf(command, sizeof(command), "%s/program", folder);
	file = fopen(command, "r");
	CHECK_OR_RETURN(file);
	size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	CHECK_EQ(system(command), 0);
	CHECK_OR_RETURN(size > 10000);
	/* Cut at the end, and with one byte after another spoiled. */
	for (size_t i = 0; i < 1000; i++) {
		CLEANUP(bytes_writer_free)
		struct bytes_writer table = bytes_writer_with_max(TABLE_SIZE_MAX);
		CLEANUP(memory_free) uint8_t *copy = malloc(size);
		size_t copy_size = i % 2 ? size : size - i * size / 1000;
		struct source_table_view view;

		CHECK_OR_RETURN(copy);
		memcpy(copy, bytes, copy_size);
		if (i % 2)
			copy[i * size / 1000] ^= (uint8_t)(i * 37 | 1);
		if (inline_frames_table(copy, copy_size, bytes_reader_of(&address, sizeof(address)),
					&table) != 0)
			continue;
		read_count++;
		CHECK_EQ(source_table_view_open(table.bytes, table.size, &view), 0);
	}
	CHECK(read_count > 100);
}

static void addresses_that_do_not_rise_are_refused(void)
{
	CLEANUP(bad_free) struct bad bad = { 0 };
	CLEANUP(bytes_writer_free)
	struct bytes_writer table = bytes_writer_with_max(TABLE_SIZE_MAX);
	const uint64_t addresses[] = { 2, 1 };

	start_bad(&bad);
	elf_maker_add(&bad.maker, ".debug_info", SHT_PROGBITS, bad.info.bytes, bad.info.size);
	elf_maker_finish(&bad.maker);
	CHECK_EQ(inline_frames_table(bad.maker.bytes, bad.maker.size,
				     bytes_reader_of(addresses, sizeof(addresses)), &table),
		 -EINVAL);
	CHECK_EQ(inline_frames_table(bad.maker.bytes, bad.maker.size, bytes_reader_of(addresses, 7),
				     &table),
		 -EINVAL);
}

static void a_file_without_debug_information_says_so(void)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer table = bytes_writer_with_max(TABLE_SIZE_MAX);
	CLEANUP(fd_close) int fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
	const uint64_t address = 0x2000;

	CHECK_EQ(inline_frames_job(fd, -1, bytes_reader_of(&address, sizeof(address)), &table),
		 INLINE_FRAMES_NONE);
}

TESTS(TEST(c_by_gcc_agrees_with_addr2line), TEST(c_by_clang_agrees_with_addr2line),
      TEST(cpp_by_gcc_agrees_with_addr2line), TEST(cpp_by_clang_agrees_with_addr2line),
      TEST(rust_agrees_with_addr2line), TEST(a_made_file_is_read),
      TEST(each_job_is_answered_from_its_own_file), TEST(an_origin_that_is_itself_has_no_name),
      TEST(origins_in_a_circle_end), TEST(a_sibling_that_leads_back_ends_the_walk),
      TEST(siblings_that_leap_out_of_their_parents_end),
      TEST(blocks_nested_beyond_the_limit_are_left_out),
      TEST(functions_inlined_beyond_the_limit_count_as_those_around_them),
      TEST(a_cut_file_is_refused_or_read_as_far_as_it_goes),
      TEST(addresses_that_do_not_rise_are_refused), TEST(a_file_without_debug_information_says_so))
