/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/symbolizer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash_index.h"
#include "elf/debug_reference.h"
#include "elf/demangle.h"
#include "elf/elf_symbols.h"
#include "elf/inline_frames.h"
#include "elf/symbol_table.h"
#include "process/process_table.h"
#include "symbolize/debug_files.h"
#include "symbolize/debuginfod.h"
#include "symbolize/demangler.h"
#include "symbolize/file_symbols.h"
#include "symbolize/jit_symbols.h"
#include "symbolize/jitdump.h"
#include "symbolize/kernel_symbols.h"
#include "symbolize/perf_map_text.h"
#include "symbolize/source_lines.h"
#include "symbolize/symbol_jobs.h"
#include "worker/worker.h"

/* Perf maps, and debug information, may take one part in so many of the tables' memory. */
enum { JIT_SHARE = 4, LINES_SHARE = 4 };

/* The legacy system call page of x86-64, the same in every process (arch/x86/entry/vsyscall). */
#define VSYSCALL_START UINT64_C(0xffffffffff600000)
#define VSYSCALL_END UINT64_C(0xffffffffff601000)

static const char no_mapping_name[] = "[no mapping]";
static const char vsyscall_name[] = "[vsyscall]";

struct symbolizer {
	struct debuginfod *debuginfod; /* borrowed; NULL: not asked for */
	struct debug_files *debug_files;
	struct file_symbols *files;
	struct source_lines *lines;
	struct jit_symbols *jit;
	struct kernel_symbols *kernel;
	struct demangler *demangler;
	uint64_t time_ns;			/* of the sample in hand */
	struct frame_description late_function; /* of the last late name */
	struct symbolizer_counters counters;
};

const struct worker_job_type *symbolizer_job_types(size_t *ret_count)
{
	static const struct worker_job_type types[SYMBOL_JOB_COUNT] = {
		[SYMBOL_JOB_ELF] = { .name = "ELF symbols",
				     .process_name = "flicker-names",
				     .time_limit_ms = ELF_SYMBOLS_TIME_LIMIT_MS,
				     .run_pair = elf_symbols_job },
		/* These two are short, and what they read may have changed by the time. */
		[SYMBOL_JOB_PERF_MAP] = { .name = "perf map",
					  .time_limit_ms = PERF_MAP_TIME_LIMIT_MS,
					  .run = perf_map_text_job,
					  .is_urgent = true },
		[SYMBOL_JOB_JITDUMP] = { .name = "jitdump",
					 .time_limit_ms = JITDUMP_TIME_LIMIT_MS,
					 .run = jitdump_job,
					 .is_urgent = true },
		[SYMBOL_JOB_DEMANGLE] = { .name = "demangle",
					  .time_limit_ms = DEMANGLE_TIME_LIMIT_MS,
					  .run = demangle_job },
		[SYMBOL_JOB_DEBUG_REFERENCE] = { .name = "debug reference",
						 .time_limit_ms = DEBUG_REFERENCE_TIME_LIMIT_MS,
						 .run = debug_reference_job,
						 .is_urgent = true },
		[SYMBOL_JOB_CHECK_DEBUG_FILE] = { .name = "debug file check",
						  .time_limit_ms = DEBUG_REFERENCE_TIME_LIMIT_MS,
						  .run_pair = debug_file_check_job,
						  .is_urgent = true }, /* stacks may wait for it */
	};

	*ret_count = SYMBOL_JOB_COUNT;
	return types;
}

const struct worker_job_type *symbolizer_debug_job_types(size_t *ret_count)
{
	static const struct worker_job_type type = {
		.name = "debug information",
		.process_name = "flicker-lines",
		.time_limit_ms = INLINE_FRAMES_TIME_LIMIT_MS,
		.run_pair = inline_frames_job,
		.forget = inline_frames_forget,
	};

	*ret_count = 1;
	return &type;
}

