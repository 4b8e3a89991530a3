/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/side_band.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/log.h"
#include "collect/perf_ring.h"
#include "privileged/perf_events.h"
#include "sample_abi.h"

struct queued_event {
	struct side_band_event event; /* its name is set when it is popped */
	size_t name_offset;	      /* in names */
	uint64_t sequence;	      /* keeps the order of events of one time */
};

struct side_band {
	struct perf_ring *rings[SAMPLE_CPUS_MAX]; /* owned; by CPU, NULL: not followed */
	uint32_t cpu_end;			  /* behind the last that is not NULL */
	struct queued_event *queue;		  /* owned; sorted from first to end */
	size_t first, end, capacity;
	struct bytes_writer names, names_before; /* zero-terminated, of the queue's events */
	uint64_t sequence;
	uint64_t lost_count;   /* not reported yet */
	uint64_t lost_time_ns; /* of the first of them */
	uint64_t last_time_ns; /* of the latest event so far */
	uint64_t malformed;
};

void side_band_free(struct side_band *side_band)
{
	if (!side_band)
		return;
	for (uint32_t cpu = 0; cpu < side_band->cpu_end; cpu++)
		perf_ring_free(side_band->rings[cpu]);
	bytes_writer_free(&side_band->names);
	bytes_writer_free(&side_band->names_before);
	free(side_band->queue);
	free(side_band);
}

int side_band_new(struct side_band **ret_side_band)
{
	struct side_band *side_band = calloc(1, sizeof(*side_band));

	if (!side_band)
		return -ENOMEM;
	side_band->names = bytes_writer_with_max(SIDE_BAND_QUEUE_NAMES_SIZE_MAX);
	side_band->names_before = bytes_writer_with_max(SIDE_BAND_QUEUE_NAMES_SIZE_MAX);
	*ret_side_band = side_band;
	return 0;
}

void side_band_add_ring(struct side_band *side_band, uint32_t cpu, struct perf_ring *ring)
{
	side_band->rings[cpu] = ring;
	if (side_band->cpu_end <= cpu)
		side_band->cpu_end = cpu + 1;
}

static int log_mmap_error(int error)
{
	if (error == -EPERM)
		log_error(
			"the kernel refuses memory for perf events: run as root (CAP_IPC_LOCK), or "
			"raise kernel.perf_event_mlock_kb");
	else
		log_errno(error, "map a perf ring");
	return error;
}

int side_band_add_cpu(struct side_band *side_band, uint32_t cpu, int process_fd)
{
	CLEANUP(perf_ring_free) struct perf_ring *ring = NULL;
	int r = perf_ring_open(process_fd, SIDE_BAND_RING_SIZE, &ring);

	if (r < 0) {
		close(process_fd);
		return log_mmap_error(r);
	}
	r = perf_events_start(process_fd);
	if (r < 0)
		return perf_events_log(r, cpu);
	side_band_add_ring(side_band, cpu, TAKE(ring));
	return 0;
}

static bool queue_reserve(struct side_band *side_band)
{
	struct queued_event *larger;
	size_t capacity;

	if (side_band->end < side_band->capacity)
		return true;
	capacity = side_band->capacity ? side_band->capacity * 2 : 256;
	larger = reallocarray(side_band->queue, capacity, sizeof(*larger));
	if (!larger)
		return false;
	side_band->queue = larger;
	side_band->capacity = capacity;
	return true;
}

/* Copies @event and its name. False: there was no room. */
static bool queue_add(struct side_band *side_band, const struct side_band_event *event)
{
	struct bytes_writer *names = &side_band->names;
	size_t name_offset = names->size;

	if (!queue_reserve(side_band))
		return false;
	bytes_write(names, event->name, event->name_size + 1);
	if (names->failed) {
		names->failed = false; /* it is whole without this one: the next may find room */
		return false;
	}
	if (event->time_ns > side_band->last_time_ns)
		side_band->last_time_ns = event->time_ns;
	side_band->queue[side_band->end++] = (struct queued_event){
		.event = *event,
		.name_offset = name_offset,
		.sequence = side_band->sequence++,
	};
	return true;
}

static void count_lost(struct side_band *side_band, uint64_t count, uint64_t time_ns)
{
	if (!side_band->lost_count)
		side_band->lost_time_ns = time_ns;
	side_band->lost_count += count;
}

