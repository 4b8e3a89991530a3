/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/foreign_timing.h"

#include <errno.h>
#include <stdlib.h>

#include "convert/foreign_profile.h"

enum {
	/* Times between samples are counted in classes of a sixteenth of an octave. */
	CLASS_BITS = 4,
	CLASS_COUNT = 32 << CLASS_BITS,
	PERIOD_LEAST_US = 20, /* a counter that has just been started overflows faster */
	/* Where there are no two samples of one CPU, nothing can be known. */
	FREQUENCY_UNKNOWN_MHZ = 99000,
	/* Rates from here on are whole numbers of Hz. */
	WHOLE_HZ_LEAST = 10,
	LAST_KEYS_MAX = 65536, /* CPUs or threads of which the last sample is kept */
};

#define US_PER_S INT64_C(1000000)

struct time_class {
	uint64_t count;
	uint64_t sum_us;
};

static int by_time(const void *left, const void *right)
{
	const struct foreign_sample *a = left, *b = right;

	if (a->time_us != b->time_us)
		return a->time_us < b->time_us ? -1 : 1;
	return (a->cpu > b->cpu) - (a->cpu < b->cpu);
}

static uint32_t class_of(uint64_t us)
{
	uint32_t octave = 63 - (uint32_t)__builtin_clzll(us | 1);
	uint32_t part = (uint32_t)((octave >= CLASS_BITS ? us >> (octave - CLASS_BITS)
							 : us << (CLASS_BITS - octave)) &
				   ((1 << CLASS_BITS) - 1));

	return octave << CLASS_BITS | part;
}

/* The class with the most times in it, together with its neighbours: a rate on an edge is not split. */
static uint64_t usual_us(const struct time_class classes[CLASS_COUNT])
{
	uint64_t best_count = 0, best_sum = 0;

	for (uint32_t i = 0; i < CLASS_COUNT; i++) {
		uint64_t count = classes[i].count, sum = classes[i].sum_us;

		if (i + 1 < CLASS_COUNT) {
			count += classes[i + 1].count;
			sum += classes[i + 1].sum_us;
		}
		if (count > best_count) {
			best_count = count;
			best_sum = sum;
		}
	}
	return best_count ? (best_sum + best_count / 2) / best_count : 0;
}

/* The time that most often lies between two samples of a CPU, or else of a thread; 0: unknown. */
static uint64_t period_us(const struct foreign_profile *profile, uint32_t event, int64_t *last_us)
{
	const struct foreign_sample *samples =
		(const struct foreign_sample *)profile->samples.bytes;
	struct time_class classes[CLASS_COUNT] = { { 0 } };

	for (uint32_t i = 0; i < LAST_KEYS_MAX; i++)
		last_us[i] = INT64_MIN;
	for (uint32_t i = 0; i < foreign_profile_sample_count(profile); i++) {
		const struct foreign_sample *sample = &samples[i];
		uint32_t key = (sample->cpu == FOREIGN_CPU_UNKNOWN ? sample->thread : sample->cpu) %
			       LAST_KEYS_MAX;
		int64_t before = last_us[key];

		if (sample->event != event)
			continue;
		last_us[key] = sample->time_us;
		if (before != INT64_MIN && sample->time_us >= before + PERIOD_LEAST_US) {
			uint64_t us = (uint64_t)(sample->time_us - before);
			struct time_class *one;

			if (us >= UINT32_MAX)
				continue;
			one = &classes[class_of(us)];
			one->count++;
			one->sum_us += us;
		}
	}
	return usual_us(classes);
}

static uint32_t frequency_of(uint64_t us)
{
	uint64_t mhz = us ? (1000000000 + us / 2) / us : FREQUENCY_UNKNOWN_MHZ;

	return (uint32_t)(mhz >= WHOLE_HZ_LEAST * 1000 ? (mhz + 500) / 1000 * 1000 : mhz);
}

static int find_frequency(struct foreign_timing *timing, const struct foreign_profile *profile,
			  uint32_t event)
{
	int64_t *last_us;

	timing->frequency_mhz = profile->events[event].frequency_mhz
					? profile->events[event].frequency_mhz
					: profile->facts.frequency_mhz;
	if (!timing->frequency_mhz) {
		last_us = malloc(LAST_KEYS_MAX * sizeof(*last_us));
		if (!last_us)
			return -ENOMEM;
		timing->frequency_mhz = frequency_of(period_us(profile, event, last_us));
		free(last_us);
	}
	timing->apart_us = 500000000 / (int64_t)timing->frequency_mhz;
	return 0;
}

