/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/kernel_symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "elf/symbol_table.h"
#include "privileged/process_files.h"
#include "symbolize/kernel_text.h"
#include "symbolize/provisional_names.h"
#include "symbolize/symbol_bytes.h"
#include "symbolize/symbol_jobs.h"
#include "symbolize/symbolizer.h"

enum { NS_PER_MS = 1000000 };

static const char kernel_name[] = "[kernel]";
static const char bpf_name[] = "[bpf]";

struct kernel_symbols {
	struct worker *worker;
	struct process_files *files; /* NULL: no names */
	struct symbol_bytes table;
	struct provisional_names provisional;
	uint64_t key_secret; /* makes provisional keys of counted numbers */
	uint64_t key_count;
	uint64_t interval_ms; /* between two reads */
	uint64_t next_read_ns;
	uint64_t now_ns;
	bool wanted; /* an address was not found */
	bool reading;
	bool hidden;	      /* the kernel shows no addresses: there will be no names */
	bool draining;	      /* the provisional names get their late ones */
	uint32_t found_count; /* of those, in this round */
	struct kernel_symbols_counters counters;
};

int kernel_symbols_new(struct worker *worker, struct process_files *files,
		       struct kernel_symbols **ret_symbols)
{
	struct kernel_symbols *symbols = calloc(1, sizeof(*symbols));

	if (!symbols)
		return -ENOMEM;
	symbols->worker = worker;
	symbols->files = files;
	symbols->hidden = !files;
	symbols->interval_ms = KERNEL_SYMBOLS_READ_INTERVAL_LEAST_MS;
	symbols->wanted = true;
	if (getrandom(&symbols->key_secret, sizeof(symbols->key_secret), GRND_NONBLOCK) < 0)
		symbols->key_secret = hash_u64((uintptr_t)symbols);
	kernel_symbols_tick(symbols, 0);
	*ret_symbols = symbols;
	return 0;
}

void kernel_symbols_free(struct kernel_symbols *symbols)
{
	if (!symbols)
		return;
	symbol_bytes_free(&symbols->table);
	provisional_names_free(&symbols->provisional);
	free(symbols);
}

/* Doubles the pause, since reading was of no use. */
static void slow_down(struct kernel_symbols *symbols)
{
	symbols->interval_ms *= 2;
	if (symbols->interval_ms > KERNEL_SYMBOLS_READ_INTERVAL_MOST_MS)
		symbols->interval_ms = KERNEL_SYMBOLS_READ_INTERVAL_MOST_MS;
}

static void fail(struct kernel_symbols *symbols, int outcome)
{
	const char *text = worker_outcome_text(outcome);

	symbols->counters.failed++;
	if (outcome == KERNEL_TEXT_HIDDEN) {
		symbols->hidden = true;
		log_warning("the kernel hides its addresses, so its functions stay without names; "
			    "as root: sysctl kernel.kptr_restrict=1, then start again");
		return;
	}
	if (outcome < 0)
		log_errno(outcome, "read /proc/kallsyms; kernel functions may lack names");
	else
		log_warning("/proc/kallsyms %s; kernel functions may lack names",
			    text ? text : "has no line that can be understood");
	slow_down(symbols);
}

static void on_table(int outcome, struct worker_result result, void *context)
{
	struct kernel_symbols *symbols = context;
	struct symbol_bytes table;

	symbols->reading = false;
	symbols->draining = true;
	symbols->found_count = 0;
	if (outcome == 0)
		outcome = symbol_bytes_open(result, &table);
	if (outcome != 0) {
		fail(symbols, outcome);
		return;
	}
	symbol_bytes_free(&symbols->table);
	symbols->table = table;
	symbols->counters.bytes = table.bytes.size;
}

static int read_table(struct kernel_symbols *symbols)
{
	CLEANUP(fd_close) int fd = -1;
	int r = process_files_open_kernel_symbols(symbols->files, &fd);

	if (r < 0)
		return r;
	r = worker_submit(symbols->worker, SYMBOL_JOB_KERNEL, fd, NULL, 0, on_table, symbols);
	if (r != 0)
		return r;
	symbols->reading = true;
	symbols->counters.reads++;
	return 0;
}

void kernel_symbols_tick(struct kernel_symbols *symbols, uint64_t now_ns)
{
	int r;

	symbols->now_ns = now_ns;
	if (!symbols->wanted || symbols->reading || symbols->hidden ||
	    now_ns < symbols->next_read_ns)
		return;
	symbols->wanted = false;
	r = read_table(symbols);
	if (r != 0)
		fail(symbols, r);
	symbols->next_read_ns = now_ns + symbols->interval_ms * NS_PER_MS;
}

