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
 * The block of the user's stack that was read last: frames lie close to each other, and a read takes
 * longer to begin than to end. It lies in one page, so that it is there as a whole or not at all.
 */
enum {
	UNWIND_BLOCK_SIZE = 1024,
	UNWIND_BLOCK_WORDS = UNWIND_BLOCK_SIZE / UNWIND_WORD_SIZE,
	UNWIND_BLOCK_NONE = 1, /* no block begins there */
};

struct unwind_memory {
	__u64 begin;
	__u64 words[UNWIND_BLOCK_WORDS];
};

static __always_inline bool unwind_read(struct unwind_memory *memory, __u64 address,
					__u64 *ret_word)
{
	__u64 begin = address & ~(__u64)(UNWIND_BLOCK_SIZE - 1);

	if (address % UNWIND_WORD_SIZE)
		return false;
	if (begin != memory->begin) {
		memory->begin = begin;
		if (bpf_probe_read_user(memory->words, sizeof(memory->words),
					(const void *)begin) != 0) {
			memory->begin = UNWIND_BLOCK_NONE;
			return false;
		}
	}
	*ret_word = memory->words[address / UNWIND_WORD_SIZE % UNWIND_BLOCK_WORDS];
	return true;
}

#include "unwind_step.h"

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

/* A row as the maps hold it. Of UNWIND_CFA_NONE: there is none, and pc_low is the stack_status. */
union unwind_row_word {
	__u64 word;
	struct unwind_row row;
};

/*
 * A walk by tables. In a map, not on the stack: the verifier then expects any value in it, and is
 * done with the loop after looking at it once.
 */
struct user_walk {
	struct unwind_registers registers;
	struct unwind_process process;
	struct unwind_memory memory;
	struct unwind_mapping mapping; /* looked up last: mostly the next one's too */
	__u32 mapping_index;	       /* its own, or UNWIND_NOT_FOUND: the agent has not told it */
	__u32 true_mapping; /* index of the one that was found to be true last, or the same */
	__u32 first_found;  /* of the CPU's part of unwind_found */
	__u32 next;	    /* word of the scratch area for the next frame */
	__u32 end;	    /* no frame is written there */
	__u32 status;	    /* STACK_NONE while it goes on */
	__u32 was_guessed;  /* the present frame was found without a table ... */
	__u32 any_guessed;  /* ... or one before */
	__u32 guess_reason; /* why the last of them: enum stack_status */
	__u32 changes;	    /* see vma_changes() */
	struct unwind_mapping found; /* by unwind_find_vma() */
	__u32 misses_table;	     /* a file that is mapped has no table, or not yet */
	__u32 reserved;
};

enum {
	SAMPLE_HEAD_WORDS = sizeof(struct sample_event) / sizeof(__u64),
	SAMPLE_SCRATCH_WORDS =
		SAMPLE_HEAD_WORDS + SAMPLE_KERNEL_FRAMES_MAX + SAMPLE_USER_FRAMES_MAX,
};

struct sample_scratch {
	struct process_key last_process; /* of this CPU: most samples are of the one before's */
	__u32 missed_generation; /* mappings that lacked one, and the agent was woken for it */
	__u32 reserved;
	struct user_walk walk;
	union {
		struct sample_event event;
		__u64 words[SAMPLE_SCRATCH_WORDS];
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
 *   size:   preallocated (perf_event programs accept others only from 6.1); 1 without a filter
 *   full:   the child is left out; SAMPLER_PIDS_FULL counts it
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SAMPLE_PIDS_MAX);
	__type(key, __u32);
	__type(value, __u8);
} filter_pids SEC(".maps") __weak;

/*
 * The cgroups and users that are sampled, when there are such filters.
 *   writer: the agent; a cgroup that is made anew under its name has another id
 *   reader: sample_cpu()
 */
struct sample_filter filter __weak;

/*
 * The rows of the unwind tables, in slabs, so that they take memory only when there are any.
 *   writer: the agent, through shared memory; pages of a file lie whole in one slab
 *   reader: unwind_find_row()
 *   size:   a slab is 512 KiB; UNWIND_SLABS_MAX is far above what the agent's cap allows
 *   full:   the agent leaves tables out, and counts them
 */
struct unwind_slab {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_SLAB_ROWS);
	__type(key, __u32);
	__type(value, __u64);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, UNWIND_SLABS_MAX);
	__type(key, __u32);
	__array(values, struct unwind_slab);
} unwind_slabs SEC(".maps") __weak;

/*
 * Where the rows of each page of 64 KiB of the files are.
 *   writer: the agent, through shared memory
 *   reader: unwind_find_row()
 *   size:   0.5 MiB for 4 GiB of code
 *   full:   as above
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_PAGES_MAX);
	__type(key, __u32);
	__type(value, struct unwind_page_rows);
} unwind_pages SEC(".maps") __weak;

/*
 * The executable mappings of the processes that are sampled: a sorted range for each.
 *   writer: the agent, through shared memory
 *   reader: unwind_find_mapping()
 *   size:   2.5 MiB: 800 processes of 80 libraries
 *   full:   the agent takes back the range of the process sampled longest ago
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_MAPPINGS_MAX);
	__type(key, __u32);
	__type(value, struct unwind_mapping);
} unwind_mappings SEC(".maps") __weak;

/*
 * Which range is whose.
 *   writer: the agent; process_forked() gives a child its parent's, process_executed() and
 *           process_exited() remove
 *   reader: unwind_find_process()
 *   size:   preallocated (perf_event programs accept others only from 6.1)
 *   full:   the process is walked by frame pointers; the agent counts it
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, UNWIND_PROCESSES_MAX);
	__type(key, __u32);
	__type(value, struct unwind_process);
} unwind_processes SEC(".maps") __weak;

/*
 * The tables of files, by what the kernel knows a file by: whoever maps one is walked by its table
 * at once, before the agent has heard of the process.
 *   writer: unwind_teach_file(), which the agent runs for each table
 *   reader: unwind_find_vma()
 *   size:   0.7 MiB
 *   full:   the file looked for longest ago is forgotten: its mappings are known when the agent has
 *           uploaded the process's
 */
struct file_key {
	__u64 inode;
	__u64 changed; /* when its contents did: a file may be written anew */
	__u32 device;
	__u32 generation; /* of the inode */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, UNWIND_FILES_MAX);
	__type(key, struct file_key);
	__type(value, struct unwind_file_table);
} unwind_files SEC(".maps") __weak;

/*
 * The rows that walks found last, by address: the same callers come again and again, and to search
 * for one takes ten times as long as all else that a frame needs. A range of mappings never changes
 * and its generation is given once, so what was found in it is right as long as the mapping is true.
 *   writer, reader: unwind_find(), on the CPU whose part it is
 *   size:   96 KiB for each CPU: it fits into a second-level cache
 *   full:   of two addresses with one place the last one stays
 */
struct unwind_found {
	__u64 pc; /* as unwind_lookup_pc() gives it */
	union unwind_row_word row;
	__u32 generation; /* of the mappings; 0: nothing is here */
	__u32 mapping;	  /* its index */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, UNWIND_FOUND_ROWS); /* for each CPU: set at load */
	__type(key, __u32);
	__type(value, struct unwind_found);
} unwind_found SEC(".maps") __weak;

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

	if (cpu >= SAMPLE_CPUS_MAX)
		return 0;
	/* For the verifier: the place is not calculated before the check, as clang would. */
	barrier_var(cpu);
	return &counters_of_cpu[cpu];
}

#endif
