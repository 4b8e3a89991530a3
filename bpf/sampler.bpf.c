// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The sampler: runs at each tick of a CPU's timer, leaves out what is not asked for, walks the
 * stacks, and puts one record of the used length into the CPU's ring.
 */
#include "kernel_types.bpf.h"
#include "maps.bpf.h"
#include "stack_walk.bpf.h"

/* Set before the load: the verifier drops what is switched off. */
const volatile bool config_pid_filter = false;
const volatile __u32 config_cgroup_count = 0;
const volatile __u32 config_user_count = 0;
const volatile bool config_kernel_frames = true;
const volatile bool config_user_frames = true;
const volatile __u64 config_ring_size = 0;

enum {
	RING_RECORD_OVERHEAD = 8, /* BPF_RINGBUF_HDR_SZ */
};

/*
 * How often this CPU has gone from idle to work. Its run queue is found through the task that runs
 * on it: kernels without CONFIG_KALLSYMS_ALL don't give the address of the per-CPU variable.
 */
static inline __u64 idle_exits(struct task_struct *task)
{
	struct task_struct *idle;

	if (!bpf_core_field_exists(task->se.cfs_rq->rq))
		return 0;
	idle = task->se.cfs_rq->rq->idle;
	return idle->nvcsw + idle->nivcsw;
}

/* Whether idle_exits() tells anything on this kernel. */
static inline bool idle_exits_known(struct task_struct *task)
{
	return bpf_core_field_exists(task->se.cfs_rq->rq);
}

/*
 * Two ticks with no idle time between them tell the rate that is really reached. Ticks alone do
 * not: some kernels leave out the ticks of idle CPUs, and the next busy one looks late.
 *
 * @exits: idle_exits() of now
 *
 * Returns what is known of the time since this CPU's last sample.
 */
static inline enum sample_busy count_tick(struct sampler_counters *counters,
					  struct task_struct *task, __u64 exits, __u64 now_ns,
					  bool busy)
{
	bool never_idle = busy && counters->last_tick != SAMPLER_TICK_IDLE &&
			  counters->last_tick_idle_exits == exits;
	bool sampled = counters->last_tick == SAMPLER_TICK_SAMPLED;

	counters->value[SAMPLER_TICKS]++;
	if (!busy)
		counters->value[SAMPLER_IDLE]++;
	if (never_idle) {
		counters->value[SAMPLER_BUSY_INTERVALS]++;
		counters->value[SAMPLER_BUSY_INTERVAL_NS] += now_ns - counters->last_tick_ns;
	}
	counters->last_tick_ns = now_ns;
	counters->last_tick = busy ? SAMPLER_TICK_BUSY : SAMPLER_TICK_IDLE;
	counters->last_tick_idle_exits = exits;
	if (!idle_exits_known(task))
		return SAMPLE_BUSY_UNKNOWN;
	return never_idle && sampled ? SAMPLE_BUSY_THROUGHOUT : SAMPLE_BUSY_PARTLY;
}

static inline void count_loss(struct sampler_counters *counters, enum sampler_counter reason,
			      __u64 now_ns)
{
	counters->value[reason]++;
	counters->loss_end_ns = now_ns;
	if (!counters->loss_start_ns)
		counters->loss_start_ns = now_ns;
}

/* Whether this is the first sample of a process since its last exec. */
static inline bool process_is_new(struct sample_scratch *scratch_area, struct task_struct *task)
{
	struct process_key key = {
		.start_ns = scratch_area->event.process_start_ns,
		.exec_id = task->self_exec_id,
		.pid = scratch_area->event.pid,
	};
	const __u8 known = 1;

	if (key.start_ns == scratch_area->last_process.start_ns &&
	    key.pid == scratch_area->last_process.pid &&
	    key.exec_id == scratch_area->last_process.exec_id)
		return false;
	scratch_area->last_process = key;
	if (bpf_map_lookup_elem(&known_processes, &key))
		return false;
	bpf_map_update_elem(&known_processes, &key, &known, BPF_ANY);
	return true;
}

/*
 * Whether the walk has met a file without a table that the agent has not heard of: it is asked for
 * once until other mappings are uploaded.
 */
static inline bool mapping_is_new(struct sample_scratch *scratch_area)
{
	__u32 generation = scratch_area->walk.process.generation;
	bool misses_table = scratch_area->walk.misses_table;

	scratch_area->walk.misses_table = 0;
	if ((scratch_area->event.user_status != STACK_NO_MAPPING && !misses_table) ||
	    scratch_area->missed_generation == generation)
		return false;
	scratch_area->missed_generation = generation;
	return true;
}

/*
 * Whether a ring, now half full, should wake the agent: once for each position of the reader. Two
 * CPUs may both say yes: one wake-up too many.
 */
static inline bool ring_wants_reader(void *ring, __u32 ring_index, __u64 used)
{
	__u64 position;

	if (used < config_ring_size / 2)
		return false;
	/* For verifiers that forget a checked number of 32 bits on the stack (6.1). */
	barrier_var(ring_index);
	ring_index %= SAMPLE_RINGS_MAX;
	position = bpf_ringbuf_query(ring, BPF_RB_CONS_POS) + 1;
	if (ring_wakeup_position[ring_index] == position)
		return false;
	ring_wakeup_position[ring_index] = position;
	return true;
}

static inline void emit_sample(struct sample_scratch *scratch_area, __u64 size, bool wake,
			       struct sampler_counters *counters)
{
	__u32 ring_index = scratch_area->event.cpu / SAMPLE_RING_CPUS;
	void *ring = bpf_map_lookup_elem(&sample_rings, &ring_index);
	__u64 record_size = ((size + 7) & ~7ULL) + RING_RECORD_OVERHEAD;
	__u64 now_ns = scratch_area->event.time_ns, used;

