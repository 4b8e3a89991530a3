/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The walk of a user stack by the unwind tables that the agent keeps in the maps: for each frame,
 * its mapping, its page of the file, its row, one step. x86-64 only.
 *
 * A process that is not in the map has no tables: its stack is walked otherwise.
 */
#ifndef FLICKERSCOPE_UNWIND_BPF_H
#define FLICKERSCOPE_UNWIND_BPF_H

#include "kernel_types.bpf.h"
#include "maps.bpf.h"
#include "vma.bpf.h"

enum {
	USER_32_CS = 0x23, /* __USER32_CS: code of 32 bits, arch/x86/include/asm/segment.h */
	UNWIND_MAPPING_STEPS = 14, /* to bisect UNWIND_PROCESS_MAPPINGS_MAX */
	UNWIND_ROW_STEPS = 16,	   /* to bisect UNWIND_SLAB_ROWS */
	UNWIND_CALL_FRAMES = 8,
	UNWIND_CALLS = SAMPLE_USER_FRAMES_MAX / UNWIND_CALL_FRAMES + 1,
};

#define UNWIND_NOT_FOUND (~0U)

/*
 * The searches are global functions with plain numbers in and out: the verifier looks at each once,
 * instead of once for each frame of the walk.
 */

/* Index of the mapping that holds @pc among @count from @first on, or UNWIND_NOT_FOUND. */
__noinline __u32 unwind_find_mapping(__u32 first, __u32 count, __u64 pc)
{
	for (int i = 0; i < UNWIND_MAPPING_STEPS && count; i++) {
		__u32 half = count / 2, index = first + half;
		const struct unwind_mapping *mapping =
			bpf_map_lookup_elem(&unwind_mappings, &index);

		if (!mapping)
			break;
		if (pc < mapping->begin) {
			count = half;
		} else if (pc >= mapping->end) {
			first = index + 1;
			count -= half + 1;
		} else {
			return index;
		}
	}
	return UNWIND_NOT_FOUND;
}

/* The row for the low bits @pc_low in a page of a file, as a word; 0: none. */
__noinline __u64 unwind_find_row(__u32 page_index, __u32 pc_low)
{
	const struct unwind_page_rows *page = bpf_map_lookup_elem(&unwind_pages, &page_index);
	const union unwind_row_word *found;
	__u32 slab_index, first, count;
	void *slab;

	if (!page)
		return 0;
	slab_index = page->slab;
	slab = bpf_map_lookup_elem(&unwind_slabs, &slab_index);
	if (!slab)
		return 0;
	first = page->first;
	count = page->count;
	for (int i = 0; i < UNWIND_ROW_STEPS && count > 1; i++) {
		__u32 half = count / 2, index = first + half;
		const union unwind_row_word *row = bpf_map_lookup_elem(slab, &index);

		if (!row)
			return 0;
		/* Without a branch, which would be foretold wrongly every other time. */
		first += half & ~(__u32)((__s32)(pc_low - row->row.pc_low) >> 31);
		count -= half;
	}
	found = bpf_map_lookup_elem(slab, &first);
	return found ? found->word : 0;
}

static __always_inline __u64 unwind_file_hash(const struct file_key *key)
{
	__u64 hash = key->inode * 0x9e3779b97f4a7c15;

	hash = (hash ^ key->changed) * 0x9e3779b97f4a7c15;
	return (hash ^ ((__u64)key->device << 32 | key->generation)) | 1;
}

/* The table of the file that @vma maps, as a mapping; without one when it has none. */
static __always_inline bool unwind_describe_vma(struct task_struct *task,
						struct vm_area_struct *vma,
						struct unwind_mapping *ret_mapping)
{
	const struct unwind_file_table *table;
	const struct unwind_page_rows *header;
	struct file_key key;
	__u32 header_index;

	ret_mapping->bias = 0;
	ret_mapping->first_page = 0;
	ret_mapping->page_count = 0;
	ret_mapping->file = 0;
	if (!vma_file_key(task, vma, &key))
		return true;
	ret_mapping->file = unwind_file_hash(&key);
	table = bpf_map_lookup_elem(&unwind_files, &key);
	if (!table)
		return false;
	header_index = table->first_page - 1;
	header = bpf_map_lookup_elem(&unwind_pages, &header_index);
	if (!header || header->count != table->serial)
		return false; /* it has been taken back */
	ret_mapping->bias = (BPF_CORE_READ(vma, vm_pgoff) << VMA_PAGE_SHIFT) - ret_mapping->begin -
			    ((__u64)table->file_page << UNWIND_PAGE_BITS);
	ret_mapping->first_page = table->first_page;
	ret_mapping->page_count = table->page_count;
	return true;
}

