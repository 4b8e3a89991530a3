/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every map and variable that lives between two runs of a program. Each says who writes, who
 * reads, why this size and what happens when it is full. Defined weak: each object file that
 * includes this has the same ones, and the linker keeps one.
 */
#ifndef FLICKERSCOPE_MAPS_BPF_H
#define FLICKERSCOPE_MAPS_BPF_H

#include "kernel_types.bpf.h"

/*
 * Samples on their way to the agent, one ring for SAMPLE_RING_CPUS CPUs: the ring's lock is taken
 * for each sample, and more CPUs than that wait for each other.
 *   writer: sample_cpu() on the CPUs of the ring
 *   reader: agent/collect/sample_ring.c
 *   size:   chosen at load, see sampler_ring_size(); the size below is only the pattern's
 *   full:   the sample is lost; SAMPLER_LOST_RING_FULL counts it
 */
struct sample_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, SAMPLE_RINGS_MAX);
	__type(key, __u32);
	__array(values, struct sample_ring);
} sample_rings SEC(".maps") __weak;

/*
 * The sample under construction: too large for the stack of a BPF program.
 *   writer, reader: sample_cpu(), which never interrupts itself on one CPU
 *   size:   one for each CPU
 */
struct process_key {
	__u64 start_ns; /* see struct sample_event */
	__u64 exec_id;
	__u32 pid;
	__u32 reserved;
};

struct sample_scratch {
	struct process_key last_process; /* of this CPU: most samples are of the one before's */
	union {
		struct sample_event event;
		__u64 words[sizeof(struct sample_event) / sizeof(__u64) + SAMPLE_KERNEL_FRAMES_MAX +
			    SAMPLE_USER_FRAMES_MAX];
	};
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sample_scratch);
} scratch SEC(".maps") __weak;

/*
 * Processes whose first sample woke the agent already.
 *   writer, reader: sample_cpu()
 *   size:   more than a busy host runs at a time
 *   full:   the least recently sampled one is forgotten, and wakes the agent again
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SAMPLE_KNOWN_PROCESSES_MAX);
	__type(key, struct process_key);
	__type(value, __u8);
} known_processes SEC(".maps") __weak;

/*
 * The processes that are sampled, when there is a pid filter.
 *   writer: the agent, those asked for; process_forked() their children; process_exited() removes
 *   reader: sample_cpu()
 *   size:   preallocated (perf_event programs accept others only from 6.1)
 *   full:   the child is left out; SAMPLER_PIDS_FULL counts it
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SAMPLE_PIDS_MAX);
	__type(key, __u32);
	__type(value, __u8);
} filter_pids SEC(".maps") __weak;

/*
 * Counters, read by the agent through a shared mapping: no system call, and no lookup here.
 *   writer: the programs, each its own CPU's; the agent sets loss_start_ns back to 0
 *   size:   CPU numbers from SAMPLE_CPUS_MAX up are not sampled
 */
struct sampler_counters counters_of_cpu[SAMPLE_CPUS_MAX] __attribute__((aligned(128))) __weak;

/* Reader's position, plus 1, at which a half-full ring asked for a wake-up: once is enough. */
__u64 ring_wakeup_position[SAMPLE_RINGS_MAX] __weak;

static inline struct sampler_counters *cpu_counters(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return cpu < SAMPLE_CPUS_MAX ? &counters_of_cpu[cpu] : 0;
}

#endif
