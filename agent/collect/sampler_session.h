/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sampling of this host from open to free: the BPF program, one timer event for each CPU, the
 * rings, and the side band of forks, execs, exits and mappings.
 *
 * Call sampler_session_drain() some times a second, and whenever sampler_session_fd() is
 * readable (a ring half full, or the first sample of a process since its exec). Owned by the loop
 * thread. Privileges are needed by _open alone, and by who opens CPUs that come later. Memory: the rings, 256 KiB of side band for each
 * CPU, and SIDE_BAND_QUEUE_SIZE_MAX.
 */
#ifndef FLICKERSCOPE_SAMPLER_SESSION_H
#define FLICKERSCOPE_SAMPLER_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "collect/sampler_sink.h"
#include "collect/task_filter.h"
#include "sample_abi.h"

struct privileged_process;
struct sampler_session;

enum sampler_session_outcome {
	SAMPLER_SESSION_CPUS_CHANGED = 1, /* which are sampled */
};

enum sampler_session_limit {
	SAMPLER_SESSION_RESTAGGER_NS = 20000000, /* the loop stands still meanwhile */
};

struct sampler_options {
	uint32_t frequency_hz; /* 1 to SAMPLE_FREQUENCY_MAX_HZ */
	const uint32_t *pids;  /* processes, or threads standing for theirs; with all threads */
	size_t pid_count;      /* 0: all processes */
	bool children;	       /* of @pids: present and future ones too, and their children */
	struct task_filter_options
		tasks;		/* what else of them; all filters must let a sample pass */
	const bool *cpu_chosen; /* [SAMPLE_CPUS_MAX]; NULL: all CPUs */
	uint64_t ring_size;	/* bytes of all rings together; 0: sampler_ring_size() */
	bool kernel_frames;
	bool user_frames;
	bool unwind; /* user stacks by tables, where sampler_session_unwind_maps() has some */
};

/* The size in bytes of all rings together for that rate and so many CPUs: 8 to 256 MiB. */
uint64_t sampler_ring_size(uint32_t frequency_hz, uint32_t cpu_count);

/*
 * Loads, opens and starts everything. An error is logged as one line that names its cause and
 * remedy. Waits up to a period, at most 250 ms, so that CPUs don't tick together.
 *
 * Returns 0 or -errno: -ESRCH when a process of @options does not exist, -EINVAL for a CPU that is
 * not online.
 */
int sampler_session_open(const struct sampler_options *options,
			 struct sampler_session **ret_session);
void sampler_session_free(struct sampler_session *session); /* NULL is fine */
DEFINE_CLEANUP(struct sampler_session *, sampler_session_free);

/* CPUs that come are opened by @privileged from now on: who is confined cannot. Borrowed. */
void sampler_session_ask(struct sampler_session *session, struct privileged_process *privileged);

/*
 * Lets go of CPUs that went offline and samples those that came, as far as they were chosen: once a second,
 * after a drain. Returns 0 or SAMPLER_SESSION_CPUS_CHANGED.
 */
int sampler_session_follow_cpus(struct sampler_session *session);

/* Readable when a drain should not wait for the timer. Borrowed. */
int sampler_session_fd(const struct sampler_session *session);

/*
 * Hands over what happened up to SAMPLE_DRAIN_REORDER_NS ago; what is younger waits for the next
 * drain, since something older may still come from another CPU.
 *
 * Returns the time, CLOCK_MONOTONIC, up to which everything was handed over.
 */
uint64_t sampler_session_drain(struct sampler_session *session, const struct sampler_sink *sink);

/* The same, with nothing held back: for the last drain, after sampler_session_stop(). */
uint64_t sampler_session_drain_all(struct sampler_session *session,
				   const struct sampler_sink *sink);

/*
 * Samples at another rate from now on: what was sampled before has been drained. Waits up to a period,
 * at most SAMPLER_SESSION_RESTAGGER_NS. Returns 0 or -errno; then CPUs may have different rates.
 */
int sampler_session_set_rate(struct sampler_session *session, uint32_t frequency_hz);

/* Stops the timers: no sample comes any more. What is in the rings can still be drained. */
void sampler_session_stop(struct sampler_session *session);

/* Totals over all CPUs since the open. */
void sampler_session_counters(const struct sampler_session *session,
			      uint64_t ret_values[SAMPLER_COUNTER_COUNT]);
void sampler_session_statistics(const struct sampler_session *session,
				struct sampler_session_statistics *ret_statistics);

/* The CPUs that are sampled, ascending. Borrowed. */
size_t sampler_session_cpus(const struct sampler_session *session, const uint32_t **ret_cpus);

/*
 * The rate really reached on @cpu while it was busy since the last call for it, in mHz, from the
 * time between ticks that no idle time lay between; at most the rate asked for. 0: there were none,
 * as on a CPU that is never busy for a whole period.
 */
uint32_t sampler_session_rate(struct sampler_session *session, uint32_t cpu);

struct unwind_maps;

/* Opens the maps of the unwind tables, as unwind_maps_open() does; the caller's. Returns 0 or -errno. */
int sampler_session_unwind_maps(const struct sampler_session *session,
				struct privileged_process *privileged,
				struct unwind_maps **ret_maps);

/* Run time and runs of the sampler program: see sampler_program_run_time(). */
int sampler_session_run_time(const struct sampler_session *session, uint64_t *ret_time_ns,
			     uint64_t *ret_runs);

/* What the kernel calls @address of its own: see sampler_program_kernel_name(). */
const char *sampler_session_kernel_name(const struct sampler_session *session, uint64_t address);

#endif
