/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of kernel addresses: the kernel, its modules and BPF programs, by /proc/kallsyms.
 *
 * The table is read at the start, and again when an address is not in it: a module was loaded or a
 * BPF program. At most once a second, and less often while that finds nothing. Nothing that leaves
 * here tells an address: keys are made of names, provisional ones are random. Owned by the loop
 * thread.
 */
#ifndef FLICKERSCOPE_KERNEL_SYMBOLS_H
#define FLICKERSCOPE_KERNEL_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "symbolize/late_name.h"

struct frame_description;
struct kernel_symbols;
struct process_files;
struct worker;

enum kernel_symbols_limits {
	KERNEL_SYMBOLS_READ_INTERVAL_LEAST_MS = 1000,
	KERNEL_SYMBOLS_READ_INTERVAL_MOST_MS = 60000,
};

struct kernel_symbols_counters {
	uint64_t reads;
	uint64_t failed;
	uint64_t bytes; /* of the table, now */
	uint64_t provisional_lost;
};

/* @files: NULL when no names are wanted. Both borrowed. */
int kernel_symbols_new(struct worker *worker, struct process_files *files,
		       struct kernel_symbols **ret_symbols);
void kernel_symbols_free(struct kernel_symbols *symbols); /* NULL is fine */
DEFINE_CLEANUP(struct kernel_symbols *, kernel_symbols_free);

/* Describes @address (of the instruction itself). */
void kernel_symbols_describe(struct kernel_symbols *symbols, uint64_t address,
			     struct frame_description *ret_frame);

/* Reads the table when that is due. */
void kernel_symbols_tick(struct kernel_symbols *symbols, uint64_t now_ns);

bool kernel_symbols_next(struct kernel_symbols *symbols, struct late_name *ret_late_name);

const struct kernel_symbols_counters *kernel_symbols_counters(const struct kernel_symbols *symbols);

#endif
