/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses to function names, without ever waiting.
 *
 * A file's symbol table is built by the worker when the file is sampled first. Until it comes,
 * its frames go out as module+0xoffset, with a key of their own; when it has come, each offset
 * that was handed out gets a late name, to be drained at each tick. Mangled names go out as they
 * are and get their demangled form late too. A file that cannot be read costs its own names and one
 * line in the log.
 *
 * Tables are kept per executable, the least recently used ones make room when they take more than
 * tables_bytes_max. Owned by the loop thread.
 *
 * Where a file has debug information, an address has its line, and the functions that were inlined
 * there are frames of their own. They too come when a worker has read them, for the samples
 * that follow.
 */
#ifndef FLICKERSCOPE_SYMBOLIZER_H
#define FLICKERSCOPE_SYMBOLIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "elf/source_table.h"
#include "symbolize/kernel_symbols.h"
#include "symbolize/late_name.h"
#include "wire.h"

struct debug_files;
struct debuginfod;
struct process;
struct process_table;
struct process_files;
struct symbolizer;
struct worker;
struct worker_job_type;

enum symbolizer_limits {
	SYMBOLIZER_TABLES_BYTES_DEFAULT = 64 << 20,
	SYMBOLIZER_FRAMES_MAX = SOURCE_FRAMES_MAX, /* of one address, inlined functions included */
};

/* What one address means: a function, or what is known instead. Strings are not zero-terminated. */
struct frame_description {
	uint64_t function_key; /* the same for every address of the function, and in every run */
	uint64_t module_key;
	const char *name; /* NULL: shown as module+0xstart */
	const char *module_name;
	const char *file; /* source file; NULL: unknown */
	uint32_t name_size;
	uint32_t module_name_size;
	uint32_t file_size;
	uint32_t line;
	uint64_t start; /* of the function, as an offset in the file; never a kernel address */
	enum wire_frame_kind kind;
	enum wire_module_kind module_kind;
	bool provisional; /* a late name may follow for function_key */
};

struct symbolizer_options {
	struct worker *worker;		 /* borrowed; was started with symbolizer_job_types() */
	struct worker *debug_worker;	 /* ... with symbolizer_debug_job_types() */
	struct process_table *processes; /* borrowed */
	struct process_files *files;	 /* borrowed */
	size_t tables_bytes_max;	 /* 0: SYMBOLIZER_TABLES_BYTES_DEFAULT */
	struct debuginfod *debuginfod;	 /* borrowed; NULL: nothing is asked of the network */
	struct kernel_names kernel_names;
};

struct symbolizer_counters {
	uint64_t tables;       /* now, of files */
	uint64_t tables_bytes; /* now, all kinds */
	uint64_t tables_built;
	uint64_t debug_files;	 /* separate ones that were found */
	uint64_t tables_evicted; /* to stay within tables_bytes_max */
	uint64_t parse_failed;	 /* files, maps or /proc texts that could not be read */
	uint64_t open_failed;	 /* files gone before they could be opened */
	uint64_t changed;	 /* files that changed while they were read, and were read again */
	uint64_t reads_deferred; /* files to be read again, since there was no memory for them */
	uint64_t names_left_out; /* symbols that a limit kept out, and all of the next */
	uint64_t provisional_lost; /* offsets that will never get their late name */
	uint64_t late_names;
	uint64_t demangled;
	uint64_t demangle_failed;
	uint64_t frames_named;
	uint64_t frames_module_only; /* module+0xoffset: no table, or none of its functions */
	uint64_t frames_no_module;
	uint64_t kernel_asked; /* for the name of an address */
	uint64_t perf_map_reads;
	uint64_t frames_inlined;
	uint64_t lined_files; /* now, with lines and inlined functions */
	/* Units and files whose debug information is beyond a limit, and addresses without room to wait. */
	uint64_t lines_left_out;
};

/* The jobs that the worker has to know; their order is what the symbolizer submits by. */
const struct worker_job_type *symbolizer_job_types(size_t *ret_count);

/* The same for the worker that reads debug information, which takes its time. */
const struct worker_job_type *symbolizer_debug_job_types(size_t *ret_count);

/* @options: copied. */
int symbolizer_new(const struct symbolizer_options *options, struct symbolizer **ret_symbolizer);

/* Free it before the worker's callbacks can come: free the worker first, or never dispatch after. */
void symbolizer_free(struct symbolizer *symbolizer); /* NULL is fine */
DEFINE_CLEANUP(struct symbolizer *, symbolizer_free);

/*
 * CPU time seen in a process, innermost at @address of its user code: what reading the debug
 * information there may cost is measured by it. Need not be told for each sample.
 */
void symbolizer_see(struct symbolizer *symbolizer, const struct process *process, uint64_t address,
		    uint64_t cpu_ns);

/*
 * The time of the sample whose addresses come next, CLOCK_MONOTONIC: code made at run time takes the place
 * of other code. Until the first call, whatever is the newest.
 */
void symbolizer_set_time(struct symbolizer *symbolizer, uint64_t time_ns);

/*
 * Describes one address of a stack.
 *
 * @return_address: it follows a call, so the byte before it is what was executed.
 * @ret_frames: leaf first when inlined; strings are borrowed until the next call.
 *
 * Returns the number of frames written, 1 to @frames_max.
 */
unsigned int symbolizer_user(struct symbolizer *symbolizer, struct process *process,
			     uint64_t address, bool return_address,
			     struct frame_description *ret_frames, unsigned int frames_max);
unsigned int symbolizer_kernel(struct symbolizer *symbolizer, uint64_t address, bool return_address,
			       struct frame_description *ret_frames, unsigned int frames_max);

/*
 * Call it at each tick, before draining the late names: submits what waits, frees what is unused.
 * @now_ns: CLOCK_MONOTONIC; rate limits count from it.
 */
void symbolizer_tick(struct symbolizer *symbolizer, uint64_t now_ns);

/* No sample comes any more: ticks wait for no interval. */
void symbolizer_hurry(struct symbolizer *symbolizer);

/* Whether a tick has yet to submit what the last samples wait for. */
bool symbolizer_is_behind(const struct symbolizer *symbolizer);

/* The next late name, until false. */
bool symbolizer_next_late_name(struct symbolizer *symbolizer, struct late_name *ret_late_name);

/* The search for debug files, for others who need them; borrowed for the symbolizer's life. */
struct debug_files *symbolizer_debug_files(struct symbolizer *symbolizer);

/*
 * Changes when a file's table came, of symbols or of lines: addresses of it may now have lines and
 * inlined functions, for which there is nothing like late names. So what is remembered about
 * addresses is to be dropped then.
 */
uint64_t symbolizer_generation(const struct symbolizer *symbolizer);

const struct symbolizer_counters *symbolizer_counters(struct symbolizer *symbolizer);

#endif