/* Drops what was popped, so that the queue begins at its memory's start. */
static void queue_compact(struct side_band *side_band)
{
	size_t first = side_band->first, end = side_band->end;
	struct bytes_writer names = side_band->names;

	side_band->names = side_band->names_before;
	side_band->names_before = names;
	bytes_writer_clear(&side_band->names);
	side_band->first = side_band->end = 0;
	for (size_t i = first; i < end; i++) {
		struct queued_event kept = side_band->queue[i];

		kept.event.name = (const char *)names.bytes + kept.name_offset;
		kept.name_offset = side_band->names.size;
		bytes_write(&side_band->names, kept.event.name, kept.event.name_size + 1);
		if (side_band->names.failed) { /* no memory */
			bytes_writer_clear(&side_band->names);
			count_lost(side_band, end - i, kept.event.time_ns);
			return;
		}
		side_band->queue[side_band->end++] = kept;
	}
}

static int compare_events(const void *left_event, const void *right_event)
{
	const struct queued_event *left = left_event, *right = right_event;

	if (left->event.time_ns != right->event.time_ns)
		return left->event.time_ns < right->event.time_ns ? -1 : 1;
	return left->sequence < right->sequence ? -1 : left->sequence > right->sequence;
}

/* Whether there is just enough room left for the event that reports a loss. */
static bool queue_is_full(const struct side_band *side_band, const struct side_band_event *next)
{
	return side_band->end + 1 >= SIDE_BAND_QUEUE_EVENTS_MAX ||
	       side_band->names.size + next->name_size + 2 > side_band->names.size_max;
}

static void add_record(struct side_band *side_band, const void *record, size_t size)
{
	struct side_band_event event;
	int r = side_band_record_parse(record, size, &event);

	if (r < 0)
		side_band->malformed++;
	else if (r == 0 && (queue_is_full(side_band, &event) || !queue_add(side_band, &event)))
		count_lost(side_band, 1, event.time_ns);
}

static void gather_ring(struct side_band *side_band, struct perf_ring *ring)
{
	const void *record;
	size_t size;
	int r;

	perf_ring_begin(ring);
	while ((r = perf_ring_next(ring, &record, &size)) == 0)
		add_record(side_band, record, size);
	if (r < 0) {
		side_band->malformed++;
		count_lost(side_band, 1, side_band->last_time_ns);
	}
	perf_ring_release(ring);
}

/* Says with an event that events were lost, as the kernel does when its ring is full. */
static void report_lost(struct side_band *side_band)
{
	const struct side_band_event lost = {
		.kind = SIDE_BAND_LOST,
		.time_ns = side_band->lost_time_ns,
		.name = "",
		.lost_count = side_band->lost_count,
	};

	if (!side_band->lost_count || side_band->end >= SIDE_BAND_QUEUE_EVENTS_MAX)
		return; /* a loss is told already: this one with a later gather */
	if (queue_add(side_band, &lost))
		side_band->lost_count = 0;
}

/*
 * Puts what came after @sorted_end into the order of what was there: mostly all of it is later, so that
 * only what overlaps is sorted, however long the queue is.
 */
static void sort_new(struct side_band *side_band, size_t sorted_end)
{
	const struct queued_event *queue = side_band->queue;
	size_t from = sorted_end;
	uint64_t earliest_ns = UINT64_MAX;

	for (size_t i = sorted_end; i < side_band->end; i++)
		if (queue[i].event.time_ns < earliest_ns)
			earliest_ns = queue[i].event.time_ns;
	while (from > side_band->first && queue[from - 1].event.time_ns > earliest_ns)
		from--;
	qsort(side_band->queue + from, side_band->end - from, sizeof(*queue), compare_events);
}

void side_band_gather(struct side_band *side_band)
{
	size_t sorted_end;

	/* Each event is moved once on average, however many wait. */
	if (side_band->first >= side_band->end - side_band->first)
		queue_compact(side_band);
	sorted_end = side_band->end;
	for (uint32_t cpu = 0; cpu < side_band->cpu_end; cpu++)
		if (side_band->rings[cpu])
			gather_ring(side_band, side_band->rings[cpu]);
	report_lost(side_band);
	if (side_band->end > sorted_end)
		sort_new(side_band, sorted_end);
}

void side_band_remove_cpu(struct side_band *side_band, uint32_t cpu)
{
	if (!side_band->rings[cpu])
		return;
	side_band_gather(side_band);
	perf_ring_free(side_band->rings[cpu]);
	side_band->rings[cpu] = NULL;
}

uint64_t side_band_next_time(const struct side_band *side_band)
{
	return side_band->first < side_band->end ? side_band->queue[side_band->first].event.time_ns
						 : UINT64_MAX;
}

const struct side_band_event *side_band_pop(struct side_band *side_band)
{
	struct queued_event *queued = &side_band->queue[side_band->first++];

	queued->event.name = (const char *)side_band->names.bytes + queued->name_offset;
	return &queued->event;
}

uint64_t side_band_malformed(const struct side_band *side_band)
{
	return side_band->malformed;
}
