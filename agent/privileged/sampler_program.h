/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads the BPF programs of bpf/ and holds what they share with the agent: rings, counters and
 * the pid filter. Needs CAP_BPF and CAP_PERFMON; what it gives stays usable without them. Nothing
 * is pinned: it all ends with the process.
 */
#ifndef FLICKERSCOPE_SAMPLER_PROGRAM_H
#define FLICKERSCOPE_SAMPLER_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "sample_abi.h"

struct sampler_program;

struct sampler_program_options {
	uint64_t ring_size;		    /* bytes of each ring: a power of two, 4096 at least */
	bool ring_wanted[SAMPLE_RINGS_MAX]; /* whether a CPU of that ring is sampled */
	bool pid_filter;		    /* only processes of sampler_program_add_pid() */
	bool children;			    /* ... and their children from now on */
	uint32_t cgroup_count;		    /* of sampler_program_filter(): 0: all */
	uint32_t user_count;		    /* the same */
	bool kernel_frames;
	bool user_frames;
	bool unwind;	     /* user stacks by unwind_maps, where they know a process */
	uint32_t frames_max; /* see perf_events_frames_max() */
};

/*
 * Loads the programs and starts following forks when @options say so; samples come when events
 * run sampler_program_fd(). Logs one line that names the cause and the remedy.
 *
 * Returns 0 or -errno.
 */
int sampler_program_load(const struct sampler_program_options *options,
			 struct sampler_program **ret_program);
void sampler_program_free(struct sampler_program *program); /* NULL is fine; detaches */
DEFINE_CLEANUP(struct sampler_program *, sampler_program_free);

int sampler_program_fd(const struct sampler_program *program);

/* The BPF ring buffer of the CPUs from @ring_index * SAMPLE_RING_CPUS on; -1: not wanted. */
int sampler_program_ring_fd(const struct sampler_program *program, uint32_t ring_index);

/* One for each CPU number, SAMPLE_CPUS_MAX of them, shared with the programs as they count. */
struct sampler_counters *sampler_program_counters(const struct sampler_program *program);

/* The cgroups and users that are sampled, shared with the programs: to be filled in. */
struct sample_filter *sampler_program_filter(struct sampler_program *program);

/* The maps of the unwind tables: for unwind_maps.c. */
struct sampler_program_maps {
	int slabs_fd;
	int pages_fd;
	int mappings_fd;
	int processes_fd;
	int teach_file_fd; /* a program: see unwind_maps_teach_file() */
};

struct sampler_program_maps sampler_program_maps(const struct sampler_program *program);

/* Adds a process to the pid filter. Returns 0, -E2BIG when it is full, or another -errno. */
int sampler_program_add_pid(const struct sampler_program *program, uint32_t pid);

/*
 * Run time and runs of the sampler on all CPUs, as the kernel counts them while
 * kernel.bpf_stats_enabled is 1; 0 otherwise. Returns 0 or -errno.
 */
int sampler_program_run_time(const struct sampler_program *program, uint64_t *ret_time_ns,
			     uint64_t *ret_runs);

/*
 * What the kernel calls @address of its own: "name", or "name [module]". Borrowed until the next call;
 * NULL: it does not know. Takes a system call of some microseconds.
 */
const char *sampler_program_kernel_name(const struct sampler_program *program, uint64_t address);

#endif