	if (!ring || ring_index >= SAMPLE_RINGS_MAX) {
		count_loss(counters, SAMPLER_LOST_SCRATCH, now_ns);
		return;
	}
	used = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
	wake = wake || ring_wants_reader(ring, ring_index, used);
	if (bpf_ringbuf_output(ring, &scratch_area->event, size,
			       wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP) == 0) {
		counters->value[SAMPLER_EMITTED]++;
		counters->last_tick = SAMPLER_TICK_SAMPLED;
		counters->value[SAMPLER_WAKEUPS] += wake;
		return;
	}
	/* The helper gives one error for both reasons; others write and read meanwhile. */
	if (used + record_size > config_ring_size ||
	    bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) + record_size > config_ring_size)
		count_loss(counters, SAMPLER_LOST_RING_FULL, now_ns);
	else
		count_loss(counters, SAMPLER_LOST_RING_BUSY, now_ns);
}

/* Walks both stacks into the scratch area and returns the size of the whole sample. */
static __always_inline __u64 walk_stacks(struct bpf_perf_event_data *ctx, struct task_struct *task,
					 bool has_user_stack, struct sample_scratch *scratch_area,
					 bool plain)
{
	struct sample_event *event = &scratch_area->event;
	struct stack_walk kernel = { .status = STACK_NONE }, user = { .status = STACK_NONE };

	if (config_kernel_frames)
		kernel = walk_kernel_stack(ctx, event->frames);
	/* For the verifier: the user's frames start at most this far into the array. */
	kernel.frame_count &= SAMPLE_KERNEL_FRAMES_MAX;
	if (config_user_frames && has_user_stack)
		user = walk_user_stack(ctx, task, scratch_area,
				       SAMPLE_HEAD_WORDS + kernel.frame_count, plain);
	user.frame_count &= SAMPLE_USER_FRAMES_MAX;

	event->kernel_frame_count = kernel.frame_count;
	event->kernel_status = kernel.status;
	event->user_frame_count = user.frame_count;
	event->user_status = user.status;
	return sizeof(*event) + (kernel.frame_count + user.frame_count) * sizeof(__u64);
}

/* Whether the running task is in one of the cgroups, or below it. */
static __always_inline bool in_cgroup(void)
{
	for (__u32 i = 0; i < config_cgroup_count && i < SAMPLE_CGROUPS_MAX; i++) {
		__u64 id = filter.cgroups[i].id;

		if (id && bpf_get_current_ancestor_cgroup_id((int)filter.cgroups[i].level) == id)
			return true;
	}
	return false;
}

static __always_inline bool is_of_user(void)
{
	__u32 user = (__u32)bpf_get_current_uid_gid();

	for (__u32 i = 0; i < config_user_count && i < SAMPLE_USERS_MAX; i++)
		if (filter.users[i] == user)
			return true;
	return false;
}

static __always_inline bool is_asked_for(__u32 pid)
{
	return (!config_pid_filter || bpf_map_lookup_elem(&filter_pids, &pid)) &&
	       (!config_cgroup_count || in_cgroup()) && (!config_user_count || is_of_user());
}

static __always_inline int take_sample(struct bpf_perf_event_data *ctx, bool plain)
{
	__u64 now_ns = bpf_ktime_get_ns();
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct sampler_counters *counters = cpu_counters();
	struct sample_scratch *scratch_area;
	struct sample_event *event;
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 zero = 0, pid = pid_tgid >> 32;
	__u64 size;
	bool wake;
	enum sample_busy since_last;
	/*
	 * What is read by pointers of the task comes first, where all ways begin: newer verifiers search
	 * the kernel's types for each such pointer on each way that leads to it, 1 ms each time.
	 */
	__u64 process_start_ns = task->group_leader->start_boottime;
	__u64 exits = idle_exits(task);
	__u64 has_user_stack = task_has_user_stack(task);

	barrier_var(process_start_ns);
	barrier_var(exits);
	barrier_var(has_user_stack);
	if (!counters)
		return 0;
	/* Only the idle threads have pid 0. */
	since_last = count_tick(counters, task, exits, now_ns, pid_tgid != 0);
	if (!pid_tgid)
		return 0;
	if (!is_asked_for(pid)) {
		counters->value[SAMPLER_FILTERED]++;
		return 0;
	}
	scratch_area = bpf_map_lookup_elem(&scratch, &zero);
	if (!scratch_area) {
		count_loss(counters, SAMPLER_LOST_SCRATCH, now_ns);
		return 0;
	}

	event = &scratch_area->event;
	event->time_ns = now_ns;
	event->process_start_ns = process_start_ns;
	event->cgroup_id = bpf_get_current_cgroup_id();
	event->pid = pid;
	event->tid = (__u32)pid_tgid;
	event->cpu = bpf_get_smp_processor_id();
	event->busy = since_last;
	event->reserved = 0;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	size = walk_stacks(ctx, task, has_user_stack, scratch_area, plain);
	wake = process_is_new(scratch_area, task) || mapping_is_new(scratch_area);
	emit_sample(scratch_area, size, wake, counters);
	return 0;
}

/* Loaded where the kernel has bpf_loop(), which costs the verifier least. */
SEC("perf_event")
int sample_cpu(struct bpf_perf_event_data *ctx)
{
	return take_sample(ctx, false);
}

SEC("perf_event")
int sample_cpu_plain(struct bpf_perf_event_data *ctx)
{
	return take_sample(ctx, true);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
