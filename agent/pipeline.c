/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/clock.h"
#include "base/hash_index.h"
#include "base/log.h"
#include "base/loop.h"
#include "collect/rate_governor.h"
#include "collect/unwind_tables.h"
#include "collect/unwinder.h"
#include "privileged/privileged_process.h"
#include "privileged/process_files.h"
#include "process/process_table.h"
#include "profile/chunk.h"
#include "profile/id_cache.h"
#include "profile/profile.h"
#include "profile/sample_window.h"
#include "profile/timeline.h"
#include "sample_abi.h"
#include "serve/server.h"
#include "stream/capture_writer.h"
#include "stream/record_encoder.h"
#include "symbolize/debuginfod.h"
#include "symbolize/symbolizer.h"
#include "worker/worker.h"

struct pipeline {
	struct loop *loop; /* borrowed */

	/* The stages, in the order in which a sample passes them. */
	struct sampler_session *session;
	struct worker *worker; /* for names */
	struct worker
		*unwind_worker; /* a stack that was cut cannot be mended: never behind names */
	struct worker *unwind_large_worker; /* ... nor behind tables of large files */
	struct worker *fetch_worker;	    /* for debuginfod, which is slow; NULL: not asked for */
	struct debuginfod *debuginfod;
	struct worker *debug_worker; /* takes seconds for a large file: nobody waits behind it */
	struct privileged_process *privileged;
	int memory_fd; /* /proc/self/statm */
	struct process_files *process_files;
	struct process_table *processes;
	struct unwinder *unwinder; /* gives the kernel what the next samples' stacks need */
	struct symbolizer *symbolizer;
	struct profile *profile;
	struct record_encoder *encoder;
	struct sample_window *window;
	struct server *server;	       /* borrowed, may be NULL */
	struct capture_writer *writer; /* borrowed, may be NULL */

	/* Ids of the open segment that were given before, by what the kernel said. */
	struct id_cache stack_ids;
	struct id_cache thread_ids;

	struct timeline timeline;
	struct loop_source *drain_timer;
	bool watched; /* the drain timer is set for somebody who looks */
	struct loop_source *session_source;
	uint64_t source_generation; /* of the symbolizer, that the stacks in the cache are of */
	uint64_t instance_id;
	uint64_t start_ns;
	uint64_t drained_ns; /* every event before this has been taken from the kernel */
	uint64_t written_ns; /* when the last chunk was written */
	uint64_t second_ns;  /* when what is done once a second is due */
	uint64_t seen_count; /* samples with user code */
	uint64_t segment_start_ns;
	uint64_t segment_span_ns; /* how long a segment may become */
	uint64_t lost_overload;
	uint64_t lost_samples;
	struct sampler_options sampler;
	struct rate_governor governor; /* its rate is the one that holds */
	char *filter;
	char *title;
	char host[256];
	char kernel[256];

	/* Room for the names of the frame in hand. */
	char name[WIRE_STRING_SIZE_MAX + 1];
	char module_name[WIRE_STRING_SIZE_MAX + 1];
	char file_name[WIRE_STRING_SIZE_MAX + 1];
};

_Static_assert((int)STACK_COMPLETE == (int)WIRE_STACK_COMPLETE &&
		       (int)STACK_FRAME_POINTERS == (int)WIRE_STACK_FRAME_POINTERS &&
		       (int)STACK_TRUNCATED == (int)WIRE_STACK_TRUNCATED &&
		       (int)STACK_UNREADABLE == (int)WIRE_STACK_UNREADABLE &&
		       (int)STACK_NO_MAPPING == (int)WIRE_STACK_NO_MAPPING &&
		       (int)STACK_NO_ROW == (int)WIRE_STACK_NO_ROW &&
		       (int)STACK_UNSUPPORTED == (int)WIRE_STACK_UNSUPPORTED,
	       "passed on as they are");
_Static_assert((int)SAMPLE_BUSY_PARTLY == (int)WIRE_BUSY_PARTLY &&
		       (int)SAMPLE_BUSY_THROUGHOUT == (int)WIRE_BUSY_THROUGHOUT,
	       "passed on as they are");

/*
 * Both clocks at one moment, to a millisecond: on a crowded machine much may come in between. Returns
 * false when they could not be read so; then they are written nevertheless.
 */
static bool read_clocks(uint64_t *ret_mono_ns, uint64_t *ret_wall_ns)
{
	for (int i = 0; i < PIPELINE_CLOCK_TRIES; i++) {
		*ret_mono_ns = monotonic_ns();
		*ret_wall_ns = clock_now_ns(CLOCK_REALTIME);
		if (monotonic_ns() - *ret_mono_ns < NS_PER_MS)
			return true;
	}
	return false;
}

/* --- segments ---------------------------------------------------------------------------------- */

static void open_segment(struct pipeline *pipeline, uint64_t start_ns)
{
	const uint32_t *cpus;
	struct segment_start start = {
		.start_us = timeline_us(&pipeline->timeline, start_ns),
		.start_mono_ns = start_ns,
		.wall_shift_s = pipeline->timeline.wall_shift_s,
		.frequency_mhz = pipeline->governor.rate_hz * 1000,
		.cpu_count = (uint32_t)sampler_session_cpus(pipeline->session, &cpus),
		.event = WIRE_EVENT_CPU_CLOCK,
		.meta = {
			[WIRE_META_HOST] = pipeline->host,
			[WIRE_META_KERNEL] = pipeline->kernel,
			[WIRE_META_VERSION] = FLICKERSCOPE_VERSION,
			[WIRE_META_EVENT] = "cpu-clock",
			[WIRE_META_FILTER] = pipeline->filter,
			[WIRE_META_TITLE] = pipeline->title,
		},
	};

	/* Ids are a segment's own: what was remembered of the last one is void. */
	id_cache_clear(&pipeline->stack_ids);
	id_cache_clear(&pipeline->thread_ids);
	pipeline->segment_start_ns = start_ns;
	if (record_encoder_open(pipeline->encoder, &start) < 0)
		log_error("no memory for the next segment");
}