enum unwind_vma {
	UNWIND_VMA_NONE,    /* nothing executable is mapped there */
	UNWIND_VMA_UNTOLD,  /* a file, and nobody told its table */
	UNWIND_VMA_FOUND,   /* in walk.found; anonymous memory has no table */
	UNWIND_VMA_UNKNOWN, /* this kernel's mappings cannot be read */
};

/* What the kernel says is mapped at @pc, into walk.found: enum unwind_vma. */
__noinline __u32 unwind_find_vma(__u64 pc)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct sample_scratch *scratch_area;
	struct unwind_mapping *found;
	struct vm_area_struct *vma;
	__u32 zero = 0;

	if (!vma_is_supported())
		return UNWIND_VMA_UNKNOWN;
	scratch_area = bpf_map_lookup_elem(&scratch, &zero);
	if (!scratch_area)
		return UNWIND_VMA_UNKNOWN;
	found = &scratch_area->walk.found;
	vma = vma_walk(task, pc);
	if (!vma || BPF_CORE_READ(vma, vm_mm) != BPF_CORE_READ(task, mm))
		return UNWIND_VMA_NONE;
	found->begin = BPF_CORE_READ(vma, vm_start);
	found->end = BPF_CORE_READ(vma, vm_end);
	if (pc < found->begin || pc >= found->end || !(BPF_CORE_READ(vma, vm_flags) & VMA_EXEC))
		return UNWIND_VMA_NONE;
	return unwind_describe_vma(task, vma, found) ? UNWIND_VMA_FOUND : UNWIND_VMA_UNTOLD;
}

/*
 * Asks the kernel, since @known, which the agent has told, is NULL or may not hold any more.
 * Returns whether walk->mapping holds @pc now.
 */
static __always_inline bool unwind_ask_kernel(struct user_walk *walk, __u64 pc,
					      struct unwind_mapping *known)
{
	__u32 outcome = unwind_find_vma(pc);

	if (outcome == UNWIND_VMA_UNKNOWN)
		return known;
	if (outcome == UNWIND_VMA_NONE) {
		walk->mapping.end = 0;
		return false;
	}
	/* A copy of a file whose table was told, or one that the kernel was made to forget by others. */
	if (outcome == UNWIND_VMA_UNTOLD && known && walk->mapping.page_count &&
	    (!walk->mapping.file || walk->mapping.file == walk->found.file)) {
		known->verified = walk->changes;
		known->file = walk->found.file;
		return true;
	}
	walk->misses_table |= outcome == UNWIND_VMA_UNTOLD && (!known || walk->mapping.page_count);
	if (known && walk->mapping.first_page == walk->found.first_page &&
	    walk->mapping.bias == walk->found.bias) {
		known->verified = walk->changes;
		known->file = walk->found.file;
	} else {
		walk->mapping_index = UNWIND_NOT_FOUND;
	}
	walk->mapping = walk->found;
	return true;
}

/* Makes walk->mapping the one that holds @pc. */
static __always_inline bool unwind_find_own_mapping(struct user_walk *walk, __u64 pc)
{
	struct unwind_mapping *known;
	__u32 index;

	if (pc >= walk->mapping.begin && pc < walk->mapping.end)
		return true;
	index = unwind_find_mapping(walk->process.first, walk->process.count, pc);
	walk->mapping_index = index;
	known = bpf_map_lookup_elem(&unwind_mappings, &index); /* NULL for UNWIND_NOT_FOUND too */
	if (known) {
		walk->mapping = *known;
		/* The range may be another process's by now. */
		if (walk->mapping.generation != walk->process.generation ||
		    pc < walk->mapping.begin || pc >= walk->mapping.end)
			known = 0;
		else if (walk->mapping.verified == walk->changes)
			return true;
	}
	if (!known)
		walk->mapping_index = UNWIND_NOT_FOUND;
	return unwind_ask_kernel(walk, pc, known);
}

/* @described: there is a table of the file, and it says nothing of this address. */
static __always_inline __u64 unwind_no_row(enum stack_status reason, bool described)
{
	union unwind_row_word none = {
		.row = { .kinds = UNWIND_CFA_NONE, .pc_low = reason, .fp_offset = described }
	};

	return none.word;
}

/* The row of memory that has no table, from its code. */
static __always_inline __u64 unwind_read_row(struct user_walk *walk)
{
	union unwind_row_word row = { .word = 0 };
	__u64 code = 0;

	if (bpf_probe_read_user(&code, sizeof(code), (const void *)walk->registers.pc) == 0)
		row.row = unwind_row_of_code(code);
	return row.word ?: unwind_no_row(STACK_NO_ROW, false);
}

/*
 * The row for @pc alone in this CPU's walk, which is unwind_lookup_pc() of its registers; of the
 * kind NONE, it says why there is none.
 */
