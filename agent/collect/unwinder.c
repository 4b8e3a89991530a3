/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/unwinder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "privileged/unwind_maps.h"
#include "process/mapping_table.h"
#include "process/process_table.h"

enum {
	EXPIRE_SLOTS_LEAST = 8, /* looked at in one tick, and ... */
	EXPIRE_TICKS = 16,	/* ... so many that all have been looked at after these */
};

/* A process whose mappings the kernel has. */
struct track {
	uint64_t process_id;
	uint64_t generation;   /* of the process, when its mappings were uploaded; 0: never */
	uint64_t last_seen_ns; /* its last sample */
	uint32_t pid;
	bool waits; /* for tables */
	struct unwind_upload_range range;
	uint32_t use_count;
	struct unwind_table_use **uses; /* owned, and what they stand for is given back */
};

struct unwinder {
	struct process_table *processes; /* borrowed */
	struct unwind_upload *upload;
	struct unwind_tables *tables;
	struct track *tracks[PROCESSES_MAX + 1]; /* by slot of the process; owned */
	uint32_t highest_slot;
	uint32_t expire_hand;	    /* the last slot that was looked at */
	uint64_t tables_generation; /* when those who wait were asked last */
	uint64_t now_ns;
	struct unwind_upload_mapping mappings[MAPPINGS_MAX]; /* of the process in hand */
	struct unwinder_counters counters;
};

int unwinder_new(const struct unwinder_options *options, struct unwinder **ret_unwinder)
{
	CLEANUP(unwinder_free) struct unwinder *unwinder = calloc(1, sizeof(*unwinder));
	struct unwind_tables_options tables = {
		.worker = options->worker,
		.large_worker = options->large_worker,
		.executables = process_table_executables(options->processes),
		.debug_files = options->debug_files,
	};
	int r;

	if (!unwinder) {
		unwind_maps_free(options->maps);
		return -ENOMEM;
	}
	unwinder->processes = options->processes;
	r = unwind_upload_new(options->maps, options->tables_bytes_max, &unwinder->upload);
	if (r < 0)
		return r;
	tables.upload = unwinder->upload;
	r = unwind_tables_new(&tables, &unwinder->tables);
	if (r < 0)
		return r;
	*ret_unwinder = TAKE(unwinder);
	return 0;
}

/* --- tracks ---------------------------------------------------------------------------------- */

static void give_uses(struct unwinder *unwinder, struct unwind_table_use **uses, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		unwind_tables_give(unwinder->tables, uses[i]);
	free(uses);
}

/* First the process lets go of its mappings, then they of their tables. */
static void untrack(struct unwinder *unwinder, uint32_t slot)
{
	struct track *track = unwinder->tracks[slot];

	unwind_upload_remove_process(unwinder->upload, track->pid, &track->range);
	give_uses(unwinder, track->uses, track->use_count);
	free(track);
	unwinder->tracks[slot] = NULL;
	unwinder->counters.processes--;
}

void unwinder_free(struct unwinder *unwinder)
{
	if (!unwinder)
		return;
	for (uint32_t slot = 1; slot <= unwinder->highest_slot; slot++)
		if (unwinder->tracks[slot])
			untrack(unwinder, slot);
	unwind_tables_free(unwinder->tables);
	unwind_upload_free(unwinder->upload);
	free(unwinder);
}

static struct track *track_of(struct unwinder *unwinder, const struct process *process)
{
	struct track *track = unwinder->tracks[process->slot];

	if (track && track->process_id == process->id)
		return track;
	if (track)
		untrack(unwinder, process->slot);
	track = calloc(1, sizeof(*track));
	if (!track)
		return NULL;
	track->process_id = process->id;
	track->pid = process->pid;
	unwinder->tracks[process->slot] = track;
	if (process->slot > unwinder->highest_slot)
		unwinder->highest_slot = process->slot;
	unwinder->counters.processes++;
	return track;
}

/* --- uploads --------------------------------------------------------------------------------- */

/* Takes back what the process seen longest ago has. False: all were seen of late. */
static bool evict_one(struct unwinder *unwinder, uint32_t spared)
{
	uint64_t before_ns = unwinder->now_ns - UNWINDER_EVICT_IDLE_MS * NS_PER_MS;
	uint32_t oldest = 0;

	for (uint32_t slot = 1; slot <= unwinder->highest_slot; slot++) {
		const struct track *track = unwinder->tracks[slot];

		if (track && slot != spared && track->range.generation &&
		    track->last_seen_ns < before_ns) {
			before_ns = track->last_seen_ns;
			oldest = slot;
		}
	}
	if (!oldest)
		return false;
	untrack(unwinder, oldest);
	unwinder->counters.evicted++;
	return true;
}

/*
 * The mappings with their tables, as far as there are any.
 *
 * Returns how many uses were written to @ret_uses, which has room for one for each mapping.
 */