int symbolizer_new(const struct symbolizer_options *options, struct symbolizer **ret_symbolizer)
{
	CLEANUP(symbolizer_free) struct symbolizer *symbolizer = calloc(1, sizeof(*symbolizer));
	size_t bytes_max = options->tables_bytes_max ? options->tables_bytes_max
						     : SYMBOLIZER_TABLES_BYTES_DEFAULT;
	int r;

	if (!symbolizer)
		return -ENOMEM;
	symbolizer->time_ns = UINT64_MAX;
	r = kernel_symbols_new(options->kernel_names, &symbolizer->kernel);
	if (r < 0)
		return r;
	symbolizer->debuginfod = options->debuginfod;
	r = debug_files_new(options->worker, options->files, options->debuginfod,
			    &symbolizer->debug_files);
	if (r < 0)
		return r;
	r = file_symbols_new(
		&(struct file_symbols_options){
			.worker = options->worker,
			.executables = process_table_executables(options->processes),
			.debug_files = symbolizer->debug_files,
			.bytes_max = bytes_max - bytes_max / JIT_SHARE - bytes_max / LINES_SHARE },
		&symbolizer->files);
	if (r < 0)
		return r;
	r = source_lines_new(
		&(struct source_lines_options){
			.worker = options->debug_worker,
			.executables = process_table_executables(options->processes),
			.debug_files = symbolizer->debug_files,
			.bytes_max = bytes_max / LINES_SHARE },
		&symbolizer->lines);
	if (r < 0)
		return r;
	r = jit_symbols_new(options->worker, options->files, options->processes,
			    bytes_max / JIT_SHARE, &symbolizer->jit);
	if (r < 0)
		return r;
	r = demangler_new(options->worker, &symbolizer->demangler);
	if (r < 0)
		return r;
	*ret_symbolizer = TAKE(symbolizer);
	return 0;
}

void symbolizer_free(struct symbolizer *symbolizer)
{
	if (!symbolizer)
		return;
	demangler_free(symbolizer->demangler);
	jit_symbols_free(symbolizer->jit);
	source_lines_free(symbolizer->lines);
	file_symbols_free(symbolizer->files);
	debug_files_free(symbolizer->debug_files);
	kernel_symbols_free(symbolizer->kernel);
	free(symbolizer);
}

/* --- user addresses -------------------------------------------------------------------------- */

/* One function for a whole module of which no more can be told. */
static void describe_module_only(const char *name, enum wire_module_kind module_kind,
				 enum wire_frame_kind kind, struct frame_description *ret_frame)
{
	uint32_t size = (uint32_t)strlen(name);
	uint64_t module_key = stable_key(name, size, module_kind);

	*ret_frame = (struct frame_description){
		.module_key = module_key,
		.function_key = stable_key(name, size, module_key),
		.name = name,
		.name_size = size,
		.module_name = name,
		.module_name_size = size,
		.kind = kind,
		.module_kind = module_kind,
	};
}

/* A function of a file; of one that nobody named, its start is what it is called by. */
static struct frame_description describe_start(const struct executable *executable,
					       uint64_t module_key, uint64_t start)
{
	return (struct frame_description){
		.function_key = file_place_key(module_key, start),
		.module_key = module_key,
		.module_name = executable->path,
		.module_name_size = (uint32_t)strlen(executable->path),
		.module_kind = executable->kind == EXECUTABLE_VDSO ? WIRE_MODULE_VDSO
								   : WIRE_MODULE_FILE,
		.kind = WIRE_FRAME_LIBRARY,
		.start = start,
	};
}

/* Puts the line to the frame that its own symbol names. */
static void describe_line(const struct source_frame *source, struct frame_description *frame)
{
	frame->file = source->file;
	frame->file_size = source->file_size;
	frame->line = source->line;
}

/* A function that was inlined into that of @outer. */
static void describe_inlined(const struct source_frame *source,
			     const struct frame_description *outer,
			     struct frame_description *ret_frame)
{
	*ret_frame = (struct frame_description){
		.function_key = stable_key(&source->key, sizeof(source->key), outer->module_key),
		.module_key = outer->module_key,
		.name = source->name,
		.name_size = source->name_size,
		.module_name = outer->module_name,
		.module_name_size = outer->module_name_size,
		.module_kind = outer->module_kind,
		.kind = WIRE_FRAME_INLINED,
	};
	describe_line(source, ret_frame);
}

/*
 * Adds what the debug information says of the place of a frame that is named: its line, and before
 * it the functions inlined there, as many of the outer ones as there is room for.
 */
static unsigned int add_sources(struct symbolizer *symbolizer, const struct source_frame *sources,
				unsigned int count, struct frame_description *frames,
				unsigned int frames_max)
{
	unsigned int first = count > frames_max ? count - frames_max : 0;
	struct frame_description outer = frames[0];

	describe_line(&sources[count - 1], &outer);
	for (unsigned int i = first; i + 1 < count; i++)
		describe_inlined(&sources[i], &outer, &frames[i - first]);
	frames[count - 1 - first] = outer;
	symbolizer->counters.frames_inlined += count - 1 - first;
	return count - first;
}

/* Memory that is no ELF file; and, until that is known, all memory but what a program was started from. */
static bool may_be_made_code(const struct mapping *mapping, enum file_symbols_answer answer)
{
	return answer == FILE_SYMBOLS_NOT_ELF ||
	       (answer == FILE_SYMBOLS_PROVISIONAL && mapping->executable->is_memory &&
		!mapping->is_main_executable);
}