static void next_segment(struct pipeline *pipeline, uint64_t start_ns)
{
	record_encoder_close(pipeline->encoder, start_ns);
	open_segment(pipeline, start_ns);
}

/* The last step of every sample: its chunk goes to the window, the file and the pages. */
static void pass_chunk(struct chunk *chunk, void *context)
{
	struct pipeline *pipeline = context;

	/* Nobody looks at the window of a recording. */
	if (sample_window_add(pipeline->window, chunk) != 0 && pipeline->server)
		pipeline->lost_overload += chunk->sample_count;
	if (pipeline->writer)
		capture_writer_add(pipeline->writer, chunk);
	if (pipeline->server)
		server_wake(pipeline->server);
}

/* --- one sample -------------------------------------------------------------------------------- */

/* Names stand in tables without a zero behind them; a longer one than the wire's limit is cut. */
static const char *terminate(const char *name, uint32_t size, char buffer[WIRE_STRING_SIZE_MAX + 1])
{
	if (!name)
		return NULL;
	if (size > WIRE_STRING_SIZE_MAX)
		size = WIRE_STRING_SIZE_MAX;
	memcpy(buffer, name, size);
	buffer[size] = 0;
	return buffer;
}

/* The names are zero-terminated in the pipeline's room for them, until the next call. */
static struct profile_frame_row describe_row(struct pipeline *pipeline,
					     const struct frame_description *frame)
{
	return (struct profile_frame_row){
		.function_key = frame->function_key,
		.module_key = frame->module_key,
		.kind = frame->kind,
		.module_kind = frame->module_kind,
		.name = terminate(frame->name, frame->name_size, pipeline->name),
		.module_name = terminate(frame->module_name, frame->module_name_size,
					 pipeline->module_name),
		.file = terminate(frame->file, frame->file_size, pipeline->file_name),
		.line = frame->line,
		.start = frame->start,
	};
}

/* Puts the frames of one address on top of the stack *stack_id, the outermost first. */
static int push_frames(struct pipeline *pipeline, const struct frame_description *frames,
		       unsigned int frame_count, uint32_t *stack_id)
{
	while (frame_count--) {
		const struct frame_description *frame = &frames[frame_count];
		struct profile_frame_row row = describe_row(pipeline, frame);
		uint32_t frame_id;
		int r = profile_frame(pipeline->profile, &row, &frame_id);

		if (r)
			return r;
		r = profile_stack(pipeline->profile, *stack_id, frame_id, stack_id);
		if (r)
			return r;
	}
	return 0;
}

/* One address of a stack, counted from the thread's first function to the one that ran. */
struct stack_address {
	uint64_t address;
	bool kernel;
	bool returns; /* it follows a call; false for what was executed itself */
};

static struct stack_address stack_address(const struct sample_event *event, unsigned int depth)
{
	unsigned int user_count = event->user_frame_count, kernel_count = event->kernel_frame_count;
	bool kernel = depth >= user_count;
	unsigned int from_leaf = kernel ? kernel_count - 1 - (depth - user_count)
					: user_count - 1 - depth;

	return (struct stack_address){
		.address = event->frames[kernel ? from_leaf : kernel_count + from_leaf],
		.kernel = kernel,
		.returns = from_leaf > 0,
	};
}

static int name_address(struct pipeline *pipeline, struct process *process,
			const struct stack_address *at, uint32_t *stack_id)
{
	struct frame_description frames[SYMBOLIZER_FRAMES_MAX];
	unsigned int count = at->kernel
				     ? symbolizer_kernel(pipeline->symbolizer, at->address,
							 at->returns, frames, SYMBOLIZER_FRAMES_MAX)
				     : symbolizer_user(pipeline->symbolizer, process, at->address,
						       at->returns, frames, SYMBOLIZER_FRAMES_MAX);

	return push_frames(pipeline, frames, count, stack_id);
}

/*
 * Names a stack that is new as a whole. Each of its beginnings is remembered by its hash, since stacks
 * mostly differ at the leaf: only the addresses above the longest known beginning are named.
 */
static int name_stack(struct pipeline *pipeline, const struct sample_event *event,
		      struct process *process, uint64_t hash, uint32_t *ret_stack_id)
{
	uint64_t hashes[SAMPLE_KERNEL_FRAMES_MAX + SAMPLE_USER_FRAMES_MAX + 1];
	unsigned int count = event->user_frame_count + event->kernel_frame_count, known;
	uint32_t stack_id = 0;

	hashes[0] = hash;
	for (unsigned int depth = 0; depth < count; depth++) {
		struct stack_address at = stack_address(event, depth);

		hashes[depth + 1] = hash_next(hashes[depth], at.address << 1 | at.returns);
	}
	for (known = count; known > 0; known--) {
		stack_id = id_cache_find(&pipeline->stack_ids, hashes[known]);
		if (stack_id)
			break;
	}
	symbolizer_set_time(pipeline->symbolizer, event->time_ns);
	for (unsigned int depth = known; depth < count; depth++) {
		struct stack_address at = stack_address(event, depth);
		int r = name_address(pipeline, process, &at, &stack_id);

		if (r == PROFILE_STACK_TOO_DEEP)
			break; /* what fits is kept: the outermost frames */
		if (r)
			return r;
		id_cache_put(&pipeline->stack_ids, hashes[depth + 1], stack_id);
	}
	*ret_stack_id = stack_id;
	return 0;
}