static uint32_t describe(struct unwinder *unwinder, struct track *track, const struct mapping *rows,
			 uint32_t count, struct unwind_table_use **ret_uses)
{
	uint32_t use_count = 0;

	track->waits = false;
	for (uint32_t i = 0; i < count; i++) {
		struct unwind_table_use *use = NULL;
		enum unwind_tables_answer answer =
			unwind_tables_take(unwinder->tables, track->pid, &rows[i], &use);

		unwinder->mappings[i] = (struct unwind_upload_mapping){
			.start = rows[i].start,
			.end = rows[i].end,
			.file_offset = rows[i].file_offset,
			.table = answer == UNWIND_TABLES_READY ? unwind_table_use_place(use) : NULL,
		};
		if (answer == UNWIND_TABLES_READY)
			ret_uses[use_count++] = use;
		track->waits |= answer == UNWIND_TABLES_PENDING;
	}
	return use_count;
}

static void upload(struct unwinder *unwinder, struct track *track, const struct process *process)
{
	struct unwind_table_use **uses, **uses_before = track->uses;
	uint32_t count, use_count, use_count_before = track->use_count;
	const struct mapping *rows = process_mappings(process, &count);
	int r;

	if (count > MAPPINGS_MAX)
		count = MAPPINGS_MAX;
	uses = calloc(count + 1, sizeof(struct unwind_table_use *));
	if (!uses) {
		track->generation = 0; /* it stays what it was; the next sample tries again */
		return;
	}
	track->generation = process->generation;
	use_count = describe(unwinder, track, rows, count, uses);
	r = unwind_upload_set_process(unwinder->upload, track->pid, process->start_ns,
				      unwinder->mappings, count, &track->range);
	/* What was evicted has to rest first: its next sample tries again. */
	if (r == UNWIND_UPLOAD_FULL && evict_one(unwinder, process->slot))
		track->generation = 0;
	unwinder->counters.uploads++;
	track->uses = uses;
	track->use_count = use_count;
	/* Only now: the mappings before were the last that used the tables before. */
	give_uses(unwinder, uses_before, use_count_before);
}

static void update(struct unwinder *unwinder, uint32_t slot, bool has_tables)
{
	struct track *track = unwinder->tracks[slot];
	const struct process *process = process_table_at(unwinder->processes, slot);

	if (track && process && process->id == track->process_id &&
	    (process->generation != track->generation || (has_tables && track->waits)))
		upload(unwinder, track, process);
}

/* Also without a new sample: the next one's stack would be walked by what was before. */
void unwinder_update(struct unwinder *unwinder)
{
	uint64_t tables_generation = unwind_tables_generation(unwinder->tables);
	uint32_t slot;

	while ((slot = process_table_next_changed(unwinder->processes)))
		update(unwinder, slot, false);
	if (unwinder->tables_generation == tables_generation)
		return;
	unwinder->tables_generation = tables_generation;
	for (slot = 1; slot <= unwinder->highest_slot; slot++)
		update(unwinder, slot, true);
}

void unwinder_see(struct unwinder *unwinder, const struct process *process, uint64_t time_ns)
{
	struct track *track = track_of(unwinder, process);

	if (!track)
		return;
	track->last_seen_ns = time_ns;
	if (!track->generation)
		upload(unwinder, track, process);
}

/* --- ticks ----------------------------------------------------------------------------------- */

static bool is_over(const struct unwinder *unwinder, const struct track *track,
		    const struct process *process)
{
	if (!process || process->id != track->process_id)
		return true;
	return process->exit_ns &&
	       track->last_seen_ns + UNWINDER_ENDED_KEPT_MS * NS_PER_MS < unwinder->now_ns;
}

void unwinder_tick(struct unwinder *unwinder, uint64_t now_ns)
{
	uint32_t step = EXPIRE_SLOTS_LEAST + unwinder->highest_slot / EXPIRE_TICKS;

	unwinder->now_ns = now_ns;
	for (uint32_t i = 0; i < step; i++) {
		const struct track *track;

		if (unwinder->expire_hand++ >= unwinder->highest_slot)
			unwinder->expire_hand = 0; /* no process is there: a rest each round */
		track = unwinder->tracks[unwinder->expire_hand];
		if (track && is_over(unwinder, track,
				     process_table_at(unwinder->processes, unwinder->expire_hand)))
			untrack(unwinder, unwinder->expire_hand);
	}
	unwind_tables_tick(unwinder->tables, now_ns);
	unwind_upload_tick(unwinder->upload, now_ns);
}

const struct unwinder_counters *unwinder_counters(struct unwinder *unwinder)
{
	unwinder->counters.tables = *unwind_tables_counters(unwinder->tables);
	unwinder->counters.upload = *unwind_upload_counters(unwinder->upload);
	return &unwinder->counters;
}
