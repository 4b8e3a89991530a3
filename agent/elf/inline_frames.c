/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/inline_frames.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/file_reading.h"
#include "base/hash_index.h"
#include "elf/demangle.h"
#include "elf/executable_file.h"
#include "elf/source_table.h"
#include "elf/source_table_builder.h"

/* What surrounds a wanted address that no unit has. */
struct wanted {
	uint64_t address;
	uint64_t gap_start; /* the end of the last unit's span before it */
	uint64_t gap_end;   /* the start of the first one behind it */
	bool has_unit;
};

/* A function by the place of its description: most are inlined many times. */
struct origin {
	Dwarf_Off offset;
	uint32_t function;
};

struct job {
	const struct executable_file *file; /* says where addresses are in the file */
	Dwarf *dwarf;
	struct wanted *wanted; /* sorted */
	size_t wanted_count;
	struct bytes_writer units; /* Dwarf_Off of the dies of those that are wanted */
	struct source_table_builder builder;
	struct hash_index origins_by_offset;
	struct bytes_writer origins;
	uint32_t die_count;
};

/* The unit in hand. */
struct unit {
	struct job *job;
	struct bytes_writer spans;
	struct bytes_writer intervals;
	struct bytes_writer lines;
	Dwarf_Files *files;
	size_t file_count;
	uint32_t *file_ids; /* by the unit's number; 0: not asked for yet */
	uint32_t die_count;
};

static void cleanup_job_free(struct job *job)
{
	free(job->wanted);
	bytes_writer_free(&job->units);
	source_table_builder_free(&job->builder);
	hash_index_free(&job->origins_by_offset);
	bytes_writer_free(&job->origins);
}

static void cleanup_unit_free(struct unit *unit)
{
	bytes_writer_free(&unit->spans);
	bytes_writer_free(&unit->intervals);
	bytes_writer_free(&unit->lines);
	free(unit->file_ids);
}

/* Goes through the ranges of addresses of a die, as offsets in the file. */
struct spans {
	const struct job *job;
	Dwarf_Die *die;
	ptrdiff_t offset;
	Dwarf_Addr base;
};

static bool offset_of(const struct job *job, uint64_t address, uint64_t *ret_offset)
{
	return executable_file_offset(job->file, address, ret_offset);
}

/* The next one; false behind the last one. Code that the linker left out is at 0. */
static bool next_span(struct spans *spans, struct source_span *ret_span)
{
	Dwarf_Addr start, end;

	while ((spans->offset =
			dwarf_ranges(spans->die, spans->offset, &spans->base, &start, &end)) > 0) {
		if (start && start < end && offset_of(spans->job, start, &ret_span->start) &&
		    offset_of(spans->job, end - 1, &ret_span->end) &&
		    ret_span->end - ret_span->start == end - 1 - start) {
			ret_span->end++;
			return true;
		}
	}
	return false;
}

/* --- which units ----------------------------------------------------------------------------- */

static int read_wanted(struct job *job, struct bytes_reader argument)
{
	size_t count = bytes_left(&argument) / sizeof(uint64_t);

	if (count > INLINE_FRAMES_ADDRESSES_MAX || bytes_left(&argument) % sizeof(uint64_t))
		return -EINVAL;
	job->wanted = calloc(count + 1, sizeof(*job->wanted));
	if (!job->wanted)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		job->wanted[i] = (struct wanted){ .address = bytes_read_u64(&argument),
						  .gap_end = UINT64_MAX };
		if (i && job->wanted[i].address <= job->wanted[i - 1].address)
			return -EINVAL;
	}
	job->wanted_count = count;
	return 0;
}

