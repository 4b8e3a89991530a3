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
	SAMPLE_CGROUPS_MAX = 8, /* cgroups that a filter can hold */
	SAMPLE_USERS_MAX = 16,	/* users that a filter can hold */
	SAMPLE_KNOWN_PROCESSES_MAX = 16384, /* processes whose first sample was already announced */
	SAMPLE_KERNEL_NAME_SIZE =
		640, /* KSYM_NAME_LEN, a module's name, the brackets and the zero */
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
 * What is known of the time between a sample and the last one of the same CPU. Timers of virtual
 * machines may miss many ticks of a busy CPU, and some kernels leave out the ticks of an idle one:
 * times alone do not tell the two apart. The values also travel on the wire: never renumber.
 */
enum sample_busy {
	SAMPLE_BUSY_UNKNOWN = 0,
	SAMPLE_BUSY_PARTLY = 1, /* the CPU was idle, or a tick in between was left out or lost */
	SAMPLE_BUSY_THROUGHOUT = 2, /* the CPU was never idle in between */
	SAMPLE_BUSY_COUNT,
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
	__u16 cpu;
	__u8 busy; /* enum sample_busy */
	__u8 reserved;
	__u8 kernel_frame_count;
	__u8 user_frame_count;
	__u8 kernel_status;	     /* enum stack_status */
	__u8 user_status;	     /* enum stack_status */
	char comm[SAMPLE_COMM_SIZE]; /* the thread's name: any bytes, zero-terminated */
	__u64 frames[];
};

_Static_assert(sizeof(struct sample_event) == 56, "the ring's record has no padding");

/* What else is asked for than processes by their pids: how many of each count is set before the load. */
struct sample_filter {
	struct {
		__u64 id;    /* of cgroup version 2; 0: there is no such cgroup now */
		__u32 level; /* how deep it lies, 0 being the root */
		__u32 reserved;
	} cgroups[SAMPLE_CGROUPS_MAX]; /* with all below each */
	__u32 users[SAMPLE_USERS_MAX]; /* real user ids, as the host counts */
};