__noinline __u64 unwind_look_up(__u64 pc)
{
	__u32 zero = 0, pc_low;
	struct sample_scratch *scratch_area = bpf_map_lookup_elem(&scratch, &zero);
	union unwind_row_word found;
	struct user_walk *walk;
	__u64 place;

	if (!scratch_area)
		return unwind_no_row(STACK_NO_ROW, false);
	walk = &scratch_area->walk;
	if (!unwind_find_own_mapping(walk, pc)) {
		walk->mapping_index = UNWIND_NOT_FOUND;
		return unwind_no_row(STACK_NO_MAPPING, false);
	}
	place = pc + walk->mapping.bias;
	pc_low = (__u32)place & ((1 << UNWIND_PAGE_BITS) - 1);
	place >>= UNWIND_PAGE_BITS;
	if (!walk->mapping.page_count)
		return unwind_read_row(walk);
	if (place >= walk->mapping.page_count)
		return unwind_no_row(STACK_NO_ROW, true);
	found.word = unwind_find_row(walk->mapping.first_page + (__u32)place, pc_low);
	if (!found.word)
		return unwind_no_row(STACK_NO_ROW, true);
	found.row = unwind_row_for(found.row, pc, pc_low - found.row.pc_low);
	return found.word;
}

/* Whether the mapping that the agent has told as @index is still the process's. */
static __always_inline bool unwind_mapping_is_true(struct user_walk *walk, __u32 index)
{
	const struct unwind_mapping *mapping;

	if (index == walk->true_mapping)
		return true;
	mapping = bpf_map_lookup_elem(&unwind_mappings, &index);
	if (!mapping || mapping->generation != walk->process.generation ||
	    mapping->verified != walk->changes)
		return false;
	walk->true_mapping = index;
	return true;
}

/*
 * Whether @row will hold at the next sample too. Of code made at run time, what somebody has called
 * from is there to be returned to; what was interrupted may be other code by then.
 */
static __always_inline bool unwind_row_lasts(const struct user_walk *walk, struct unwind_row row)
{
	return walk->mapping.page_count || walk->registers.pc_is_return ||
	       (row.kinds & 15) == UNWIND_CFA_NONE;
}

/* What unwind_look_up() says, from memory if possible. */
static __always_inline struct unwind_row unwind_find(struct user_walk *walk, __u64 pc)
{
	__u32 generation = walk->process.generation;
	/* The golden ratio's digits: neighbours come to lie far from each other. */
	__u64 hash = (pc + generation) * 0x9e3779b97f4a7c15;
	__u32 index = walk->first_found + (hash >> (64 - UNWIND_FOUND_BITS));
	struct unwind_found *found = bpf_map_lookup_elem(&unwind_found, &index);
	union unwind_row_word row;

	if (found && found->pc == pc && found->generation == generation && generation &&
	    unwind_mapping_is_true(walk, found->mapping))
		return found->row.row;
	row.word = unwind_look_up(pc);
	if (found && walk->mapping_index != UNWIND_NOT_FOUND && unwind_row_lasts(walk, row.row)) {
		found->pc = pc;
		found->row = row;
		found->generation = generation;
		found->mapping = walk->mapping_index;
	}
	return row.row;
}

/* Where tables do not help: @reason is why. @described: the file has one, without a row here. */
__noinline __u32 unwind_without_row(__u32 reason, __u32 described)
{
	__u32 zero = 0, status;
	struct sample_scratch *scratch_area = bpf_map_lookup_elem(&scratch, &zero);
	struct user_walk *walk;

	if (!scratch_area)
		return reason;
	walk = &scratch_area->walk;
	status = unwind_guess(&walk->registers, &walk->memory);
	if (status == STACK_NONE) {
		walk->was_guessed = 1;
		walk->any_guessed = 1;
		walk->guess_reason = reason;
		return STACK_NONE;
	}
	if (status == STACK_NO_ROW)
		return reason;
	if (walk->any_guessed || !walk->registers.pc_is_return)
		return STACK_FRAME_POINTERS;
	/* FP is 0. Only of code that no row covers is that a sign: in a program without frame pointers it is 0 all along. */
	return described ? STACK_COMPLETE : reason;
}

/* Writes one frame and moves to its caller. True: the walk is over. */
static __always_inline bool unwind_frame(struct sample_scratch *scratch_area)
{
	struct user_walk *walk = &scratch_area->walk;
	struct unwind_row row = unwind_find(walk, unwind_lookup_pc(&walk->registers));
	bool found = (row.kinds & 15) != UNWIND_CFA_NONE;
	enum stack_status status = found ? STACK_NONE : row.pc_low;
	__u32 next = walk->next;

	if (walk->was_guessed && status == STACK_NO_MAPPING) {
		walk->status = walk->guess_reason; /* what was taken for a frame was none */
		return true;
	}
	walk->was_guessed = 0;
	if (next >= walk->end || next >= SAMPLE_SCRATCH_WORDS)
		return true;
	scratch_area->words[next] = walk->registers.pc;
	walk->next = next + 1;

	if (found)
		status = unwind_step(row, &walk->registers, &walk->memory);
	if (status == STACK_NO_ROW || status == STACK_NO_MAPPING || status == STACK_UNSUPPORTED)
		status = unwind_without_row(status,
					    status == STACK_NO_ROW && (found || row.fp_offset));
	if (status == STACK_NONE && !walk->registers.pc)
		status = walk->any_guessed ? STACK_FRAME_POINTERS : STACK_COMPLETE;
	walk->status = status;
	return status != STACK_NONE;
}

