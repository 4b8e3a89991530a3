/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who took the time: tables of functions, modules, processes or threads with their samples; where the rate
 * changed, with as many samples of the highest rate as stand for their time.
 *
 * Self are samples in the row itself, total those in it or in what it called; a stack that holds a
 * row several times (recursion) counts once. Rows that people could not tell apart are one: functions
 * of one name in one module, threads of one name and number. Owned by one thread.
 */
#ifndef FLICKERSCOPE_REPORT_H
#define FLICKERSCOPE_REPORT_H

#include <stdint.h>

struct call_tree;
struct output;

enum report_by {
	REPORT_BY_FUNCTION,
	REPORT_BY_MODULE,
	REPORT_BY_PROCESS,
	REPORT_BY_THREAD,
	REPORT_BY_COUNT,
};

/* "function", ... by enum report_by. */
extern const char *const report_by_names[REPORT_BY_COUNT];

/* Strings of the profile; what a kind of row does not have is 0. */
struct report_row {
	uint32_t name;	  /* of the function, module, process or thread */
	uint32_t module;  /* of a function */
	uint32_t process; /* of a thread: its name */
	uint32_t pid;
	uint32_t tid;
	uint32_t reserved;
	uint64_t process_start_ns;
	uint64_t self_weight; /* sums of merged_weight() */
	uint64_t total_weight;
	uint64_t self; /* merged_samples() of these */
	uint64_t total;
};

struct report {
	const struct call_tree *tree; /* borrowed */
	enum report_by by;
	uint64_t sample_count;
	uint64_t weight;	 /* of all samples */
	struct report_row *rows; /* owned; most self first */
	uint32_t row_count;
};

/*
 * Counts what is from @from_us on and before @to_us of the timeline.
 *
 * @tree: counted anew; borrowed for the report's life.
 *
 * Returns 0 or -ENOMEM. Free with report_close().
 */
int report_make(struct call_tree *tree, enum report_by by, int64_t from_us, int64_t to_us,
		struct report *ret_report);
void report_close(struct report *report);

static inline void cleanup_report_close(struct report *report)
{
	report_close(report);
}

/* What limits the tables for people. */
struct report_view {
	const char *title;    /* of the file */
	uint32_t rows_max;    /* 0: all */
	uint32_t columns_max; /* of the terminal; 0: there is none */
};

/* For people: aligned, names escaped, those that are too long cut in the middle. */
void report_print(const struct report *report, const struct report_view *view,
		  struct output *output);

/* A JSON array (RFC 8259) of {name, module, self, total} and what else such rows have. */
void report_print_json(const struct report *report, uint32_t rows_max, struct output *output);

#endif