/* --- descriptions ---------------------------------------------------------------------------- */

static void describe_module(const struct symbol *symbol, struct frame_description *frame)
{
	if (!symbol || !symbol->module) {
		frame->module_kind = WIRE_MODULE_KERNEL;
		frame->module_name = kernel_name;
		frame->module_name_size = sizeof(kernel_name) - 1;
	} else if (symbol->module_size == 3 && memcmp(symbol->module, "bpf", 3) == 0) {
		frame->module_kind = WIRE_MODULE_BPF;
		frame->module_name = bpf_name;
		frame->module_name_size = sizeof(bpf_name) - 1;
	} else {
		frame->module_kind = WIRE_MODULE_KERNEL_MODULE;
		frame->module_name = symbol->module;
		frame->module_name_size = symbol->module_size;
	}
	frame->module_key =
		stable_key(frame->module_name, frame->module_name_size, frame->module_kind);
}

static uint64_t function_key(const struct frame_description *frame)
{
	return stable_key(frame->name, frame->name_size, frame->module_key);
}

/* All that is known is that it is the kernel: one function for all such addresses. */
static void describe_unknown(struct frame_description *frame)
{
	describe_module(NULL, frame);
	frame->name = kernel_name;
	frame->name_size = sizeof(kernel_name) - 1;
	frame->function_key = function_key(frame);
}

static void describe_symbol(const struct symbol *symbol, struct frame_description *frame)
{
	describe_module(symbol, frame);
	frame->name = symbol->name;
	frame->name_size = symbol->name_size;
	frame->function_key = function_key(frame);
}

/* Whether reading again soon may name an address. */
static bool may_come(const struct kernel_symbols *symbols)
{
	if (symbols->hidden)
		return false;
	return symbols->reading || symbols->wanted ||
	       symbols->interval_ms == KERNEL_SYMBOLS_READ_INTERVAL_LEAST_MS ||
	       symbols->now_ns >= symbols->next_read_ns;
}

static uint64_t provisional_key(struct kernel_symbols *symbols, uint64_t address)
{
	uint64_t key = provisional_names_find(&symbols->provisional, address);

	if (key)
		return key;
	symbols->key_count++;
	key = stable_key(&symbols->key_count, sizeof(symbols->key_count), symbols->key_secret);
	if (!provisional_names_add(&symbols->provisional, address, key)) {
		symbols->counters.provisional_lost++;
		return 0;
	}
	return key;
}

void kernel_symbols_describe(struct kernel_symbols *symbols, uint64_t address,
			     struct frame_description *ret_frame)
{
	struct symbol symbol;
	uint64_t key;

	*ret_frame = (struct frame_description){ .kind = WIRE_FRAME_KERNEL };
	if (symbol_bytes_find(&symbols->table, address, &symbol)) {
		describe_symbol(&symbol, ret_frame);
		return;
	}
	/* While the names of a round are taken, no new ones can be added. */
	key = may_come(symbols) && !symbols->draining ? provisional_key(symbols, address) : 0;
	if (!key) {
		describe_unknown(ret_frame);
		return;
	}
	symbols->wanted |= !symbols->reading;
	describe_module(NULL, ret_frame);
	ret_frame->function_key = key;
	ret_frame->provisional = true;
}

bool kernel_symbols_next(struct kernel_symbols *symbols, struct late_name *ret_late_name)
{
	struct frame_description frame = { .kind = WIRE_FRAME_KERNEL };
	struct provisional_name name;
	struct symbol symbol;

	if (!symbols->draining)
		return false;
	if (!provisional_names_take(&symbols->provisional, &name)) {
		symbols->draining = false;
		if (symbols->found_count)
			symbols->interval_ms = KERNEL_SYMBOLS_READ_INTERVAL_LEAST_MS;
		else if (symbols->counters.reads > 1)
			slow_down(symbols);
		return false;
	}
	if (symbol_bytes_find(&symbols->table, name.place, &symbol)) {
		describe_symbol(&symbol, &frame);
		symbols->found_count++;
	} else {
		describe_unknown(&frame);
	}
	*ret_late_name = (struct late_name){
		.key = name.key,
		.canonical_key = frame.function_key,
		.name = frame.name,
		.name_size = frame.name_size,
	};
	return true;
}

const struct kernel_symbols_counters *kernel_symbols_counters(const struct kernel_symbols *symbols)
{
	return &symbols->counters;
}