/*
 * Some frames: to be called for each would take as long as the frame itself. A global function, which
 * the verifier looks at once and not for each call.
 */
__noinline int unwind_frames(__u32 zero)
{
	struct sample_scratch *scratch_area = bpf_map_lookup_elem(&scratch, &zero);

	if (!scratch_area)
		return true;
	/* 64 bits: the verifier loses sight of two halves of a word that are spilled apart. */
	for (__u64 i = 0; i < UNWIND_CALL_FRAMES; i++)
		if (unwind_frame(scratch_area))
			return true;
	return false;
}

static long unwind_frames_callback(__u32 index, void *context)
{
	return unwind_frames(0) != 0;
}

/*
 * Whether the agent has given tables for this very process. An element may be given to another
 * process while it is copied: then its pid was another one before or after.
 */
static __always_inline bool unwind_find_uploaded(struct sample_scratch *scratch_area)
{
	struct unwind_process *copy = &scratch_area->walk.process;
	__u32 pid = scratch_area->event.pid;
	const volatile struct unwind_process *process =
		bpf_map_lookup_elem(&unwind_processes, &pid);

	if (!process || process->pid != pid)
		return false;
	copy->start_ns = process->start_ns;
	copy->first = process->first;
	copy->count = process->count;
	copy->generation = process->generation;
	copy->pid = process->pid;
	return copy->pid == pid && copy->start_ns == scratch_area->event.process_start_ns &&
	       copy->generation;
}

/* Whether the process can be walked by tables: it was uploaded, or the kernel can be asked. */
static __always_inline bool unwind_find_process(struct sample_scratch *scratch_area)
{
	if (unwind_find_uploaded(scratch_area))
		return true;
	scratch_area->walk.process.count = 0;
	scratch_area->walk.process.generation = 0;
	return vma_is_supported();
}

/*
 * The thread's registers in user mode, as they were saved at the entry to the kernel, by whatever
 * way. False for code of 32 bits, which no table describes.
 */
static __always_inline bool unwind_user_registers(struct task_struct *task,
						  struct unwind_registers *ret_registers)
{
	struct pt_regs___kernel *registers = (void *)bpf_task_pt_regs(task);
	__u16 cs = 0; /* 16 bits on newer kernels, 64 on older ones: the low ones are the same */

	bpf_core_read(&cs, sizeof(cs), &registers->cs);
	if (cs == USER_32_CS)
		return false;
	ret_registers->pc = registers->ip;
	ret_registers->sp = registers->sp;
	ret_registers->fp = registers->bp;
	ret_registers->pc_is_return = 0;
	ret_registers->fp_is_unknown = 0;
	return true;
}

/*
 * Walks from @first_word of the scratch area on, leaf first.
 *
 * @plain: without bpf_loop(), which kernels before 5.17 don't have.
 */
static __always_inline struct stack_walk unwind_user_stack(struct task_struct *task,
							   struct sample_scratch *scratch_area,
							   __u32 first_word, bool plain)
{
	struct stack_walk outcome = { .status = STACK_UNSUPPORTED };
	struct user_walk *walk = &scratch_area->walk;

	if (!unwind_user_registers(task, &walk->registers))
		return outcome;
	walk->memory.begin = UNWIND_BLOCK_NONE;
	walk->mapping.end = 0;
	walk->true_mapping = UNWIND_NOT_FOUND;
	walk->first_found = scratch_area->event.cpu * UNWIND_FOUND_ROWS;
	walk->changes = vma_changes(task);
	walk->next = first_word;
	walk->end = first_word + SAMPLE_USER_FRAMES_MAX;
	walk->status = STACK_NONE;
	walk->was_guessed = 0;
	walk->any_guessed = 0;
	if (plain) {
		for (int i = 0; i < UNWIND_CALLS; i++)
			if (unwind_frames(0))
				break;
	} else {
		bpf_loop(UNWIND_CALLS, unwind_frames_callback, 0, 0);
	}
	outcome.frame_count = walk->next - first_word;
	outcome.status = walk->status == STACK_NONE ? STACK_TRUNCATED : walk->status;
	return outcome;
}

#endif
