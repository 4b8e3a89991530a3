/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symbol tables of the files that are sampled, by executable.
 *
 * A table is asked of the worker at the file's first sample; until it comes its offsets are handed out
 * under provisional keys. When the file lacks symbols and has a separate debug file, a better table
 * follows, and the functions that went out without a name get theirs. Tables of the same contents are kept once. Tables are bounded by bytes: the
 * one used longest ago makes room, and is not built again for FILE_SYMBOLS_EVICTED_PAUSE_MS. A file
 * that could not be read stays without names, unless it changes; one for which the worker had no memory is tried
 * again some times. What was read of a file that changed
 * meanwhile is dropped, and the file read once more. Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_FILE_SYMBOLS_H
#define FLICKERSCOPE_FILE_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/hash_index.h"
#include "elf/symbol_table.h"

struct debug_files;
struct executable;
struct executable_table;
struct file_symbols;
struct mapping;
struct worker;

enum file_symbols_limits {
	FILE_SYMBOLS_BUILDING_MAX = 64, /* jobs at a time: each holds a descriptor */
	FILE_SYMBOLS_TRIES_MAX = 10,	/* to open a file for one sample */
	FILE_SYMBOLS_RETRY_MS = 100, /* after the file could not be opened, or the queue was full */
	FILE_SYMBOLS_CHECK_MS = 1000, /* how often a file may be looked at for changes */
	FILE_SYMBOLS_EVICTED_PAUSE_MS = 10000,
	FILE_SYMBOLS_CRASHES_MAX = 2,	   /* tries that may end with the worker's death */
	FILE_SYMBOLS_CHANGES_MAX = 10,	   /* tries in which the file may change */
	FILE_SYMBOLS_COMPLAINTS_PER_S = 5, /* lines in the log; the rest is counted */
};

/* What is known about one place in a file. */
enum file_symbols_answer {
	FILE_SYMBOLS_NAMED,	  /* the symbol was found */
	FILE_SYMBOLS_UNNAMED,	  /* the file names nothing there, or has no table for good */
	FILE_SYMBOLS_PROVISIONAL, /* the table may still come */
	FILE_SYMBOLS_NOT_ELF,	  /* the file is something else: maybe a JIT's memory */
};

struct file_place {
	uint64_t module_key;
	uint64_t offset; /* in the file */
};

/* The key of a function by its start, and a provisional one: that is an offset too. */
static inline uint64_t file_place_key(uint64_t module_key, uint64_t offset)
{
	return stable_key(&offset, sizeof(offset), module_key);
}

struct file_symbols_counters {
	uint64_t tables; /* now */
	uint64_t bytes;	 /* now */
	uint64_t built;
	uint64_t better;   /* of these, with a separate debug file */
	uint64_t left_out; /* symbols of files that a limit kept out */
	uint64_t evicted;
	uint64_t failed;
	uint64_t open_failed;
	uint64_t changed;  /* while they were read */
	uint64_t deferred; /* to be read again, since there was no memory for them */
	uint64_t provisional_lost;
};

/* All borrowed. */
struct file_symbols_options {
	struct worker *worker;
	struct executable_table *executables;
	struct debug_files *debug_files;
	size_t bytes_max;
};

int file_symbols_new(const struct file_symbols_options *options, struct file_symbols **ret_symbols);
void file_symbols_free(struct file_symbols *symbols); /* NULL is fine */
DEFINE_CLEANUP(struct file_symbols *, file_symbols_free);

/*
 * Looks a place up.
 *
 * @pid, @mapping: a process that maps it, and where: for opening the file.
 * @address: of the instruction itself, within @mapping.
 * @ret_place: always written.
 * @ret_symbol: written when it is named; borrowed until the next tick.
 */
enum file_symbols_answer file_symbols_find(struct file_symbols *symbols, uint32_t pid,
					   const struct mapping *mapping, uint64_t address,
					   struct file_place *ret_place, struct symbol *ret_symbol);

/* @now_ns: CLOCK_MONOTONIC; pauses count from it. */
void file_symbols_tick(struct file_symbols *symbols, uint64_t now_ns);

/* A place that was handed out under a key of its own, and what it turned out to be. */
struct file_late_name {
	uint64_t key;
	uint64_t module_key;
	struct symbol symbol;		     /* with or without a name */
	const struct executable *executable; /* NULL: its slot has another one by now */
};

/* The next of them; borrowed until the next tick. False when there is none. */
bool file_symbols_next(struct file_symbols *symbols, struct file_late_name *ret_late);

/* Changes when a table comes. */
uint64_t file_symbols_generation(const struct file_symbols *symbols);

const struct file_symbols_counters *file_symbols_counters(const struct file_symbols *symbols);

#endif