/* What the kernel side counts, per CPU, since it was loaded. Index into struct sampler_counters. */
enum sampler_counter {
	SAMPLER_TICKS,		/* timer interrupts seen, idle ones included */
	SAMPLER_IDLE,		/* ... of these while the CPU was idle */
	SAMPLER_FILTERED,	/* samples left out by the pid, cgroup or user filter */
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

/* What the last tick of a CPU was. */
enum sampler_tick {
	SAMPLER_TICK_IDLE = 0,
	SAMPLER_TICK_BUSY = 1,	  /* busy, and no sample came of it: filtered or lost */
	SAMPLER_TICK_SAMPLED = 2, /* busy, and its sample is in the ring */
};

struct sampler_counters {
	__u64 value[SAMPLER_COUNTER_COUNT];
	__u64 last_tick_ns;  /* kernel side's own: time of the last tick on this CPU */
	__u64 last_tick;     /* kernel side's own: enum sampler_tick */
	__u64 loss_start_ns; /* time of the first sample lost since the agent last looked; 0: none */
	__u64 loss_end_ns;   /* time of the last one */
	__u64 last_tick_idle_exits; /* kernel side's own: how often the CPU had left idle by then */
};

_Static_assert(sizeof(struct sampler_counters) == 128, "one CPU's counters have their own lines");

/*
 * How to find the caller's frame from an address on: one row of an unwind table.
 *
 * The table is keyed by the offset in the executable file, in pages of 64 KiB: a row holds from its
 * pc_low on, until the next row of the page or the page's end. The first row of each page has
 * pc_low 0. Rows are made by agent/elf/unwind_table.c from call frame information (DWARF 5, 6.4)
 * and used by the walk in the kernel; x86-64 only.
 *
 * CFA is the canonical frame address: the stack pointer before the call. Unless told otherwise the
 * return address is at CFA - 8 and the caller's stack pointer is CFA.
 *
 * Functions begin and end with runs of pushes and pops, which move CFA - SP by one word each. One row
 * holds a whole run: bit i of its high half is set when the instruction that ends i + 1 bytes
 * behind the row's start is one of them. So "steps" is the number of bits set among the lowest
 * (pc_low looked for - pc_low of the row) bits of the high half, all 16 of them from there on.
 */
enum unwind_limits {
	UNWIND_PAGE_BITS = 16,
	UNWIND_WORD_SIZE = 8,	/* unit of fp_offset and of steps, in bytes: what a push takes */
	UNWIND_STEP_BYTES = 16, /* of code that one row's steps can cover */
};

enum unwind_cfa_kind {
	UNWIND_CFA_NONE = 0,	 /* no row; never in a table */
	UNWIND_CFA_SP = 1,	 /* CFA = SP + cfa_offset */
	UNWIND_CFA_FP = 2,	 /* CFA = FP + cfa_offset */
	UNWIND_CFA_PLT = 3,	 /* CFA = SP + low half + ((pc & 15) >= high half ? 8 : 0) */
	UNWIND_CFA_FP_DEREF = 4, /* CFA = *(FP + low half) + high half */
	UNWIND_CFA_SP_DEREF = 5, /* CFA = *(SP + low half) + high half */
	UNWIND_CFA_SIGNAL = 6, /* a signal's frame: the interrupted SP is at SP + cfa_offset, its pc
				    8 bytes above that, its FP 40 bytes below; that pc is no return
				    address */
	UNWIND_CFA_STOP = 7,   /* the thread's first frame: there is no caller */
	UNWIND_CFA_INVALID = 8,	    /* nothing is known: no code, or code without information */
	UNWIND_CFA_UNSUPPORTED = 9, /* a rule that no row can hold */
	UNWIND_CFA_SP_PUSHES = 10, /* CFA = SP + UNWIND_WORD_SIZE * (low half + steps), see below */
	UNWIND_CFA_SP_POPS = 11,   /* CFA = SP + UNWIND_WORD_SIZE * (low half - steps) */
	UNWIND_CFA_KIND_COUNT,
};

enum unwind_fp_kind {
	UNWIND_FP_SAME = 0,   /* the caller's FP is the present one */
	UNWIND_FP_AT_CFA = 1, /* it was saved at CFA + fp_offset * UNWIND_WORD_SIZE */
	UNWIND_FP_AT_FP = 2,  /* it was saved at FP + fp_offset * UNWIND_WORD_SIZE */
	UNWIND_FP_LOST = 3,   /* it cannot be known */
	UNWIND_FP_KIND_COUNT,
};

struct unwind_row {
	__u16 pc_low; /* low bits of the offset in the file */
	__u8 kinds;   /* low 4 bits: enum unwind_cfa_kind; high 4 bits: enum unwind_fp_kind */
	__s8 fp_offset;
	__s32 cfa_offset; /* halves: both are signed 16 bits */
};

_Static_assert(sizeof(struct unwind_row) == 8, "array maps round their elements up to 8 bytes");

/*
 * The unwind tables as the walk finds them: the rows of all files in slabs, the pages of a file in
 * one array, the mappings of a process, sorted, in another. The agent fills them through shared
 * memory while walks go on, so nothing that a walk may still look at is changed: ranges are
 * written, then told; taken back, then left alone for a while.
 */
enum unwind_map_limits {
	UNWIND_SLAB_ROWS = 65536, /* at most one page's */
	UNWIND_SLABS_MAX = 1024,  /* 512 KiB each */
	UNWIND_PAGES_MAX = 65536, /* 4 GiB of code */
	UNWIND_MAPPINGS_MAX = 65536,
	UNWIND_PROCESSES_MAX = 16384,
	UNWIND_PROCESS_MAPPINGS_MAX = 8192, /* bisected: bounds the walk's loops */
	UNWIND_FILES_MAX = 8192,	    /* known by themselves, whoever maps them */
	UNWIND_SERIAL_LEAST = 1 << 17,	    /* of a table: above any count of rows */
	UNWIND_FOUND_BITS = 12,
	UNWIND_FOUND_ROWS = 1 << UNWIND_FOUND_BITS, /* remembered for each CPU */
};

/*
 * Where the rows of one page of a file are. Before the first page of each table stands one more of
 * these, which holds no rows: its count is the table's serial number, 0 once the table is gone.
 */
struct unwind_page_rows {
	__u16 slab;
	__u16 first;
	__u32 count; /* at least 1; never beyond the slab's end */
};

_Static_assert(sizeof(struct unwind_page_rows) == 8, "array maps round up to 8 bytes");

/* An executable mapping of a process. */
struct unwind_mapping {
	__u64 begin;
	__u64 end;
	__u64 bias; /* address + bias is counted from the first page of the file's table */
	__u32 first_page;
	__u32 page_count; /* 0: there is no table, or not yet */
	__u32 generation; /* of the range it belongs to; 0: none */
	__u32 verified;	  /* kernel side's own: when it was last found to be true; 0 when new */
	__u64 file;	  /* kernel side's own: of which file, a hash; 0: it was not seen yet */
};

_Static_assert(sizeof(struct unwind_mapping) == 48, "the same on both sides");

/* The table of a file, whoever maps it. */
struct unwind_file_table {
	__u32 serial; /* see struct unwind_page_rows: while it stands there, all of this holds */
	__u32 first_page;
	__u32 page_count;
	__u32 file_page; /* of the file: which the first one is */
};

_Static_assert(sizeof(struct unwind_file_table) == 16, "no padding");

/*
 * Which mappings are a process's. The kernel writes a new process over an old one without waiting
 * for readers: a walk copies this and checks that all of it belongs together.
 */
struct unwind_process {
	__u64 start_ns; /* of the process, as in struct sample_event */
	__u32 pid;
	__u32 first; /* mapping */
	__u32 count;
	__u32 generation; /* of these mappings: never 0, given once */
};

_Static_assert(sizeof(struct unwind_process) == 24, "no padding");

#endif
