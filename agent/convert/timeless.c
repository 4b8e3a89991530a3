/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/timeless.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

struct timeless timeless_open(struct foreign_profile *profile)
{
	return (struct timeless){
		.profile = profile,
		.counts = bytes_writer_with_max((size_t)FOREIGN_SAMPLES_MAX * sizeof(uint64_t)),
	};
}

void timeless_close(struct timeless *timeless)
{
	bytes_writer_free(&timeless->counts);
}

int timeless_add(struct timeless *timeless, const struct foreign_sample *sample, uint64_t count)
{
	struct foreign_sample row = *sample;
	int r;

	if (!count)
		return 0;
	if (count > INT64_MAX - timeless->totals[row.event])
		return TIMELESS_OVERFLOW;
	row.count = 0;
	row.time_us = 0;
	r = foreign_profile_sample(timeless->profile, &row);
	if (r)
		return r > 0 ? -EFBIG : r;
	timeless->totals[row.event] += count;
	bytes_write(&timeless->counts, &count, sizeof(count));
	return timeless->counts.failed ? -ENOMEM : 0;
}

static uint64_t scale_of(uint64_t total)
{
	return total > TIMELESS_SAMPLES_MAX
		       ? (total + TIMELESS_SAMPLES_MAX - 1) / TIMELESS_SAMPLES_MAX
		       : 1;
}

static void make_note(struct timeless *timeless, uint32_t frequency_mhz, const char *what)
{
	struct foreign_facts *facts = &timeless->profile->facts;
	uint64_t scale = scale_of(timeless->totals[0]);
	int size = snprintf(facts->note, sizeof(facts->note),
			    "%s no times: the samples are laid out one after another, %g a second",
			    what, frequency_mhz / 1e3);

	if (scale > 1)
		size += snprintf(facts->note + size, sizeof(facts->note) - (size_t)size,
				 ", one for %" PRIu64 " counts", scale);
	snprintf(facts->note + size, sizeof(facts->note) - (size_t)size, ".");
}

void timeless_lay_out(struct timeless *timeless, uint32_t frequency_mhz, const char *what)
{
	struct foreign_profile *profile = timeless->profile;
	struct foreign_sample *samples = (struct foreign_sample *)profile->samples.bytes;
	const uint64_t *counts = (const uint64_t *)timeless->counts.bytes;
	uint64_t counted[FOREIGN_EVENTS_MAX] = { 0 }, placed[FOREIGN_EVENTS_MAX] = { 0 };
	uint32_t step_us = 1000000000 / frequency_mhz,
		 count = foreign_profile_sample_count(profile);

	for (uint32_t i = 0; i < count; i++) {
		uint32_t event = samples[i].event;
		uint64_t end;

		/* Up to where the sum of all counts so far reaches: rounding never adds up. */
		counted[event] += counts[i];
		end = counted[event] / scale_of(timeless->totals[event]);
		samples[i].count = (uint32_t)(end - placed[event]);
		samples[i].time_us = (int64_t)(placed[event] * step_us);
		placed[event] = end;
	}
	profile->last_time_us = 0;
	for (uint32_t event = 0; event < profile->event_count; event++) {
		int64_t last_us = (int64_t)(placed[event] * step_us);

		profile->events[event].sample_count = placed[event];
		profile->events[event].frequency_mhz = frequency_mhz;
		if (last_us > profile->last_time_us)
			profile->last_time_us = last_us;
	}
	/* Of several events each starts at 0. */
	profile->out_of_order = profile->event_count > 1;
	profile->facts.cpu_count = 1;
	profile->facts.step_us = step_us;
	make_note(timeless, frequency_mhz, what);
}