/* The id of the sample's stack: most are known as a whole, by one hash of all their addresses. */
static int find_stack(struct pipeline *pipeline, const struct sample_event *event,
		      struct process *process, uint32_t *ret_stack_id)
{
	unsigned int user_count = event->user_frame_count, kernel_count = event->kernel_frame_count;
	size_t size = (user_count + kernel_count) * sizeof(event->frames[0]);
	uint64_t hash = hash_next(hash_next(hash_u64(process->id), process->generation),
				  process->code_generation);
	uint64_t whole = hash_next(hash_next(hash, (uint64_t)user_count << 8 | kernel_count),
				   hash_bytes(event->frames, size));
	int r;

	*ret_stack_id = id_cache_find(&pipeline->stack_ids, whole);
	if (*ret_stack_id)
		return 0;
	r = name_stack(pipeline, event, process, hash, ret_stack_id);
	if (r == 0)
		id_cache_put(&pipeline->stack_ids, whole, *ret_stack_id);
	return r;
}

/* The id of the sample's thread; any change of what is known about it makes a new row. */
static int find_thread(struct pipeline *pipeline, const struct sample_event *event,
		       struct process *process, uint32_t *ret_thread_id)
{
	struct {
		uint64_t process_start_ns, cgroup_id;
		uint32_t pid, tid;
		char comm[SAMPLE_COMM_SIZE], process_name[PROCESS_COMM_SIZE];
	} key = { .process_start_ns = event->process_start_ns,
		  .cgroup_id = event->cgroup_id,
		  .pid = event->pid,
		  .tid = event->tid };
	struct profile_thread_row row;
	struct process_cgroup cgroup;
	uint64_t hash;
	int r;

	/* The kernel pads names with what was there before: only up to the zero counts. */
	memccpy(key.comm, event->comm, 0, sizeof(key.comm) - 1);
	/* A process that was gone before anything was read of it has but the thread's name. */
	memccpy(key.process_name, process->comm[0] ? process->comm : event->comm, 0,
		sizeof(key.process_name) - 1);
	hash = hash_bytes(&key, sizeof(key));
	*ret_thread_id = id_cache_find(&pipeline->thread_ids, hash);
	if (*ret_thread_id)
		return 0;

	cgroup = process_table_cgroup(pipeline->processes, process, event->cgroup_id);
	row = (struct profile_thread_row){
		.tid = event->tid,
		.pid = event->pid,
		.process_start_ns = event->process_start_ns,
		.comm = key.comm,
		.process_name = key.process_name,
		.cgroup = cgroup.path,
		.container = cgroup.container,
	};
	r = profile_thread(pipeline->profile, &row, ret_thread_id);
	if (r)
		return r;
	id_cache_put(&pipeline->thread_ids, hash, *ret_thread_id);
	return 0;
}

static int add_sample(struct pipeline *pipeline, const struct sample_event *event,
		      struct process *process)
{
	struct profile_sample sample = {
		.time_ns = event->time_ns,
		.cpu = event->cpu,
		.user_status = event->user_status,
		.kernel_status = event->kernel_status,
		.busy = event->busy,
	};
	int r = find_stack(pipeline, event, process, &sample.stack_id);

	if (r)
		return r;
	r = find_thread(pipeline, event, process, &sample.thread_id);
	if (r)
		return r;
	return profile_sample(pipeline->profile, &sample);
}

/* Where CPU time goes, by some of the samples: each stands for those that are left out. */
static void see_user_code(struct pipeline *pipeline, const struct sample_event *event,
			  struct process *process)
{
	unwinder_see(pipeline->unwinder, process, event->time_ns);
	if (event->user_frame_count && pipeline->seen_count++ % PIPELINE_SEEN_SAMPLES == 0)
		symbolizer_see(pipeline->symbolizer, process,
			       event->frames[event->kernel_frame_count],
			       PIPELINE_SEEN_SAMPLES * NS_PER_S / pipeline->governor.rate_hz);
}

static void on_sample(void *context, const struct sample_event *event)
{
	struct pipeline *pipeline = context;
	struct process *process =
		process_table_find(pipeline->processes, event->pid, event->process_start_ns);
	int r = -ENOMEM;

	if (process) {
		if (event->user_status != STACK_NONE)
			see_user_code(pipeline, event, process);
		r = add_sample(pipeline, event, process);
	}
	if (r == PROFILE_FULL) {
		next_segment(pipeline, event->time_ns);
		r = add_sample(pipeline, event, process);
	}
	if (r)
		pipeline->lost_overload++;
	else if (profile_should_flush(pipeline->profile))
		record_encoder_flush(pipeline->encoder, event->time_ns);
}

/* --- what else the kernel tells ---------------------------------------------------------------- */

static void map_file(struct pipeline *pipeline, const struct side_band_event *event)
{
	const struct side_band_mapping *mapping = &event->mapping;
	struct process_mmap mmap = {
		.time_ns = event->time_ns,
		.pid = event->pid,
		.tid = event->tid,
		.address = mapping->address,
		.length = mapping->length,
		.file_offset = mapping->file_offset,
		.identity = {
			.inode = mapping->inode,
			.inode_generation = mapping->inode_generation,
			.device_major = mapping->device_major,
			.device_minor = mapping->device_minor,
			.build_id_size = mapping->build_id_size,
		},
		.path = event->name,
		.executable = mapping->executable,
	};

	_Static_assert(sizeof(mmap.identity.build_id) == sizeof(mapping->build_id), "same size");
	memcpy(mmap.identity.build_id, mapping->build_id, sizeof(mapping->build_id));
	process_table_mmap(pipeline->processes, &mmap);
}

