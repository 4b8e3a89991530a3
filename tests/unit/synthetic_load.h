/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host that is busy with nothing: samples of threads that walk through call graphs made of random
 * numbers, the same in every run. For tests and benches of what comes behind the sampler.
 *
 * Each program has a graph in which a function calls eight others, the first ones most often. A
 * thread's stack returns by a few frames and calls into others from sample to sample; a CPU stays
 * with a thread for a while. So stacks share their outer frames and repeat in part, as real ones do.
 */
#ifndef FLICKERSCOPE_SYNTHETIC_LOAD_H
#define FLICKERSCOPE_SYNTHETIC_LOAD_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash_index.h"
#include "check.h"
#include "profile/profile.h"
#include "sample_abi.h"

enum synthetic_load_limits {
	SYNTHETIC_CALLEES = 8,
	SYNTHETIC_DEPTH_MAX = 48,
	SYNTHETIC_ROOT_FRAMES = 5, /* _start ... main, which a stack never returns from */
};

struct synthetic_options {
	uint32_t cpu_count;
	uint32_t frequency_hz;
	uint32_t program_count;
	uint32_t functions_per_program;
	uint32_t thread_count;
	uint32_t return_percent; /* chance of returning by one more frame before the next call */
	uint32_t switch_percent; /* chance that a CPU goes on with another thread */
};

struct synthetic_thread {
	uint32_t program;
	uint32_t depth;
	uint32_t functions[SYNTHETIC_DEPTH_MAX]; /* root first */
	uint32_t stack_ids[SYNTHETIC_DEPTH_MAX]; /* of the stack up to here, in the open segment */
	uint32_t known_depth;			 /* how many of these hold */
};

struct synthetic_load {
	struct synthetic_options options;
	uint64_t random;
	uint64_t time_ns; /* of the next sample */
	uint64_t sample_count;
	uint32_t next_cpu;
	uint32_t *thread_of_cpu;
	struct synthetic_thread *threads;
	/* Of the open segment. */
	uint32_t *thread_ids;
	uint32_t *frame_ids; /* by program and function */
};

static inline uint32_t synthetic_random(struct synthetic_load *load, uint32_t below)
{
	load->random = load->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(((load->random >> 32) * below) >> 32);
}

/* Forgets the ids: a new segment has others. */
static inline void synthetic_new_segment(struct synthetic_load *load)
{
	memset(load->thread_ids, 0, load->options.thread_count * sizeof(uint32_t));
	memset(load->frame_ids, 0,
	       (size_t)load->options.program_count * load->options.functions_per_program *
		       sizeof(uint32_t));
	for (uint32_t i = 0; i < load->options.thread_count; i++)
		load->threads[i].known_depth = 0;
}

static inline void synthetic_load_init(struct synthetic_load *load,
				       const struct synthetic_options *options,
				       uint64_t start_mono_ns)
{
	size_t functions = (size_t)options->program_count * options->functions_per_program;

	*load = (struct synthetic_load){
		.options = *options,
		.random = 42,
		.time_ns = start_mono_ns,
		.thread_of_cpu = calloc(options->cpu_count, sizeof(uint32_t)),
		.threads = calloc(options->thread_count, sizeof(struct synthetic_thread)),
		.thread_ids = calloc(options->thread_count, sizeof(uint32_t)),
		.frame_ids = calloc(functions, sizeof(uint32_t)),
	};
	if (!load->thread_of_cpu || !load->threads || !load->thread_ids || !load->frame_ids)
		check_give_up();
	for (uint32_t i = 0; i < options->thread_count; i++)
		load->threads[i].program = i % options->program_count;
	for (uint32_t cpu = 0; cpu < options->cpu_count; cpu++)
		load->thread_of_cpu[cpu] = synthetic_random(load, options->thread_count);
}

static inline void synthetic_load_free(struct synthetic_load *load)
{
	free(load->thread_of_cpu);
	free(load->threads);
	free(load->thread_ids);
	free(load->frame_ids);
}

/* What @function of @program calls in its place @callee: fixed, and found without a table. */
static inline uint32_t synthetic_callee(const struct synthetic_load *load, uint32_t program,
					uint32_t function, uint32_t callee)
{
	uint64_t mixed = ((uint64_t)program << 40 ^ (uint64_t)function << 8 ^ callee) + 1;

	mixed *= 0x9e3779b97f4a7c15u;
	mixed ^= mixed >> 29;
	mixed *= 0xbf58476d1ce4e5b9u;
	return (uint32_t)((mixed >> 32) % load->options.functions_per_program);
}

static inline void synthetic_return(struct synthetic_thread *thread, uint32_t depth)
{
	thread->depth = depth;
	if (thread->known_depth > depth)
		thread->known_depth = depth;
}

