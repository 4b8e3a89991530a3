// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Keeps the pid filter right between two drains: a child belongs to it from its first instruction,
 * however short it lives and whether its parent is still there. Loaded only with a pid filter.
 */
#include "kernel_types.bpf.h"
#include "maps.bpf.h"

/* TP_PROTO(struct task_struct *parent, struct task_struct *child), before the child runs. */
SEC("raw_tp/sched_process_fork")
int process_forked(struct bpf_raw_tracepoint_args *ctx)
{
	const struct task_struct *parent = (const void *)ctx->args[0];
	const struct task_struct *child = (const void *)ctx->args[1];
	struct sampler_counters *counters = cpu_counters();
	__u32 parent_pid = BPF_CORE_READ(parent, tgid);
	__u32 child_pid = BPF_CORE_READ(child, tgid);
	const __u8 inherited = 1;

	if (parent_pid == child_pid) /* a thread */
		return 0;
	if (!bpf_map_lookup_elem(&filter_pids, &parent_pid))
		return 0;
	if (bpf_map_update_elem(&filter_pids, &child_pid, &inherited, BPF_ANY) && counters)
		counters->value[SAMPLER_PIDS_FULL]++;
	return 0;
}

/* TP_PROTO(struct task_struct *p, ...): for each thread, the main one not always last. */
SEC("raw_tp/sched_process_exit")
int process_exited(struct bpf_raw_tracepoint_args *ctx)
{
	const struct task_struct *task = (const void *)ctx->args[0];
	__u32 pid = BPF_CORE_READ(task, tgid);

	if (BPF_CORE_READ(task, signal, live.counter) == 0)
		bpf_map_delete_elem(&filter_pids, &pid);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