/* The thread's last CPU where nobody took it since, or where it is free; else the first that is. */
static uint16_t take_lane(struct foreign_timing *timing, uint32_t thread, int64_t from_us,
			  int64_t to_us)
{
	uint16_t *own = &timing->thread_lanes[thread];
	uint32_t lane = *own;
	bool is_own = lane < timing->lane_count && timing->lane_threads[lane] == thread;

	if (!is_own &&
	    (lane >= timing->lane_count || timing->lane_us[lane] > from_us - timing->apart_us))
		for (lane = 0; lane < timing->lane_count; lane++)
			if (timing->lane_us[lane] <= from_us - timing->apart_us)
				break;
	if (lane == timing->lane_count) {
		if (lane < FOREIGN_LANES_MAX)
			timing->lane_count++;
		else
			lane = thread % FOREIGN_LANES_MAX;
	}
	timing->lane_us[lane] = to_us;
	timing->lane_threads[lane] = thread;
	*own = (uint16_t)lane;
	return (uint16_t)lane;
}

uint16_t foreign_timing_cpu(struct foreign_timing *timing, const struct foreign_sample *sample)
{
	int64_t last_us = sample->time_us;

	if (sample->cpu != FOREIGN_CPU_UNKNOWN)
		return sample->cpu < WIRE_CPUS_MAX ? sample->cpu : WIRE_CPUS_MAX - 1;
	last_us += (int64_t)(sample->count - 1) * (2 * timing->apart_us);
	return take_lane(timing, sample->thread, sample->time_us, last_us);
}

/* Gives every sample its CPU, to see how many there are. */
static int count_cpus(struct foreign_timing *timing, const struct foreign_profile *profile,
		      uint32_t event)
{
	const struct foreign_sample *samples =
		(const struct foreign_sample *)profile->samples.bytes;
	uint32_t cpu_count = 1;

	timing->lane_us = calloc(FOREIGN_LANES_MAX, sizeof(*timing->lane_us));
	timing->thread_lanes =
		calloc(profile->threads.row_count + 1, sizeof(*timing->thread_lanes));
	timing->lane_threads = calloc(FOREIGN_LANES_MAX, sizeof(*timing->lane_threads));
	if (!timing->lane_us || !timing->lane_threads || !timing->thread_lanes)
		return -ENOMEM;
	for (uint32_t i = 0; i < foreign_profile_sample_count(profile); i++) {
		if (samples[i].event == event) {
			uint32_t cpu = foreign_timing_cpu(timing, &samples[i]);

			if (cpu >= cpu_count)
				cpu_count = cpu + 1;
		}
	}
	timing->lane_count = 0;
	/* Idle CPUs have no samples: what the file says counts, where it can be right. */
	timing->cpu_count = profile->facts.cpu_count > cpu_count ? profile->facts.cpu_count
								 : cpu_count;
	return 0;
}

/* Whole seconds from the file's clock to the wall clock. */
static int64_t shift_of(const struct foreign_profile *profile, int64_t last_us)
{
	const struct foreign_sample *samples =
		(const struct foreign_sample *)profile->samples.bytes;
	int64_t first_us = foreign_profile_sample_count(profile) ? samples->time_us : last_us;
	int64_t shift_us = 0;

	if (profile->facts.wall_end_us)
		shift_us = (profile->facts.wall_end_us - last_us) / US_PER_S * US_PER_S;
	if (first_us + shift_us < 0)
		shift_us = 0;
	/* No capture begins at the epoch: that is how readers say that there is none. */
	return first_us + shift_us < US_PER_S ? shift_us + US_PER_S : shift_us;
}

int foreign_timing_open(struct foreign_profile *profile, uint32_t event,
			struct foreign_timing *ret_timing)
{
	struct foreign_sample *samples = (struct foreign_sample *)profile->samples.bytes;
	uint32_t count = foreign_profile_sample_count(profile);
	struct foreign_timing timing = { 0 };
	int64_t last_us = profile->last_time_us;
	int r;

	if (profile->out_of_order && count) {
		qsort(samples, count, sizeof(*samples), by_time);
		profile->out_of_order = 0;
		profile->last_time_us = last_us = samples[count - 1].time_us;
	}
	timing.shift_us = shift_of(profile, last_us);
	timing.end_us = (uint64_t)(last_us + timing.shift_us);
	r = find_frequency(&timing, profile, event);
	if (!r)
		r = count_cpus(&timing, profile, event);
	if (r < 0) {
		foreign_timing_close(&timing);
		return r;
	}
	*ret_timing = timing;
	return 0;
}

void foreign_timing_close(struct foreign_timing *timing)
{
	free(timing->lane_us);
	free(timing->lane_threads);
	free(timing->thread_lanes);
}