static inline void synthetic_step(struct synthetic_load *load, struct synthetic_thread *thread)
{
	uint32_t floor = SYNTHETIC_ROOT_FRAMES;

	while (thread->depth < floor) {
		thread->functions[thread->depth] = thread->depth;
		thread->depth++;
	}
	while (thread->depth > floor && synthetic_random(load, 100) < load->options.return_percent)
		synthetic_return(thread, thread->depth - 1);
	do {
		/* The product of two numbers is small more often than not: a few callees are hot. */
		uint32_t callee = synthetic_random(load, SYNTHETIC_CALLEES) *
				  synthetic_random(load, SYNTHETIC_CALLEES) / SYNTHETIC_CALLEES;

		if (thread->depth == SYNTHETIC_DEPTH_MAX)
			synthetic_return(thread, floor);
		thread->functions[thread->depth] = synthetic_callee(
			load, thread->program, thread->functions[thread->depth - 1], callee);
		thread->depth++;
	} while (synthetic_random(load, 100) < load->options.return_percent);
}

static inline int synthetic_frame(struct synthetic_load *load, struct profile *profile,
				  uint32_t program, uint32_t function, uint32_t *ret_frame_id)
{
	uint32_t *known =
		&load->frame_ids[(size_t)program * load->options.functions_per_program + function];
	uint64_t start = 0x1000 + (uint64_t)function * 208;
	char name[64], module[32];
	struct profile_frame_row row = {
		.module_key = 0x1111111111111111u * (program % 15 + 1) + program,
		.kind = function % 3 ? WIRE_FRAME_PROGRAM : WIRE_FRAME_LIBRARY,
		.module_kind = WIRE_MODULE_FILE,
		.module_name = module,
		.name = name,
		.start = start,
	};
	int r;

	if (*known) {
		*ret_frame_id = *known;
		return 0;
	}
	snprintf(module, sizeof(module), "/usr/bin/program-%u", program);
	snprintf(name, sizeof(name), "module_%u::do_%x_with_part_%u", function % 37,
		 function * 2654435761u, function);
	row.function_key = stable_key(&start, sizeof(start), row.module_key);
	r = profile_frame(profile, &row, known);
	*ret_frame_id = *known;
	return r;
}

static inline int synthetic_thread_id(struct synthetic_load *load, struct profile *profile,
				      uint32_t index, uint32_t *ret_thread_id)
{
	char comm[32], process[32];
	struct profile_thread_row row = {
		.tid = 1000 + index,
		.pid = 1000 + index % load->options.program_count,
		.process_start_ns = 123456789000 + index % load->options.program_count * 1000003,
		.comm = comm,
		.process_name = process,
		.cgroup = "/system.slice/busy.service",
	};
	int r = 0;

	snprintf(comm, sizeof(comm), "worker-%u", index % 16);
	snprintf(process, sizeof(process), "program-%u", index % load->options.program_count);
	if (!load->thread_ids[index])
		r = profile_thread(profile, &row, &load->thread_ids[index]);
	*ret_thread_id = load->thread_ids[index];
	return r;
}

/*
 * The next sample, its rows added to the profile: CPU after CPU, each at its own place within the
 * period, with a jitter of some microseconds. Returns 0 or what the profile said.
 */
static inline int synthetic_next(struct synthetic_load *load, struct profile *profile,
				 struct profile_sample *ret_sample)
{
	uint32_t cpu = load->next_cpu, stack = 0;
	struct synthetic_thread *thread;
	uint32_t thread_id;
	int r;

	if (synthetic_random(load, 100) < load->options.switch_percent)
		load->thread_of_cpu[cpu] = synthetic_random(load, load->options.thread_count);
	thread = &load->threads[load->thread_of_cpu[cpu]];
	synthetic_step(load, thread);
	r = synthetic_thread_id(load, profile, load->thread_of_cpu[cpu], &thread_id);
	stack = thread->known_depth ? thread->stack_ids[thread->known_depth - 1] : 0;
	for (uint32_t i = thread->known_depth; i < thread->depth && !r; i++) {
		uint32_t frame_id;

		r = synthetic_frame(load, profile, thread->program, thread->functions[i],
				    &frame_id);
		if (!r)
			r = profile_stack(profile, stack, frame_id, &stack);
		thread->stack_ids[i] = stack;
	}
	thread->known_depth = r ? 0 : thread->depth;
	if (r)
		return r;
	*ret_sample = (struct profile_sample){
		.time_ns = load->time_ns + synthetic_random(load, 8000),
		.cpu = cpu,
		.thread_id = thread_id,
		.stack_id = stack,
		.user_status = synthetic_random(load, 50) ? STACK_COMPLETE : STACK_NO_ROW,
		.kernel_status = STACK_NONE,
	};
	load->next_cpu = (cpu + 1) % load->options.cpu_count;
	load->time_ns += 1000000000u / load->options.frequency_hz / load->options.cpu_count;
	load->sample_count++;
	return 0;
}

#endif
