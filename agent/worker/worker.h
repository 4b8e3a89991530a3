/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child process that parses what strangers wrote: jobs go in, flat tables come out. It knows
 * no formats; it runs the functions that it was created with.
 *
 * A job is a number of a function, one or two file descriptors and some bytes. Its result comes back as a
 * sealed memfd that is mapped read-only here, after its seals and size were checked. A job that
 * crashes, runs over its time or sends nonsense costs its own result and nothing else: the child
 * is killed, the job's callback hears why, and the next jobs go on in a new child.
 *
 * Jobs run one at a time, the urgent ones first. Otherwise each is due some time after it was submitted,
 * by the size of its files, and whatever is due first is next: a small file passes the large
 * ones that have come shortly before it, and none waits for ever.
 *
 * Two processes, because fork() in a process with threads and a large window is no good: a
 * forker, made by worker_new() while the agent is still small and has one thread, that only waits
 * for the order to fork; and the worker, its fork, without privileges, with limits, without any
 * descriptor but its socket, confined as base/confinement.h says. Both are children of the agent and die with it.
 *
 * Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_WORKER_H
#define FLICKERSCOPE_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/cleanup.h"

struct loop;
struct worker;

enum worker_limits {
	WORKER_QUEUE_MAX = 1024,     /* jobs that wait */
	WORKER_QUEUE_FDS_PARTS = 16, /* their share of our descriptors: one of so many ... */
	WORKER_QUEUE_FDS_LEAST = 8,
	WORKER_QUEUE_FDS_MAX = 1024,
	WORKER_ARGUMENT_SIZE_MAX = 64 << 10,  /* fits a socket's buffer by far */
	WORKER_RESULT_SIZE_MAX = 384 << 20,   /* of one job */
	WORKER_MEMORY_SIZE_MAX = 1 << 30,     /* address space of the child */
	WORKER_STACK_SIZE_MAX = 64 << 20,     /* ... of these; the demangler recurses deeply */
	WORKER_DESCRIPTORS_MAX = 16,	      /* of the child */
	WORKER_IDLE_MS = 10000,		      /* without a job the child forgets what it keeps */
	WORKER_DUE_NS_PER_BYTE = 10,	      /* of the files: ten times what most jobs take */
	WORKER_RESTART_DELAY_LEAST_MS = 50,   /* after a failure; doubles with each ... */
	WORKER_RESTART_DELAY_MOST_MS = 10000, /* ... up to this; halves with each success */
};

/* Outcomes of the worker itself, above all that a job may return. */
enum worker_outcome {
	WORKER_OUTCOME_FIRST = 1000,		  /* a job's own outcomes are below */
	WORKER_QUEUE_FULL = WORKER_OUTCOME_FIRST, /* or there is no descriptor for it: later */
	WORKER_TIMED_OUT, /* ran longer than its type's time limit, and was killed */
	WORKER_CRASHED,	  /* the child died of the job, or was killed by somebody else */
	WORKER_TOO_LARGE, /* the result was larger than WORKER_RESULT_SIZE_MAX */
	WORKER_BAD_REPLY, /* the child sent what it should not; it was killed */
	WORKER_GONE,	  /* no child can be started any more */
};

/* What the child can do. Names and functions must be constant for the worker's life. */
struct worker_job_type {
	const char *name;	  /* for the log */
	const char *process_name; /* of a child whose first type this is; at most 15 bytes */
	unsigned int time_limit_ms;
	/*
	 * Runs in the child. @input_fd is -1 or a descriptor that is closed after the call.
	 * Returns 0, -errno, or an outcome from 1 up to below WORKER_OUTCOME_FIRST; the result is
	 * sent on 0 only.
	 */
	int (*run)(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result);
	/* Instead, for what is made of two files, as of a program and its debug file. */
	int (*run_pair)(int first_fd, int second_fd, struct bytes_reader argument,
			struct bytes_writer *ret_result);
	void (*forget)(void); /* gives back what it kept for its next run; NULL: it keeps nothing */
	bool is_urgent;	      /* goes before all that are not and wait */
	bool downloads;	      /* a child that knows such a job may start threads and connect */
	uint64_t file_size_max; /* of a file that it is given to write to; 0: as a result */
};

/* A table from the child: mapped read-only, and nobody can change it any more. */
struct worker_result {
	const void *bytes; /* aligned to a page; NULL when size is 0 */
	size_t size;
};

void worker_result_free(struct worker_result *result); /* empties it; an empty one is fine */

struct worker_counters {
	uint64_t jobs_done;    /* returned 0 */
	uint64_t jobs_refused; /* returned something else: mostly bad files */
	uint64_t jobs_timed_out;
	uint64_t jobs_crashed;
	uint64_t jobs_too_large;
	uint64_t bad_replies;
	uint64_t queue_full; /* jobs that were not taken: whoever has them comes again */
	uint64_t starts;     /* children started, the first one included */
	uint64_t restarts;   /* ... of these after one that was lost */
	uint64_t cpu_us;     /* user and system time of the forker and all children so far */
};

/*
 * Called on the loop thread, never from inside worker_submit(), once for each accepted job.
 *
 * @outcome: 0; what the job returned; or one of enum worker_outcome.
 * @result: owned by the receiver from now on; empty unless @outcome is 0.
 *
 * May submit jobs; must not free the worker.
 */
typedef void (*worker_callback)(int outcome, struct worker_result result, void *context);

/*
 * Makes the forker and the first child. To be called before any thread exists, and before
 * anything large or secret is in memory.
 *
 * @types: borrowed for the worker's life.
 */
int worker_new(struct loop *loop, const struct worker_job_type *types, size_t type_count,
	       struct worker **ret_worker);

/* Kills both processes. Jobs that still wait are dropped without a callback. NULL is fine. */
void worker_free(struct worker *worker);
DEFINE_CLEANUP(struct worker *, worker_free);

/*
 * @type: index into the types.
 * @input_fd: borrowed (a duplicate is kept until it is sent); -1: none.
 * @argument: copied; at most WORKER_ARGUMENT_SIZE_MAX bytes.
 *
 * Returns 0 (the callback will come), WORKER_QUEUE_FULL, WORKER_GONE, -E2BIG or -errno.
 */
int worker_submit(struct worker *worker, uint32_t type, int input_fd, const void *argument,
		  size_t argument_size, worker_callback callback, void *context);

/* The same with two files; the second may be -1. */
int worker_submit_pair(struct worker *worker, uint32_t type, int first_fd, int second_fd,
		       const void *argument, size_t argument_size, worker_callback callback,
		       void *context);

/*
 * Drops the jobs with this callback and context, which will not be called; one that runs is ended with
 * its child. From any callback but a worker's own for the same job.
 */
void worker_cancel(struct worker *worker, worker_callback callback, const void *context);

/* Jobs that wait or run. */
size_t worker_pending(const struct worker *worker);

/* Brought up to date by the call; valid for the worker's life. */
const struct worker_counters *worker_counters(struct worker *worker);

/* Of the child that runs the jobs; 0 while there is none, or its start has not been told. */
pid_t worker_pid(const struct worker *worker);

/* What an outcome of this module means, in words; NULL for others. */
const char *worker_outcome_text(int outcome);

#endif