static void on_process_event(void *context, const struct side_band_event *event)
{
	struct pipeline *pipeline = context;
	struct process_table *processes = pipeline->processes;

	switch (event->kind) {
	case SIDE_BAND_FORK:
		process_table_fork(processes, event->parent_pid, event->pid, event->time_ns);
		break;
	case SIDE_BAND_EXEC:
		process_table_exec(processes, event->pid, event->name, event->time_ns);
		break;
	case SIDE_BAND_COMM:
		process_table_comm(processes, event->pid, event->tid, event->name);
		break;
	case SIDE_BAND_MMAP:
		map_file(pipeline, event);
		break;
	case SIDE_BAND_EXIT:
		process_table_exit(processes, event->pid, event->tid, event->time_ns);
		break;
	case SIDE_BAND_LOST:
		process_table_lost(processes);
		break;
	}
}

/* Samples that never came are a gap in time, and a number that the page shows. */
static void on_lost(void *context, const struct sampler_loss *loss)
{
	struct pipeline *pipeline = context;

	pipeline->lost_samples += loss->count;
	record_encoder_add_gap(pipeline->encoder, loss->start_ns, loss->end_ns,
			       loss->reason == SAMPLER_LOST_RING_FULL ? WIRE_GAP_RING_FULL
								      : WIRE_GAP_RING_BUSY,
			       loss->count);
}

/* --- ticks ------------------------------------------------------------------------------------- */

/* Names that arrived since the last tick go into the open segment; readers apply them backwards. */
static int add_late_name(struct pipeline *pipeline, const struct late_name *name)
{
	if (name->function) {
		struct profile_frame_row row = describe_row(pipeline, name->function);
		uint32_t function_id;
		int r = profile_function(pipeline->profile, &row, &function_id);

		if (r)
			return r;
	}
	return record_encoder_add_late_name(pipeline->encoder, name->key, name->canonical_key,
					    terminate(name->name, name->name_size, pipeline->name));
}

static void add_late_names(struct pipeline *pipeline)
{
	struct late_name name;

	while (symbolizer_next_late_name(pipeline->symbolizer, &name)) {
		if (add_late_name(pipeline, &name) != PROFILE_FULL)
			continue;
		next_segment(pipeline, pipeline->drained_ns);
		add_late_name(pipeline, &name);
	}
}

/*
 * Whether the window or the file is without a chunk of the open segment, for want of memory: nothing that
 * follows it could be read, so pages and the file would have nothing more until the segment's end.
 */
static bool is_cut(const struct pipeline *pipeline)
{
	return sample_window_open(pipeline->window) != record_encoder_segment(pipeline->encoder) ||
	       (pipeline->writer && capture_writer_wants_segment(pipeline->writer));
}

static void write_chunks(struct pipeline *pipeline, uint64_t now_ns)
{
	record_encoder_flush(pipeline->encoder, pipeline->drained_ns);
	pipeline->written_ns = now_ns;
	if (is_cut(pipeline) ||
	    record_encoder_should_close(pipeline->encoder, pipeline->drained_ns) ||
	    pipeline->drained_ns - pipeline->segment_start_ns >= pipeline->segment_span_ns)
		next_segment(pipeline, pipeline->drained_ns);
}

static struct sampler_sink sink_of(struct pipeline *pipeline)
{
	return (struct sampler_sink){
		.context = pipeline,
		.sample = on_sample,
		.process_event = on_process_event,
		.lost = on_lost,
	};
}

/* Stacks that are known would never get the inlined functions that have come meanwhile. */
static void forget_old_stacks(struct pipeline *pipeline)
{
	uint64_t generation = symbolizer_generation(pipeline->symbolizer);

	if (generation == pipeline->source_generation)
		return;
	pipeline->source_generation = generation;
	id_cache_clear(&pipeline->stack_ids);
}

static void drain(struct pipeline *pipeline)
{
	const struct sampler_sink sink = sink_of(pipeline);
	uint64_t drained_ns;

	forget_old_stacks(pipeline);
	/* Sampling begins before the first segment is opened: on a slow machine the first drain may end before that. */
	drained_ns = sampler_session_drain(pipeline->session, &sink);
	if (drained_ns > pipeline->drained_ns)
		pipeline->drained_ns = drained_ns;
	unwinder_update(pipeline->unwinder);
}

/* Each drain costs more than what it handles, and so does a timer that comes for nothing: see tests/bench/README.md. */
static void set_pace(struct pipeline *pipeline, bool watched)
{
	uint64_t interval_ms = watched ? PIPELINE_DRAIN_INTERVAL_MS
				       : PIPELINE_UNWATCHED_INTERVAL_MS;

	if (pipeline->watched != watched &&
	    loop_timer_set(pipeline->drain_timer, interval_ms * NS_PER_MS) == 0)
		pipeline->watched = watched;
}

void pipeline_watch(struct pipeline *pipeline)
{
	set_pace(pipeline, true);
}