/* The first wanted address that is not below @address. */
static size_t wanted_from(const struct job *job, uint64_t address)
{
	size_t low = 0, high = job->wanted_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (job->wanted[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Notes what a span of a unit means to the addresses. Returns whether it has one that no unit had. */
static bool see_span(struct job *job, const struct source_span *span)
{
	size_t first = wanted_from(job, span->start), end = wanted_from(job, span->end);
	bool is_wanted = false;

	/* Of the addresses before it the nearest one is told, of those behind it too: see spread_gaps(). */
	if (first && span->start < job->wanted[first - 1].gap_end)
		job->wanted[first - 1].gap_end = span->start;
	if (end < job->wanted_count && span->end > job->wanted[end].gap_start)
		job->wanted[end].gap_start = span->end;
	for (size_t i = first; i < end; i++) {
		is_wanted |= !job->wanted[i].has_unit;
		job->wanted[i].has_unit = true;
	}
	return is_wanted;
}

static void spread_gaps(struct job *job)
{
	for (size_t i = 1; i < job->wanted_count; i++)
		if (job->wanted[i].gap_start < job->wanted[i - 1].gap_start)
			job->wanted[i].gap_start = job->wanted[i - 1].gap_start;
	for (size_t i = job->wanted_count; i-- > 1;)
		if (job->wanted[i - 1].gap_end > job->wanted[i].gap_end)
			job->wanted[i - 1].gap_end = job->wanted[i].gap_end;
}

/* Reads the first entry of each unit, which says what addresses it has. */
static int find_units(struct job *job)
{
	Dwarf_CU *unit = NULL;
	Dwarf_Die die;
	uint8_t type;
	size_t span_count = 0;

	for (size_t i = 0; i < INLINE_FRAMES_UNITS_MAX; i++) {
		bool is_wanted = false;
		struct spans spans = { .job = job, .die = &die };
		struct source_span span;
		Dwarf_Off place;

		if (dwarf_get_units(job->dwarf, unit, &unit, NULL, &type, &die, NULL) != 0)
			break;
		if (dwarf_tag(&die) != DW_TAG_compile_unit)
			continue;
		while (next_span(&spans, &span)) {
			if (++span_count > INLINE_FRAMES_INTERVALS_MAX)
				return INLINE_FRAMES_NONE;
			is_wanted |= see_span(job, &span);
		}
		place = dwarf_dieoffset(&die);
		if (is_wanted)
			bytes_write(&job->units, &place, sizeof(place));
	}
	spread_gaps(job);
	return job->units.failed ? -ENOMEM : 0;
}

static void add_gaps(struct job *job)
{
	for (size_t i = 0; i < job->wanted_count; i++) {
		const struct wanted *wanted = &job->wanted[i];
		const struct source_span gap = { wanted->gap_start, wanted->gap_end };

		if (!wanted->has_unit && gap.start <= wanted->address &&
		    wanted->address < gap.end &&
		    (!i || job->wanted[i - 1].has_unit ||
		     job->wanted[i - 1].gap_start != gap.start))
			source_table_builder_add_empty(&job->builder, &gap);
	}
}

/* --- lines ----------------------------------------------------------------------------------- */

static uint32_t file_id(struct unit *unit, size_t number)
{
	const char *path;

	if (number >= unit->file_count)
		return 0;
	if (unit->file_ids[number])
		return unit->file_ids[number];
	path = dwarf_filesrc(unit->files, number, NULL, NULL);
	if (path)
		unit->file_ids[number] = source_table_builder_file(&unit->job->builder, path);
	return unit->file_ids[number];
}

static int read_files(struct unit *unit, Dwarf_Die *die)
{
	if (dwarf_getsrcfiles(die, &unit->files, &unit->file_count) != 0)
		unit->file_count = 0;
	unit->file_ids = calloc(unit->file_count + 1, sizeof(*unit->file_ids));
	return unit->file_ids ? 0 : -ENOMEM;
}

static bool read_line(struct unit *unit, Dwarf_Line *line, struct source_line *ret_line)
{
	Dwarf_Files *files;
	Dwarf_Addr address;
	bool is_end = false;
	int number = 0;
	size_t file;

	if (!line || dwarf_lineaddr(line, &address) != 0 ||
	    dwarf_lineendsequence(line, &is_end) != 0)
		return false;
	*ret_line = (struct source_line){ 0 };
	/* What ends where the file's part ends is not in it any more. */
	if (!offset_of(unit->job, address - is_end, &ret_line->address))
		return false;
	ret_line->address += is_end;
	if (is_end)
		return true;
	if (dwarf_lineno(line, &number) != 0 || dwarf_line_file(line, &files, &file) != 0)
		return false;
	ret_line->file = file_id(unit, file);
	ret_line->line = number > 0 ? (uint32_t)number : 0;
	return true;
}

/* libdw gives them sorted by address. A unit without lines goes without. */
static void read_lines(struct unit *unit, Dwarf_Die *die)
{
	uint64_t last_address = 0;
	Dwarf_Lines *lines;
	size_t count;

	if (dwarf_getsrclines(die, &lines, &count) != 0 || count > INLINE_FRAMES_LINES_MAX)
		return;
	for (size_t i = 0; i < count; i++) {
		struct source_line line;

		if (!read_line(unit, dwarf_onesrcline(lines, i), &line) ||
		    line.address < last_address)
			continue;
		last_address = line.address;
		bytes_write(&unit->lines, &line, sizeof(line));
	}
}

/* --- functions ------------------------------------------------------------------------------- */

static bool read_number(Dwarf_Die *die, unsigned int name, Dwarf_Word *ret_number)
{
	Dwarf_Attribute attribute;

	return dwarf_attr(die, name, &attribute) && dwarf_formudata(&attribute, ret_number) == 0;
}

static const char *linkage_name(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
		return dwarf_formstring(&attribute);
	return NULL;
}

/*
 * A function is the same wherever it was inlined: by its linker's name, which says all, else by its
 * name and the file that it stands in.
 */
static uint64_t function_key(Dwarf_Die *die, const char *linked, const char *name)
{
	const char *file;

	if (linked)
		return stable_key(linked, strnlen(linked, SOURCE_NAME_SIZE_MAX), 0);
	file = dwarf_decl_file(die);
	return stable_key(name, strnlen(name, SOURCE_NAME_SIZE_MAX),
			  file ? stable_key(file, strnlen(file, SOURCE_NAME_SIZE_MAX), 0) : 0);
}

static uint32_t add_function(struct job *job, Dwarf_Die *die)
{
	const char *linked = linkage_name(die), *name = linked ? linked : dwarf_diename(die);
	char text[DEMANGLED_SIZE_MAX];
	uint64_t key;
	uint32_t id;
	size_t size;

	if (!name || !*name)
		return 0;
	key = function_key(die, linked, name);
	id = source_table_builder_find_function(&job->builder, key);
	if (id)
		return id;
	size = strnlen(name, SOURCE_NAME_SIZE_MAX);
	if (demangle_is_mangled(name, size)) {
		size_t demangled_size = demangle_name(name, size, text);

		if (demangled_size)
			return source_table_builder_add_function(&job->builder, key, text,
								 demangled_size);
	}
	return source_table_builder_add_function(&job->builder, key, name, size);
}

static bool origin_is(uint32_t id, const void *wanted, const void *owner)
{
	const struct job *job = owner;

	return ((const struct origin *)job->origins.bytes)[id - 1].offset ==
	       *(const Dwarf_Off *)wanted;
}

/* The function that @die is an instance of; 0 when it has no name. */
static uint32_t function_of(struct job *job, Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	struct origin origin;
	Dwarf_Die origin_die;
	uint32_t id;

	if (!dwarf_attr(die, DW_AT_abstract_origin, &attribute) ||
	    !dwarf_formref_die(&attribute, &origin_die))
		return 0;
	origin.offset = dwarf_dieoffset(&origin_die);
	id = hash_index_find(&job->origins_by_offset, hash_u64(origin.offset), origin_is,
			     &origin.offset, job);
	if (id)
		return ((const struct origin *)job->origins.bytes)[id - 1].function;
	origin.function = add_function(job, &origin_die);
	bytes_write(&job->origins, &origin, sizeof(origin));
	if (!job->origins.failed)
		hash_index_add(&job->origins_by_offset, hash_u64(origin.offset),
			       (uint32_t)(job->origins.size / sizeof(origin)));
	return origin.function;
}

/* --- the tree of a unit ---------------------------------------------------------------------- */

/* Where the walk is: a die and the scope that it is in. */
struct level {
	Dwarf_Die die;
	uint32_t scope;
	uint32_t scope_depth;
};

/*
 * Adds the scope of an inlined function, also when its name is in a file that is not read: then its
 * code counts as that of the function around it, at the call. Returns 0 when it has no code.
 */
static uint32_t add_scope(struct unit *unit, struct level *level)
{
	Dwarf_Word call_file = 0, call_line = 0;
	struct source_interval interval = { 0 };
	struct spans spans = { .job = unit->job, .die = &level->die };
	struct source_span span;

	if (level->scope_depth >= SOURCE_FRAMES_MAX - 1)
		return 0;
	while (next_span(&spans, &span)) {
		if (!interval.scope) {
			read_number(&level->die, DW_AT_call_file, &call_file);
			read_number(&level->die, DW_AT_call_line, &call_line);
			interval.scope = source_table_builder_add_scope(
				&unit->job->builder, level->scope,
				function_of(unit->job, &level->die), file_id(unit, call_file),
				call_line <= UINT32_MAX ? (uint32_t)call_line : 0);
		}
		interval.start = span.start;
		interval.end = span.end;
		bytes_write(&unit->intervals, &interval, sizeof(interval));
		if (unit->intervals.failed || !interval.scope)
			return 0;
	}
	return interval.scope;
}

/* Whether there may be inlined functions below a die; if so, @ret_inner is what they are in. */
static bool enters(struct unit *unit, struct level *level, struct level *ret_inner)
{
	uint32_t scope;

	*ret_inner = *level;
	switch (dwarf_tag(&level->die)) {
	case DW_TAG_subprogram:
		ret_inner->scope = ret_inner->scope_depth = 0;
		return dwarf_hasattr(&level->die, DW_AT_low_pc) ||
		       dwarf_hasattr(&level->die, DW_AT_ranges);
	case DW_TAG_inlined_subroutine:
		scope = add_scope(unit, level);
		if (scope) {
			ret_inner->scope = scope;
			ret_inner->scope_depth++;
		}
		return true;
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
		return true;
	default:
		return false;
	}
}

/* Goes to the next die beside this one. A reference back would lead in a circle: that is the end. */
static bool next_sibling(struct level *level)
{
	Dwarf_Off place = dwarf_dieoffset(&level->die);
	Dwarf_Die next;

	if (dwarf_siblingof(&level->die, &next) != 0 || dwarf_dieoffset(&next) <= place)
		return false;
	level->die = next;
	return true;
}

/* Returns false when the unit is beyond its limits. */
static bool walk_unit(struct unit *unit, Dwarf_Die *root)
{
	struct level levels[INLINE_FRAMES_DEPTH_MAX];
	size_t depth = 1;

	levels[0] = (struct level){ 0 };
	if (dwarf_child(root, &levels[0].die) != 0)
		return true;
	while (depth) {
		struct level inner;

		if (++unit->die_count > INLINE_FRAMES_UNIT_DIES_MAX || unit->intervals.failed)
			return false;
		if (enters(unit, &levels[depth - 1], &inner) && depth < INLINE_FRAMES_DEPTH_MAX) {
			Dwarf_Die child;

			if (dwarf_child(&inner.die, &child) == 0) {
				levels[depth] = inner;
				levels[depth++].die = child;
				continue;
			}
		}
		while (depth && !next_sibling(&levels[depth - 1]))
			depth--;
	}
	return true;
}

static bool read_spans(struct unit *unit, Dwarf_Die *die)
{
	struct spans spans = { .job = unit->job, .die = die };
	struct source_span span;

	while (next_span(&spans, &span))
		bytes_write(&unit->spans, &span, sizeof(span));
	return !unit->spans.failed;
}

static int add_unit(struct job *job, Dwarf_Off place)
{
	CLEANUP(unit_free)
	struct unit unit = {
		.job = job,
		.spans = bytes_writer_with_max(INLINE_FRAMES_INTERVALS_MAX *
					       sizeof(struct source_span)),
		.intervals = bytes_writer_with_max(INLINE_FRAMES_INTERVALS_MAX *
						   sizeof(struct source_interval)),
		.lines =
			bytes_writer_with_max(INLINE_FRAMES_LINES_MAX * sizeof(struct source_line)),
	};
	struct source_unit source = { 0 };
	Dwarf_Die die;
	int r;

	if (!dwarf_offdie(job->dwarf, place, &die) || !read_spans(&unit, &die))
		return 0;
	r = read_files(&unit, &die);
	if (r < 0)
		return r;
	source.spans = (const struct source_span *)unit.spans.bytes;
	source.span_count = unit.spans.size / sizeof(struct source_span);
	if (walk_unit(&unit, &die)) {
		read_lines(&unit, &die);
		source.intervals = (struct source_interval *)unit.intervals.bytes;
		source.interval_count = unit.intervals.size / sizeof(struct source_interval);
		source.lines = (const struct source_line *)unit.lines.bytes;
		source.line_count = unit.lines.size / sizeof(struct source_line);
	} else {
		job->builder.left_out_count++;
	}
	job->die_count += unit.die_count;
	return source_table_builder_add_unit(&job->builder, &source);
}

static int answer(const struct executable_file *file, Dwarf *dwarf, struct bytes_reader argument,
		  struct bytes_writer *ret_table)
{
	CLEANUP(job_free)
	struct job job = {
		.file = file,
		.dwarf = dwarf,
		.units = bytes_writer_with_max(INLINE_FRAMES_ADDRESSES_MAX * sizeof(Dwarf_Off)),
		.builder = source_table_builder_start(),
		.origins_by_offset = hash_index_with_max(INLINE_FRAMES_UNIT_DIES_MAX),
		.origins =
			bytes_writer_with_max(INLINE_FRAMES_UNIT_DIES_MAX * sizeof(struct origin)),
	};
	struct build_id build_id = { 0 };
	int r = read_wanted(&job, argument);

	if (r < 0)
		return r;
	r = find_units(&job);
	if (r)
		return r;
	add_gaps(&job);
	for (size_t i = 0; i < job.units.size / sizeof(Dwarf_Off); i++) {
		if (job.die_count > INLINE_FRAMES_DIES_SOON)
			break; /* the rest is asked for again */
		r = add_unit(&job, ((const Dwarf_Off *)job.units.bytes)[i]);
		if (r < 0)
			return r;
	}
	executable_file_build_id(file, &build_id);
	return source_table_builder_finish(&job.builder, &build_id, ret_table);
}

/* --- the files ------------------------------------------------------------------------------- */

/* A file with its debug information, ready to be asked. */
struct opened {
	struct file_reading reading;	   /* of the file ... */
	struct file_reading debug_reading; /* ... and of its debug file */
	struct executable_file *file;
	Elf *elf;
	Dwarf *dwarf;
};

static void cleanup_opened_free(struct opened *opened)
{
	dwarf_end(opened->dwarf);
	elf_end(opened->elf);
	executable_file_free(opened->file);
	file_reading_end(&opened->reading);
	file_reading_end(&opened->debug_reading);
}

static int read_dwarf(struct opened *opened, struct bytes_reader argument,
		      struct bytes_writer *ret_table)
{
	struct rlimit before, none;
	int r;

	/* What the file names as its other parts is not opened: this is about one file. */
	if (getrlimit(RLIMIT_NOFILE, &before) < 0)
		return -errno;
	none = (struct rlimit){ 0, before.rlim_max };
	if (setrlimit(RLIMIT_NOFILE, &none) < 0)
		return -errno;
	if (!opened->dwarf)
		opened->dwarf = dwarf_begin_elf(opened->elf, DWARF_C_READ, NULL);
	r = opened->dwarf ? answer(opened->file, opened->dwarf, argument, ret_table)
			  : INLINE_FRAMES_NONE;
	setrlimit(RLIMIT_NOFILE, &before);
	return r;
}

/* Those that stay open between jobs, the one used last first. */
static struct opened *kept[INLINE_FRAMES_KEPT_MAX];

static void forget(size_t index)
{
	if (kept[index])
		cleanup_opened_free(kept[index]);
	free(TAKE(kept[index]));
}

void inline_frames_forget(void)
{
	for (size_t i = 0; i < INLINE_FRAMES_KEPT_MAX; i++)
		forget(i);
}

static int open_files(struct opened *opened, int file_fd, int debug_fd)
{
	int r = file_reading_begin(file_fd, &opened->reading);

	if (r == 0)
		r = file_reading_begin(debug_fd, &opened->debug_reading);
	if (r == 0)
		r = executable_file_open(opened->reading.fd, &opened->file);
	if (r)
		return r;
	elf_version(EV_CURRENT);
	opened->elf = elf_begin(debug_fd >= 0 ? opened->debug_reading.fd : opened->reading.fd,
				ELF_C_READ_MMAP, NULL);
	return opened->elf ? 0 : INLINE_FRAMES_NONE;
}

/* Whether @fd is the file that is being read, as it was then; -1: whether none is. */
static bool is_kept(const struct file_reading *reading, int fd)
{
	struct file_version version;

	if (fd < 0 || reading->fd < 0)
		return fd < 0 && reading->fd < 0;
	return file_version_read(fd, &version) == 0 &&
	       file_version_equal(&version, &reading->version);
}

static bool holds(size_t index, int file_fd, int debug_fd)
{
	return kept[index] && is_kept(&kept[index]->reading, file_fd) &&
	       is_kept(&kept[index]->debug_reading, debug_fd);
}

/* Where the files are kept; else an empty place, else that of the oldest ones. */
static size_t place_of(int file_fd, int debug_fd)
{
	size_t empty = INLINE_FRAMES_KEPT_MAX - 1;

	for (size_t i = INLINE_FRAMES_KEPT_MAX; i-- > 0;) {
		if (holds(i, file_fd, debug_fd))
			return i;
		if (!kept[i])
			empty = i;
	}
	return empty;
}

/* Puts the files first. */
static int bring_first(int file_fd, int debug_fd)
{
	size_t index = place_of(file_fd, debug_fd);
	struct opened *found;

	if (!holds(index, file_fd, debug_fd)) {
		forget(index);
		kept[index] = calloc(1, sizeof(*kept[index]));
		if (!kept[index])
			return -ENOMEM;
		kept[index]->reading = kept[index]->debug_reading = file_reading_none();
	}
	found = kept[index];
	memmove(&kept[1], &kept[0], index * sizeof(kept[0]));
	kept[0] = found;
	return found->elf ? 0 : open_files(found, file_fd, debug_fd);
}

static void keep_within_bytes(void)
{
	for (size_t i = INLINE_FRAMES_KEPT_MAX; i-- > 0;) {
		const struct mallinfo2 memory = mallinfo2();

		if (memory.uordblks + memory.hblkhd > INLINE_FRAMES_KEPT_BYTES_MAX)
			forget(i);
	}
}

int inline_frames_job(int file_fd, int debug_fd, struct bytes_reader argument,
		      struct bytes_writer *ret_result)
{
	int r = bring_first(file_fd, debug_fd);

	if (r == 0)
		r = read_dwarf(kept[0], argument, ret_result);
	if (r)
		forget(0);
	keep_within_bytes();
	return r;
}

int inline_frames_table(const void *bytes, size_t size, struct bytes_reader argument,
			struct bytes_writer *ret_table)
{
	CLEANUP(opened_free)
	struct opened opened = { .reading = file_reading_none(),
				 .debug_reading = file_reading_none() };
	int r = executable_file_open_bytes(bytes, size, &opened.file);

	if (r)
		return r;
	elf_version(EV_CURRENT);
	opened.elf = elf_memory((char *)(uintptr_t)bytes, size);
	return opened.elf ? read_dwarf(&opened, argument, ret_table) : INLINE_FRAMES_NONE;
}