static unsigned int describe_file(struct symbolizer *symbolizer, struct process *process,
				  const struct mapping *mapping, uint64_t address,
				  struct frame_description *ret_frames, unsigned int frames_max)
{
	struct frame_description *ret_frame = ret_frames;
	const struct executable *executable = mapping->executable;
	struct source_frame sources[SOURCE_FRAMES_MAX];
	unsigned int source_count;
	struct file_place place;
	struct symbol symbol;
	enum file_symbols_answer answer = file_symbols_find(symbolizer->files, process->pid,
							    mapping, address, &place, &symbol);

	if (may_be_made_code(mapping, answer) &&
	    jit_symbols_describe(symbolizer->jit, process, address, symbolizer->time_ns, ret_frame))
		return 1;
	*ret_frame = describe_start(executable, place.module_key,
				    answer == FILE_SYMBOLS_NAMED ? symbol.start : place.offset);
	if (mapping->is_main_executable)
		ret_frame->kind = WIRE_FRAME_PROGRAM;
	if (answer == FILE_SYMBOLS_NAMED) {
		ret_frame->name = symbol.name_size ? symbol.name : NULL;
		ret_frame->name_size = symbol.name_size;
	}
	ret_frame->provisional = answer == FILE_SYMBOLS_PROVISIONAL;
	if (answer == FILE_SYMBOLS_NAMED &&
	    demangler_name(symbolizer->demangler, ret_frame->function_key, &ret_frame->name,
			   &ret_frame->name_size))
		ret_frame->provisional = true;
	if (executable->kind != EXECUTABLE_FILE || answer == FILE_SYMBOLS_NOT_ELF)
		return 1;
	/* Asked for at once; but what a function is a part of is final only with the symbols. */
	source_count = source_lines_find(symbolizer->lines,
					 &(struct source_address){ .offset = place.offset,
								   .mapping = mapping,
								   .pid = process->pid },
					 sources);
	return source_count && answer != FILE_SYMBOLS_PROVISIONAL
		       ? add_sources(symbolizer, sources, source_count, ret_frames, frames_max)
		       : 1;
}

static unsigned int describe_user(struct symbolizer *symbolizer, struct process *process,
				  uint64_t address, struct frame_description *ret_frames,
				  unsigned int frames_max)
{
	const struct mapping *mapping = process_find_mapping(process, address);

	if (address >= VSYSCALL_START && address < VSYSCALL_END)
		describe_module_only(vsyscall_name, WIRE_MODULE_VDSO, WIRE_FRAME_LIBRARY,
				     ret_frames);
	else if (!mapping)
		describe_module_only(no_mapping_name, WIRE_MODULE_UNKNOWN, WIRE_FRAME_UNRESOLVED,
				     ret_frames);
	else if (mapping->executable->kind != EXECUTABLE_ANONYMOUS)
		return describe_file(symbolizer, process, mapping, address, ret_frames, frames_max);
	else if (!jit_symbols_describe(symbolizer->jit, process, address, symbolizer->time_ns,
				       ret_frames))
		jit_symbols_describe_unknown(ret_frames);
	return 1;
}

/* How well the frames are known, for the counters. */
static void count_frame(struct symbolizer *symbolizer, const struct frame_description *frame)
{
	if (frame->module_kind == WIRE_MODULE_UNKNOWN)
		symbolizer->counters.frames_no_module++;
	else if (frame->name && frame->kind != WIRE_FRAME_UNRESOLVED)
		symbolizer->counters.frames_named++;
	else
		symbolizer->counters.frames_module_only++;
}

void symbolizer_see(struct symbolizer *symbolizer, const struct process *process, uint64_t address,
		    uint64_t cpu_ns)
{
	const struct mapping *mapping = process_find_mapping(process, address);

	if (process->main_executable)
		source_lines_see(symbolizer->lines, process->main_executable, cpu_ns);
	if (mapping && mapping->executable != process->main_executable)
		source_lines_see(symbolizer->lines, mapping->executable, cpu_ns);
}

void symbolizer_set_time(struct symbolizer *symbolizer, uint64_t time_ns)
{
	symbolizer->time_ns = time_ns;
}

unsigned int symbolizer_user(struct symbolizer *symbolizer, struct process *process,
			     uint64_t address, bool return_address,
			     struct frame_description *ret_frames, unsigned int frames_max)
{
	unsigned int count;

	if (!frames_max)
		return 0;
	count = describe_user(symbolizer, process, address - return_address, ret_frames,
			      frames_max);
	for (unsigned int i = 0; i < count; i++)
		count_frame(symbolizer, &ret_frames[i]);
	return count;
}