static uint64_t cpu_us_of_self(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static uint64_t resident_bytes(const struct pipeline *pipeline)
{
	char text[128] = "";
	unsigned long total = 0, resident = 0;

	if (pread(pipeline->memory_fd, text, sizeof(text) - 1, 0) <= 0 ||
	    sscanf(text, "%lu %lu", &total, &resident) != 2)
		return 0;
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Samples for which there was no room, in a table of ours or in memory. */
static uint64_t samples_without_room(const struct pipeline *pipeline)
{
	return pipeline->lost_overload + record_encoder_counters(pipeline->encoder).samples_lost;
}

/* Every counter that the page shows, joined with where it comes from. */
void pipeline_counters(const struct pipeline *pipeline, uint64_t *values)
{
	const struct symbolizer_counters *names = symbolizer_counters(pipeline->symbolizer);
	const struct process_table_counters *processes =
		process_table_counters(pipeline->processes);
	const struct unwinder_counters *unwinder = unwinder_counters(pipeline->unwinder);
	const struct worker_counters *worker = worker_counters(pipeline->worker);
	const struct worker_counters *unwind_worker = worker_counters(pipeline->unwind_worker);
	const struct worker_counters *unwind_large_worker =
		worker_counters(pipeline->unwind_large_worker);
	const struct worker_counters *debug_worker = worker_counters(pipeline->debug_worker);
	struct server_counters server = { 0 };
	struct capture_writer_status file = { 0 };
	struct sampler_session_statistics session;
	uint64_t kernel[SAMPLER_COUNTER_COUNT], bpf_ns = 0, bpf_runs = 0;

	sampler_session_counters(pipeline->session, kernel);
	sampler_session_statistics(pipeline->session, &session);
	sampler_session_run_time(pipeline->session, &bpf_ns, &bpf_runs);
	if (pipeline->server)
		server = server_counters(pipeline->server);
	if (pipeline->writer)
		file = capture_writer_status(pipeline->writer);
	values[WIRE_COUNTER_SAMPLES] = pipeline->profile->sample_count;
	values[WIRE_COUNTER_LOST_RING_FULL] = kernel[SAMPLER_LOST_RING_FULL];
	values[WIRE_COUNTER_LOST_RING_BUSY] =
		kernel[SAMPLER_LOST_RING_BUSY] + kernel[SAMPLER_LOST_SCRATCH];
	values[WIRE_COUNTER_LOST_OVERLOAD] = samples_without_room(pipeline);
	values[WIRE_COUNTER_LOST_SIDE_BAND] = session.side_band_lost;
	values[WIRE_COUNTER_AGENT_CPU_US] = cpu_us_of_self() + worker->cpu_us +
					    privileged_process_cpu_us(pipeline->privileged) +
					    unwind_worker->cpu_us + unwind_large_worker->cpu_us +
					    debug_worker->cpu_us;
	values[WIRE_COUNTER_AGENT_BPF_US] = bpf_ns / 1000;
	values[WIRE_COUNTER_AGENT_RSS_BYTES] = resident_bytes(pipeline);
	values[WIRE_COUNTER_WINDOW_BYTES] = sample_window_bytes(pipeline->window);
	values[WIRE_COUNTER_CLIENTS] = server.clients;
	values[WIRE_COUNTER_CLIENTS_REFUSED] = server.clients_refused;
	values[WIRE_COUNTER_FREQUENCY_ASKED_MHZ] = pipeline->governor.asked_hz * 1000;
	values[WIRE_COUNTER_TOKENS_REFUSED] = server.tokens_refused;
	values[WIRE_COUNTER_CLIENTS_SKIPPED] = server.clients_skipped;
	values[WIRE_COUNTER_PARSE_FAILED] = names->parse_failed + processes->parse_failed;
	values[WIRE_COUNTER_WORKER_RESTARTS] = worker->restarts + unwind_worker->restarts +
					       unwind_large_worker->restarts +
					       debug_worker->restarts;
	values[WIRE_COUNTER_TICKS] = kernel[SAMPLER_TICKS];
	values[WIRE_COUNTER_FILTERED] = kernel[SAMPLER_FILTERED];
	values[WIRE_COUNTER_FILE_BYTES] = file.written_bytes;
	values[WIRE_COUNTER_FILE_LOST_BYTES] = file.lost_bytes;
	values[WIRE_COUNTER_UNWIND_TABLES] = unwinder->tables.tables;
	values[WIRE_COUNTER_UNWIND_BYTES] = unwinder->upload.slab_bytes;
	values[WIRE_COUNTER_UNWIND_BUILDING] = unwinder->tables.building;
	values[WIRE_COUNTER_UNWIND_EVICTED] = unwinder->tables.evicted;
	values[WIRE_COUNTER_UNWIND_NO_ROOM] = unwinder->tables.refused;
	values[WIRE_COUNTER_UNWIND_FAILED] = unwinder->tables.failed;
	values[WIRE_COUNTER_NAMES_LEFT_OUT] = names->names_left_out;
	values[WIRE_COUNTER_LINES_LEFT_OUT] = names->lines_left_out;
	values[WIRE_COUNTER_NAMES_EVICTED] = names->tables_evicted;
	values[WIRE_COUNTER_READS_DEFERRED] =
		processes->executables.fds_closed_early + processes->executables.fds_short +
		processes->proc_reads_short + names->reads_deferred + unwinder->tables.deferred +
		worker->queue_full + unwind_worker->queue_full + unwind_large_worker->queue_full +
		debug_worker->queue_full;
	values[WIRE_COUNTER_ACCEPTS_DEFERRED] = server.accepts_deferred;
}

static void add_counters(struct pipeline *pipeline, uint64_t now_ns)
{
	uint64_t values[WIRE_COUNTER_COUNT] = { 0 };

	pipeline_counters(pipeline, values);
	record_encoder_add_counters(pipeline->encoder, now_ns, values);
}

static void add_rates(struct pipeline *pipeline, uint64_t now_ns)
{
	struct record_rate rates[SAMPLE_CPUS_MAX];
	const uint32_t *cpus;
	size_t count = sampler_session_cpus(pipeline->session, &cpus);

	for (size_t i = 0; i < count; i++)
		rates[i] = (struct record_rate){
			.cpu = cpus[i],
			.rate_mhz = sampler_session_rate(pipeline->session, cpus[i]),
		};
	record_encoder_add_rates(pipeline->encoder, now_ns, rates, (uint32_t)count);
}

/* @drained_ns: where the old time ends, when the clock was set. */
static void follow_clock(struct pipeline *pipeline, uint64_t drained_ns)
{
	uint64_t mono_ns, wall_ns, before_us = timeline_us(&pipeline->timeline, drained_ns);

	if (!read_clocks(&mono_ns, &wall_ns))
		return; /* the next second will do */
	if (timeline_follow(&pipeline->timeline, mono_ns, wall_ns)) {
		/* What has been drained so far belongs to the old time. */
		next_segment(pipeline, drained_ns);
		record_encoder_add_gap_us(pipeline->encoder, before_us,
					  timeline_us(&pipeline->timeline, drained_ns),
					  WIRE_GAP_CLOCK_STEP, 0);
	}
	record_encoder_add_clock(pipeline->encoder, mono_ns, wall_ns);
}

/* Keeps to what the agent may take of a CPU. A segment has one rate. */
static void govern(struct pipeline *pipeline, uint64_t now_ns, uint64_t cpu_us)
{
	struct rate_governor *governor = &pipeline->governor;
	double percent = (double)governor->max_us_per_s / 1e4;
	int r;

	if (!rate_governor_tell(governor, now_ns, cpu_us))
		return;
	if (governor->rate_hz < governor->asked_hz)
		log_info("sampling at %u Hz instead of %u, to stay within %g%% of a CPU; it was "
			 "%g%%",
			 governor->rate_hz, governor->asked_hz, percent,
			 (double)governor->usage_us_per_s / 1e4);
	else
		log_info("sampling at %u Hz again, within %g%% of a CPU", governor->rate_hz,
			 percent);
	next_segment(pipeline, now_ns);
	r = sampler_session_set_rate(pipeline->session, governor->rate_hz);
	if (r < 0)
		log_errno(r, "sample at another rate");
}

static void on_second(struct pipeline *pipeline)
{
	uint64_t values[WIRE_COUNTER_COUNT] = { 0 }, now_ns = pipeline->drained_ns;

	follow_clock(pipeline, now_ns);
	/* A segment has one number of CPUs. */
	if (sampler_session_follow_cpus(pipeline->session) == SAMPLER_SESSION_CPUS_CHANGED)
		next_segment(pipeline, now_ns);
	add_rates(pipeline, now_ns);
	pipeline_counters(pipeline, values);
	record_encoder_add_counters(pipeline->encoder, now_ns, values);
	govern(pipeline, now_ns, values[WIRE_COUNTER_AGENT_CPU_US]);
}

/* With a drain, since a timer of its own would wake the agent once more. */
static void do_each_second(struct pipeline *pipeline, uint64_t now_ns)
{
	if (now_ns < pipeline->second_ns)
		return;
	pipeline->second_ns += ((now_ns - pipeline->second_ns) / NS_PER_S + 1) * NS_PER_S;
	on_second(pipeline);
}

static void on_drain_timer(void *context)
{
	struct pipeline *pipeline = context;
	bool watched = pipeline->server && server_counters(pipeline->server).clients > 0;
	uint64_t now_ns, due_ns;

	set_pace(pipeline, watched);
	drain(pipeline);
	now_ns = monotonic_ns();
	process_table_expire(pipeline->processes, now_ns);
	unwinder_tick(pipeline->unwinder, now_ns);
	symbolizer_tick(pipeline->symbolizer, now_ns);
	add_late_names(pipeline);
	do_each_second(pipeline, now_ns);
	/* Small chunks cost bytes. */
	due_ns = watched ? 0 : PIPELINE_WRITE_INTERVAL_MS * NS_PER_MS;
	if (now_ns - pipeline->written_ns >= due_ns)
		write_chunks(pipeline, now_ns);
}

/* The kernel side asks before the timer does: the ring fills, or a new process needs its files. */
static void on_session(uint32_t events, void *context)
{
	drain(context);
}

/* --- life -------------------------------------------------------------------------------------- */

static int describe_host(struct pipeline *pipeline, const struct pipeline_options *options)
{
	struct utsname names;

	if (uname(&names) < 0)
		return -errno;
	snprintf(pipeline->host, sizeof(pipeline->host), "%s", names.nodename);
	snprintf(pipeline->kernel, sizeof(pipeline->kernel), "%s %s", names.sysname, names.release);
	if (options->filter) {
		pipeline->filter = strdup(options->filter);
		if (!pipeline->filter)
			return -ENOMEM;
	}
	if (options->title) {
		pipeline->title = strdup(options->title);
		if (!pipeline->title)
			return -ENOMEM;
	}
	while (!pipeline->instance_id)
		if (getrandom(&pipeline->instance_id, sizeof(pipeline->instance_id), 0) < 0)
			return -errno;
	return 0;
}

/*
 * A quarter of the memory is for symbols, an eighth for unwind tables; the window gets what the
 * rings and the rest leave.
 */
static uint64_t window_bytes(const struct pipeline *pipeline, uint64_t memory_bytes)
{
	const uint32_t *cpus;
	uint32_t cpu_count = (uint32_t)sampler_session_cpus(pipeline->session, &cpus);
	uint64_t others = sampler_ring_size(pipeline->sampler.frequency_hz, cpu_count) +
			  memory_bytes / 4 + memory_bytes / 8 + PIPELINE_FIXED_MEMORY;

	return memory_bytes > others + PIPELINE_WINDOW_LEAST ? memory_bytes - others
							     : PIPELINE_WINDOW_LEAST;
}

/* Segments leave the window whole: a short window is made of short ones. */
static uint64_t segment_span_ns(const struct pipeline_options *options)
{
	uint64_t span_us = options->segment_us ? options->segment_us
					       : options->window_us / PIPELINE_WINDOW_SEGMENTS;

	if (!span_us || span_us > WIRE_SEGMENT_SPAN_MAX_US)
		span_us = WIRE_SEGMENT_SPAN_MAX_US;
	if (span_us < PIPELINE_SEGMENT_LEAST_MS * 1000)
		span_us = PIPELINE_SEGMENT_LEAST_MS * 1000;
	return span_us * 1000;
}

static int make_debuginfod(struct pipeline *pipeline, const struct pipeline_options *options)
{
	struct debuginfod_options debuginfod = {
		.worker = pipeline->fetch_worker,
		.urls = options->debuginfod_urls,
		.url_count = options->debuginfod_url_count,
		.privileged = pipeline->privileged,
	};

	return pipeline->fetch_worker ? debuginfod_new(&debuginfod, &pipeline->debuginfod) : 0;
}

static const char *kernel_name(void *context, uint64_t address)
{
	return sampler_session_kernel_name(context, address);
}

static int make_names(struct pipeline *pipeline, const struct pipeline_options *options)
{
	struct symbolizer_options symbolizer = {
		.kernel_names = { kernel_name, pipeline->session },
		.tables_bytes_max = options->memory_bytes / 4,
	};
	int r = process_files_new(&pipeline->process_files);

	if (r < 0)
		return r;
	process_files_ask(pipeline->process_files, pipeline->privileged);
	r = process_table_new(pipeline->process_files, &pipeline->processes);
	if (r < 0)
		return r;
	symbolizer.debuginfod = pipeline->debuginfod;
	symbolizer.worker = pipeline->worker;
	symbolizer.debug_worker = pipeline->debug_worker;
	symbolizer.processes = pipeline->processes;
	symbolizer.files = pipeline->process_files;
	return symbolizer_new(&symbolizer, &pipeline->symbolizer);
}

static int make_unwinder(struct pipeline *pipeline, const struct pipeline_options *options)
{
	struct unwinder_options unwinder = {
		.worker = pipeline->unwind_worker,
		.large_worker = pipeline->unwind_large_worker,
		.processes = pipeline->processes,
		.tables_bytes_max = options->memory_bytes / 8,
		.debug_files = symbolizer_debug_files(pipeline->symbolizer),
	};
	int r = sampler_session_unwind_maps(pipeline->session, pipeline->privileged,
					    &unwinder.maps);

	return r < 0 ? r : unwinder_new(&unwinder, &pipeline->unwinder);
}

static int start_workers(struct pipeline *pipeline, const struct pipeline_options *options)
{
	size_t name_count, debug_count;
	const struct worker_job_type *names = symbolizer_job_types(&name_count);
	const struct worker_job_type *debug = symbolizer_debug_job_types(&debug_count);
	int r = worker_new(pipeline->loop, names, name_count, &pipeline->worker);

	if (r < 0)
		return r;
	r = worker_new(pipeline->loop, unwind_tables_job_type(), 1, &pipeline->unwind_worker);
	if (r < 0)
		return r;
	r = worker_new(pipeline->loop, unwind_tables_job_type(), 1, &pipeline->unwind_large_worker);
	if (r < 0)
		return r;
	r = worker_new(pipeline->loop, debug, debug_count, &pipeline->debug_worker);
	if (r < 0 || !options->debuginfod_url_count)
		return r;
	return worker_new(pipeline->loop, debuginfod_job_type(), 1, &pipeline->fetch_worker);
}

static int start_privileged(struct pipeline *pipeline, const struct pipeline_options *options)
{
	const struct privileged_options privileged = {
		.command_pid = options->command_pid,
		.dump_folder = options->dump_folder,
		.debug_folder = options->debuginfod_url_count ? options->debuginfod_cache : NULL,
	};

	return privileged_process_new(&privileged, &pipeline->privileged);
}

static int make_profile(struct pipeline *pipeline, const struct pipeline_options *options)
{
	struct sample_window_options window = {
		.span_us = options->window_us ? options->window_us : 1,
		.bytes_max = window_bytes(pipeline, options->memory_bytes),
	};
	struct record_encoder_options encoder = {
		.instance_id = pipeline->instance_id,
		.sink = pass_chunk,
		.context = pipeline,
	};
	int r = profile_new(&pipeline->profile);

	if (r < 0)
		return r;
	pipeline->segment_span_ns = segment_span_ns(options);
	encoder.profile = pipeline->profile;
	r = sample_window_new(&window, &pipeline->window);
	if (r < 0)
		return r;
	r = id_cache_open(PIPELINE_STACK_CACHE_ENTRIES, &pipeline->stack_ids);
	if (r < 0)
		return r;
	r = id_cache_open(PIPELINE_THREAD_CACHE_ENTRIES, &pipeline->thread_ids);
	if (r < 0)
		return r;
	return record_encoder_new(&encoder, &pipeline->encoder);
}

static int start(struct pipeline *pipeline)
{
	uint64_t wall_ns;
	int r;

	read_clocks(&pipeline->start_ns,
		    &wall_ns); /* when it was far off, the next second corrects it */
	pipeline->drained_ns = pipeline->start_ns;
	pipeline->second_ns = pipeline->start_ns + NS_PER_S;
	pipeline->timeline = timeline_start(pipeline->start_ns, wall_ns);
	open_segment(pipeline, pipeline->start_ns);
	r = loop_add_fd(pipeline->loop, sampler_session_fd(pipeline->session), EPOLLIN, on_session,
			pipeline, &pipeline->session_source);
	if (r < 0)
		return r;
	return loop_add_timer(pipeline->loop, PIPELINE_UNWATCHED_INTERVAL_MS * NS_PER_MS,
			      on_drain_timer, pipeline, &pipeline->drain_timer);
}

int pipeline_new(const struct pipeline_options *options, struct pipeline **ret_pipeline)
{
	CLEANUP(pipeline_free) struct pipeline *pipeline = calloc(1, sizeof(*pipeline));
	int r;

	if (!pipeline)
		return log_errno(-ENOMEM, "start");
	pipeline->memory_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	pipeline->loop = options->loop;
	pipeline->sampler = options->sampler;
	pipeline->governor = rate_governor_of(options->sampler.frequency_hz,
					      options->max_cpu_us_per_s, monotonic_ns());
	r = describe_host(pipeline, options);
	if (r < 0)
		return log_errno(r, "read the host's name");
	/* Forks: before anything large is in memory. */
	r = start_workers(pipeline, options);
	if (r < 0)
		return log_errno(r, "start the worker processes");
	/* These two log what is missing and what to do about it. */
	r = start_privileged(pipeline, options);
	if (r == 0)
		r = sampler_session_open(&options->sampler, &pipeline->session);
	if (r < 0)
		return r;
	sampler_session_ask(pipeline->session, pipeline->privileged);
	r = make_debuginfod(pipeline, options);
	if (r == 0)
		r = make_names(pipeline, options);
	if (r < 0)
		return log_errno(r, "prepare the names of processes and functions");
	r = make_unwinder(pipeline, options);
	if (r < 0)
		return log_errno(r, "prepare the unwind tables");
	r = make_profile(pipeline, options);
	if (r < 0)
		return log_errno(r, "prepare the window");
	r = start(pipeline);
	if (r < 0)
		return log_errno(r, "start sampling");
	*ret_pipeline = TAKE(pipeline);
	return 0;
}

static void stop_timers(struct pipeline *pipeline)
{
	loop_remove(pipeline->session_source);
	loop_remove(pipeline->drain_timer);
	pipeline->session_source = pipeline->drain_timer = NULL;
}

void pipeline_free(struct pipeline *pipeline)
{
	if (!pipeline)
		return;
	stop_timers(pipeline);
	worker_free(pipeline->worker);
	worker_free(pipeline->unwind_worker);
	worker_free(pipeline->unwind_large_worker);
	worker_free(pipeline->fetch_worker);
	worker_free(pipeline->debug_worker);
	unwinder_free(pipeline->unwinder);
	sampler_session_free(pipeline->session);
	record_encoder_free(pipeline->encoder);
	id_cache_close(&pipeline->stack_ids);
	id_cache_close(&pipeline->thread_ids);
	profile_free(pipeline->profile);
	sample_window_free(pipeline->window);
	symbolizer_free(pipeline->symbolizer);
	debuginfod_free(pipeline->debuginfod);
	process_table_free(pipeline->processes);
	process_files_free(pipeline->process_files);
	privileged_process_free(pipeline->privileged);
	fd_close(pipeline->memory_fd);
	free(pipeline->filter);
	free(pipeline->title);
	free(pipeline);
}

void pipeline_set_server(struct pipeline *pipeline, struct server *server)
{
	pipeline->server = server;
}

void pipeline_set_writer(struct pipeline *pipeline, struct capture_writer *writer)
{
	pipeline->writer = writer;
}

void pipeline_flush(struct pipeline *pipeline)
{
	drain(pipeline);
	add_late_names(pipeline);
	write_chunks(pipeline, monotonic_ns());
}

/* A file is for later: names that are on their way go into it, if they come soon. */
static void await_names(struct pipeline *pipeline)
{
	uint64_t end_ns = monotonic_ns() + PIPELINE_NAMES_WAIT_MS * NS_PER_MS;

	symbolizer_hurry(pipeline->symbolizer);
	for (;;) {
		uint64_t now_ns = monotonic_ns();

		symbolizer_tick(pipeline->symbolizer, now_ns);
		add_late_names(pipeline);
		if (now_ns >= end_ns || (!worker_pending(pipeline->worker) &&
					 !symbolizer_is_behind(pipeline->symbolizer)))
			break;
		loop_dispatch(pipeline->loop, PIPELINE_DRAIN_INTERVAL_MS);
	}
}

void pipeline_finish(struct pipeline *pipeline)
{
	const struct sampler_sink sink = sink_of(pipeline);

	stop_timers(pipeline);
	sampler_session_stop(pipeline->session);
	pipeline->drained_ns = sampler_session_drain_all(pipeline->session, &sink);
	add_rates(pipeline, pipeline->drained_ns);
	add_counters(pipeline, pipeline->drained_ns);
	if (pipeline->writer)
		await_names(pipeline);
	else
		add_late_names(pipeline);
	record_encoder_close(pipeline->encoder, pipeline->drained_ns);
}

const struct sample_window *pipeline_window(const struct pipeline *pipeline)
{
	return pipeline->window;
}

struct privileged_process *pipeline_privileged(struct pipeline *pipeline)
{
	return pipeline->privileged;
}

uint64_t pipeline_instance_id(const struct pipeline *pipeline)
{
	return pipeline->instance_id;
}

struct pipeline_progress pipeline_progress(const struct pipeline *pipeline)
{
	return (struct pipeline_progress){
		.samples = pipeline->profile->sample_count,
		.samples_lost = pipeline->lost_samples + samples_without_room(pipeline),
		.span_us = (pipeline->drained_ns - pipeline->start_ns) / 1000,
	};
}
