/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between the BPF programs and the agent: what the kernel side emits, what it is
 * configured with, and what it counts.
 *
 * Included by bpf/ (after kernel_types.bpf.h, which brings the integer types there) and by
 * agent/collect. Every struct has fixed-width fields, no implicit padding and an asserted size:
 * the two sides are compiled by two compilers for two machines.
 */
#ifndef FLICKERSCOPE_SAMPLE_ABI_H
#define FLICKERSCOPE_SAMPLE_ABI_H

#ifndef __bpf__
#include <linux/types.h>
#endif

enum sample_limits {
	SAMPLE_COMM_SIZE = 16,		/* TASK_COMM_LEN, the terminating zero included */
	SAMPLE_KERNEL_FRAMES_MAX = 127, /* PERF_MAX_STACK_DEPTH, the kernel's own limit */
	SAMPLE_USER_FRAMES_MAX = 127,
	SAMPLE_FREQUENCY_MAX_HZ = 10000,
	SAMPLE_CPUS_MAX = 1024,
	SAMPLE_RING_CPUS = 16, /* CPUs that share one ring */
	SAMPLE_RINGS_MAX = SAMPLE_CPUS_MAX / SAMPLE_RING_CPUS,
	SAMPLE_PIDS_MAX = 8192, /* processes that a pid filter can hold, children included */
	SAMPLE_KNOWN_PROCESSES_MAX = 16384, /* processes whose first sample was already announced */
};

/*
 * How a walk of one stack ended. One for the kernel part and one for the user part of each sample.
 * The values also travel on the wire (see WIRE_RECORD_SAMPLES): never renumber.
 */
enum stack_status {
	STACK_NONE = 0,		  /* there is no such stack: a kernel thread has no user part */
	STACK_COMPLETE = 1,	  /* the walk reached the thread's first frame */
	STACK_FRAME_POINTERS = 2, /* walked by frame pointers alone: callers may be missing */
	STACK_TRUNCATED = 3,	  /* more frames than the limit above */
	STACK_UNREADABLE = 4,	  /* user memory was not resident or not mapped */
	STACK_NO_MAPPING = 5,	  /* an address belongs to no known mapping */
	STACK_NO_ROW = 6,	  /* the unwind table does not cover an address */
	STACK_UNSUPPORTED = 7,	  /* a 32-bit process, or an unwind rule that is not implemented */
	STACK_STATUS_COUNT,
};

/*
 * One sample: a fixed head, then kernel_frame_count + user_frame_count addresses of 8 bytes each,
 * kernel frames first, each part leaf first. The record in the ring has just that length.
 */
struct sample_event {
	__u64 time_ns;		/* CLOCK_MONOTONIC */
	__u64 process_start_ns; /* CLOCK_BOOTTIME at which the process's main thread started: tells
				   a pid used again from the process that had it before */
	__u64 cgroup_id;	/* inode number in the cgroup2 hierarchy; 0 where there is none */
	__u32 pid;		/* process (tgid), in the initial pid namespace */
	__u32 tid;		/* thread, in the initial pid namespace */
	__u32 cpu;
	__u8 kernel_frame_count;
	__u8 user_frame_count;
	__u8 kernel_status;	     /* enum stack_status */
	__u8 user_status;	     /* enum stack_status */
	char comm[SAMPLE_COMM_SIZE]; /* the thread's name: any bytes, zero-terminated */
	__u64 frames[];
};

_Static_assert(sizeof(struct sample_event) == 56, "the ring's record has no padding");

/* What the kernel side counts, per CPU, since it was loaded. Index into struct sampler_counters. */
enum sampler_counter {
	SAMPLER_TICKS,		/* timer interrupts seen, idle ones included */
	SAMPLER_IDLE,		/* ... of these while the CPU was idle */
	SAMPLER_FILTERED,	/* samples left out by the pid, CPU or cgroup filter */
	SAMPLER_EMITTED,	/* samples written to a ring */
	SAMPLER_LOST_RING_FULL, /* lost: no room in the ring */
	SAMPLER_LOST_RING_BUSY, /* lost: the ring's lock was refused (an interrupt inside itself) */
	SAMPLER_LOST_SCRATCH,	/* lost: the per-CPU scratch area was missing (never expected) */
	SAMPLER_PIDS_FULL,	/* a child could not be added to the pid filter */
	SAMPLER_BUSY_INTERVALS, /* pairs of consecutive ticks of one CPU that was never idle between */
	SAMPLER_BUSY_INTERVAL_NS, /* ... and the time between them, summed: gives the rate reached */
	SAMPLER_WAKEUPS,	  /* wake-ups of the agent asked for */
	SAMPLER_COUNTER_COUNT,
};

struct sampler_counters {
	__u64 value[SAMPLER_COUNTER_COUNT];
	__u64 last_tick_ns;	  /* kernel side's own: time of the last tick on this CPU */
	__u64 last_tick_was_busy; /* kernel side's own */
	__u64 loss_start_ns; /* time of the first sample lost since the agent last looked; 0: none */
	__u64 loss_end_ns;   /* time of the last one */
	__u64 last_tick_idle_exits; /* kernel side's own: how often the CPU had left idle by then */
};

_Static_assert(sizeof(struct sampler_counters) == 128, "one CPU's counters have their own lines");

#endif