unsigned int symbolizer_kernel(struct symbolizer *symbolizer, uint64_t address, bool return_address,
			       struct frame_description *ret_frames, unsigned int frames_max)
{
	if (!frames_max)
		return 0;
	kernel_symbols_describe(symbolizer->kernel, address - return_address, ret_frames);
	demangler_name(symbolizer->demangler, ret_frames->function_key, &ret_frames->name,
		       &ret_frames->name_size);
	count_frame(symbolizer, ret_frames);
	return 1;
}

/* --- ticks ----------------------------------------------------------------------------------- */

void symbolizer_tick(struct symbolizer *symbolizer, uint64_t now_ns)
{
	if (symbolizer->debuginfod)
		debuginfod_tick(symbolizer->debuginfod, now_ns);
	debug_files_tick(symbolizer->debug_files, now_ns);
	file_symbols_tick(symbolizer->files, now_ns);
	source_lines_tick(symbolizer->lines, now_ns);
	jit_symbols_tick(symbolizer->jit, now_ns);
	kernel_symbols_tick(symbolizer->kernel, now_ns);
	demangler_tick(symbolizer->demangler);
}

void symbolizer_hurry(struct symbolizer *symbolizer)
{
	jit_symbols_hurry(symbolizer->jit);
}

bool symbolizer_is_behind(const struct symbolizer *symbolizer)
{
	return jit_symbols_is_behind(symbolizer->jit);
}

static bool next_of_files(struct symbolizer *symbolizer, struct late_name *ret_late_name)
{
	struct late_name late = { 0 };
	struct file_late_name found;

	if (!file_symbols_next(symbolizer->files, &found))
		return false;
	late.key = found.key;
	late.canonical_key = file_place_key(found.module_key, found.symbol.start);
	late.name = found.symbol.name_size ? found.symbol.name : NULL;
	late.name_size = found.symbol.name_size;
	if (!late.name && found.executable) {
		symbolizer->late_function =
			describe_start(found.executable, found.module_key, found.symbol.start);
		late.function = &symbolizer->late_function;
	}
	demangler_name(symbolizer->demangler, late.canonical_key, &late.name, &late.name_size);
	*ret_late_name = late;
	return true;
}

bool symbolizer_next_late_name(struct symbolizer *symbolizer, struct late_name *ret_late_name)
{
	if (!next_of_files(symbolizer, ret_late_name) &&
	    !jit_symbols_next(symbolizer->jit, ret_late_name) &&
	    !demangler_next(symbolizer->demangler, ret_late_name))
		return false;
	symbolizer->counters.late_names++;
	return true;
}

struct debug_files *symbolizer_debug_files(struct symbolizer *symbolizer)
{
	return symbolizer->debug_files;
}

uint64_t symbolizer_generation(const struct symbolizer *symbolizer)
{
	return file_symbols_generation(symbolizer->files) +
	       source_lines_generation(symbolizer->lines);
}

const struct symbolizer_counters *symbolizer_counters(struct symbolizer *symbolizer)
{
	const struct file_symbols_counters *files = file_symbols_counters(symbolizer->files);
	const struct jit_symbols_counters *jit = jit_symbols_counters(symbolizer->jit);
	const struct source_lines_counters *lines = source_lines_counters(symbolizer->lines);
	const struct demangler_counters *demangler = demangler_counters(symbolizer->demangler);
	const struct debug_files_counters *debug_files =
		debug_files_counters(symbolizer->debug_files);
	struct symbolizer_counters *counters = &symbolizer->counters;

	counters->debug_files = debug_files->found;
	counters->tables = files->tables;
	counters->tables_bytes = files->bytes + jit->bytes + lines->bytes;
	counters->tables_built = files->built;
	counters->tables_evicted = files->evicted + jit->evicted + lines->evicted;
	counters->parse_failed = files->failed + jit->failed + lines->failed;
	counters->open_failed = files->open_failed;
	counters->reads_deferred = files->deferred + lines->deferred + debug_files->deferred;
	if (symbolizer->debuginfod)
		counters->reads_deferred += debuginfod_counters(symbolizer->debuginfod)->deferred;
	counters->changed = files->changed + lines->changed;
	counters->provisional_lost = files->provisional_lost + jit->provisional_lost;
	counters->demangled = demangler->demangled;
	counters->demangle_failed = demangler->failed;
	counters->kernel_asked = kernel_symbols_asked(symbolizer->kernel);
	counters->perf_map_reads = jit->reads;
	counters->lined_files = lines->files;
	counters->names_left_out = files->left_out + counters->provisional_lost;
	counters->lines_left_out = lines->left_out + lines->refused + lines->forgotten;
	return counters;
}
