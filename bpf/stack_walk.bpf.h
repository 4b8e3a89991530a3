/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The walk of the two stacks of a sample. Both write frames leaf first and say how the walk ended.
 * The user's is the kernel's own walk by frame pointers; how it is done is known only here.
 */
#ifndef FLICKERSCOPE_STACK_WALK_BPF_H
#define FLICKERSCOPE_STACK_WALK_BPF_H

#include "kernel_types.bpf.h"
#include "maps.bpf.h"

/* kernel.perf_event_max_stack when it is less than ours: the kernel walks no further than that. */
const volatile __u32 config_frames_max = SAMPLE_USER_FRAMES_MAX;
const volatile bool config_unwind = false;

struct stack_walk {
	__u32 frame_count;
	enum stack_status status;
};

#include "unwind.bpf.h"

/* Addresses of the kernel have the top bit set, on x86-64 and on arm64 with any address size. */
static inline bool sample_hit_kernel(struct bpf_perf_event_data *ctx)
{
	return (__s64)PT_REGS_IP(&ctx->regs) < 0;
}

static inline struct stack_walk stack_walk_outcome(__s64 size, enum stack_status good)
{
	struct stack_walk walk = { .status = STACK_UNREADABLE };

	if (size <= 0)
		return walk;
	walk.frame_count = (__u64)size / sizeof(__u64);
	walk.status = walk.frame_count >= config_frames_max ? STACK_TRUNCATED : good;
	return walk;
}

/* @frames: room for SAMPLE_KERNEL_FRAMES_MAX. */
static inline struct stack_walk walk_kernel_stack(struct bpf_perf_event_data *ctx, __u64 *frames)
{
	struct stack_walk none = { .status = STACK_NONE };

	if (!sample_hit_kernel(ctx))
		return none;
	return stack_walk_outcome(
		bpf_get_stack(ctx, frames, SAMPLE_KERNEL_FRAMES_MAX * sizeof(*frames), 0),
		STACK_COMPLETE);
}

/*
 * Not in a kernel thread, nor at a process's end, nor in the midst of an exec: there the registers
 * are still the old program's and the memory is the new one's.
 */
static inline bool task_has_user_stack(const struct task_struct *task)
{
	/* Without any memory it reads as 0: such reads cannot fault. */
	return !(task->flags & PF_KTHREAD) & (task->mm->start_code != 0);
}

/*
 * Of a task that has one: by tables where the agent has given some, else by frame pointers, as the kernel itself does it.
 *
 * @first_word: of the scratch area, with room for SAMPLE_USER_FRAMES_MAX frames.
 */
static __always_inline struct stack_walk walk_user_stack(struct bpf_perf_event_data *ctx,
							 struct task_struct *task,
							 struct sample_scratch *scratch_area,
							 __u32 first_word, bool plain)
{
	if (config_unwind && unwind_find_process(scratch_area))
		return unwind_user_stack(task, scratch_area, first_word, plain);
	return stack_walk_outcome(bpf_get_stack(ctx, &scratch_area->words[first_word],
						SAMPLE_USER_FRAMES_MAX * sizeof(__u64),
						BPF_F_USER_STACK),
				  STACK_FRAME_POINTERS);
}

#endif
