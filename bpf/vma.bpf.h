/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel itself says is mapped at an address of the running process, and which file that
 * is: true at this very moment, whatever the agent has heard of so far.
 *
 * The tree of mappings is read as RCU readers read it, without its lock, which a tick's interrupt
 * could not wait for: lock_vma_under_rcu() does the same (Linux 6.4). What is read may be gone by
 * then, so every read is one that cannot fault, and a mapping counts only when it holds the address
 * and belongs to the process. Kernels before 6.1 have no such tree: there nothing is found.
 */
#ifndef FLICKERSCOPE_VMA_BPF_H
#define FLICKERSCOPE_VMA_BPF_H

#include "kernel_types.bpf.h"

enum {
	MAPLE_LEVELS_MAX = 10, /* of a tree with all the mappings that a process may have */
	MAPLE_NODE_MASK = 255, /* nodes are aligned; the low bits of a pointer to one say more */
	MAPLE_TYPE_SHIFT = 3,
	MAPLE_TYPE_MASK = 15,
	MAPLE_ARANGE_64 = 3, /* enum maple_type; types below 2 are leaves */
	MAPLE_RANGE_64 = 2,
	MAPLE_RANGE_PIVOTS = 15,
	VMA_EXEC = 4, /* VM_EXEC */
	VMA_PAGE_SHIFT = 12,
};

static inline bool vma_is_supported(void)
{
	return bpf_core_field_exists(struct mm_struct, mm_mt);
}

/*
 * A number that is another one after any change of the process's mappings, and for any other
 * process: its count of changes, spread by where it lies. 0: this kernel does not count.
 */
static inline __u32 vma_changes(struct task_struct *task)
{
	struct mm_struct *mm =
		BPF_CORE_READ(task, mm); /* a number: no pointer is calculated with */
	__u64 place = (__u64)mm * 0x9e3779b97f4a7c15ULL;
	struct mm_struct___seqcount *count = (void *)mm;

	if (bpf_core_field_exists(count->mm_lock_seq.sequence))
		return (__u32)(place >> 32) + BPF_CORE_READ(count, mm_lock_seq.sequence);
	if (bpf_core_field_exists(mm->mm_lock_seq) &&
	    bpf_core_field_size(mm->mm_lock_seq) == sizeof(int))
		return (__u32)(place >> 32) + (__u32)BPF_CORE_READ(mm, mm_lock_seq);
	return 0;
}

/* 1 when @number is below @other, else 0: the borrow of their difference, without a branch. */
static inline __u64 is_below(__u64 number, __u64 other)
{
	return ((~number & other) | (~(number ^ other) & (number - other))) >> 63;
}

/*
 * The slot of a node whose range holds @address; the last one has no pivot of its own. Without
 * branches, each of which the verifier would follow on both ways.
 */
static __always_inline __u64 maple_slot(const __u64 pivots[MAPLE_RANGE_PIVOTS], __u64 address)
{
	/* The first pivot may be 0, as the range from 0 to 0 is one; other zeros are unused. */
	__u64 beyond = is_below(pivots[0], address), slot = beyond;

	for (__u32 i = 1; i < MAPLE_RANGE_PIVOTS; i++) {
		beyond &= is_below(pivots[i] - 1, address - 1);
		slot += beyond;
	}
	return slot;
}

/*
 * What a node, or the root, says of @address: a node below it, or a leaf's entry. @entry carries the
 * node's type. A global function, which the verifier looks at once and not for each level; weak, since
 * both objects have it.
 */
__weak __noinline __u64 maple_below(__u64 entry, __u64 address)
{
	const struct maple_range_64 *range = (const void *)(entry & ~(__u64)MAPLE_NODE_MASK);
	const struct maple_arange_64 *arange = (const void *)range;
	__u64 pivots[MAPLE_RANGE_PIVOTS] = { 0 }, below = 0;
	void *const *slots;

	if ((entry >> MAPLE_TYPE_SHIFT & MAPLE_TYPE_MASK) == MAPLE_ARANGE_64) {
		bpf_core_read(pivots, sizeof(arange->pivot), &arange->pivot);
		slots = __builtin_preserve_access_index(&arange->slot[0]);
	} else {
		bpf_core_read(pivots, sizeof(range->pivot), &range->pivot);
		slots = __builtin_preserve_access_index(&range->slot[0]);
	}
	bpf_probe_read_kernel(&below, sizeof(below), slots + maple_slot(pivots, address));
	return below;
}

/* The mapping at @address, unchecked; NULL: none. */
static __always_inline struct vm_area_struct *vma_walk(struct task_struct *task, __u64 address)
{
	__u64 entry = (__u64)BPF_CORE_READ(task, mm, mm_mt.ma_root);
	bool leaf = false;

	if ((entry & 3) != 2) /* a root that is a node is marked so */
		return 0;
	for (int level = 0; level < MAPLE_LEVELS_MAX && !leaf; level++) {
		leaf = (entry >> MAPLE_TYPE_SHIFT & MAPLE_TYPE_MASK) < MAPLE_RANGE_64;
		entry = maple_below(entry, address); /* 0: it could not be read */
	}
	return leaf && !(entry & 3) ? (struct vm_area_struct *)entry : 0;
}

/* When the contents of a file last changed: any number that tells two times apart. */
static inline __u64 file_changed(struct inode *inode)
{
	__u64 seconds = 0, nanoseconds = 0;

	if (bpf_core_field_exists(inode->i_mtime_sec)) {
		seconds = BPF_CORE_READ(inode, i_mtime_sec);
		nanoseconds = BPF_CORE_READ(inode, i_mtime_nsec);
	} else if (bpf_core_field_exists(inode->__i_mtime)) {
		seconds = BPF_CORE_READ(inode, __i_mtime.tv_sec);
		nanoseconds = BPF_CORE_READ(inode, __i_mtime.tv_nsec);
	} else if (bpf_core_field_exists(inode->i_mtime)) {
		seconds = BPF_CORE_READ(inode, i_mtime.tv_sec);
		nanoseconds = BPF_CORE_READ(inode, i_mtime.tv_nsec);
	}
	return seconds << 30 ^ nanoseconds;
}

/* False: the mapping is of no file. The vDSO counts as one, whose key is all zero. */
static inline bool vma_file_key(struct task_struct *task, struct vm_area_struct *vma,
				struct file_key *ret_key)
{
	struct file *file = BPF_CORE_READ(vma, vm_file);
	struct inode *inode;

	__builtin_memset(ret_key, 0, sizeof(*ret_key));
	if (!file)
		return (__u64)BPF_CORE_READ(task, mm, context.vdso) == BPF_CORE_READ(vma, vm_start);
	inode = BPF_CORE_READ(file, f_inode);
	ret_key->inode = BPF_CORE_READ(inode, i_ino);
	ret_key->generation = BPF_CORE_READ(inode, i_generation);
	ret_key->device = BPF_CORE_READ(inode, i_sb, s_dev);
	ret_key->changed = file_changed(inode);
	return true;
}

#endif
