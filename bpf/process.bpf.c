// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Keeps what is known about processes right between two drains: a child belongs to the pid filter
 * and has its parent's unwind tables from its first instruction, however short it lives and whether
 * its parent is still there; a program that ended, or was replaced, has none.
 */
#include "kernel_types.bpf.h"
#include "maps.bpf.h"

/* Set before the load: whether children belong to a pid filter. */
const volatile bool config_filter_children = false;

static inline void inherit_filter(__u32 parent_pid, __u32 child_pid)
{
	struct sampler_counters *counters = cpu_counters();
	const __u8 inherited = 1;

	if (!bpf_map_lookup_elem(&filter_pids, &parent_pid))
		return;
	if (bpf_map_update_elem(&filter_pids, &child_pid, &inherited, BPF_ANY) && counters)
		counters->value[SAMPLER_PIDS_FULL]++;
}

/* The child maps what its parent does. */
static inline void inherit_tables(const struct task_struct *child, __u32 parent_pid,
				  __u32 child_pid)
{
	const struct unwind_process *parents = bpf_map_lookup_elem(&unwind_processes, &parent_pid);
	struct unwind_process process;

	if (!parents)
		return;
	process = *parents;
	if (process.pid != parent_pid)
		return;
	process.pid = child_pid;
	process.start_ns = BPF_CORE_READ(child, start_boottime);
	/* Full: it is walked by frame pointers until the agent knows it. */
	bpf_map_update_elem(&unwind_processes, &child_pid, &process, BPF_ANY);
}

/* TP_PROTO(struct task_struct *parent, struct task_struct *child), before the child runs. */
SEC("raw_tp/sched_process_fork")
int process_forked(struct bpf_raw_tracepoint_args *ctx)
{
	const struct task_struct *parent = (const void *)ctx->args[0];
	const struct task_struct *child = (const void *)ctx->args[1];
	__u32 parent_pid = BPF_CORE_READ(parent, tgid);
	__u32 child_pid = BPF_CORE_READ(child, tgid);

	if (parent_pid == child_pid) /* a thread */
		return 0;
	inherit_tables(child, parent_pid, child_pid);
	if (config_filter_children)
		inherit_filter(parent_pid, child_pid);
	return 0;
}

/* TP_PROTO(struct task_struct *p, ...), after the new program is in place. */
SEC("raw_tp/sched_process_exec")
int process_executed(struct bpf_raw_tracepoint_args *ctx)
{
	const struct task_struct *task = (const void *)ctx->args[0];
	__u32 pid = BPF_CORE_READ(task, tgid);

	bpf_map_delete_elem(&unwind_processes, &pid);
	return 0;
}

/* TP_PROTO(struct task_struct *p, ...): for each thread, the main one not always last. */
SEC("raw_tp/sched_process_exit")
int process_exited(struct bpf_raw_tracepoint_args *ctx)
{
	const struct task_struct *task = (const void *)ctx->args[0];
	__u32 pid = BPF_CORE_READ(task, tgid);

	if (BPF_CORE_READ(task, signal, live.counter) != 0)
		return 0;
	bpf_map_delete_elem(&filter_pids, &pid);
	bpf_map_delete_elem(&unwind_processes, &pid);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
