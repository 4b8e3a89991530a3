/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/rate_governor.h"

#include "base/clock.h"

struct rate_governor rate_governor_of(uint32_t asked_hz, uint64_t max_us_per_s, uint64_t now_ns)
{
	return (struct rate_governor){
		.asked_hz = asked_hz,
		.rate_hz = asked_hz,
		.max_us_per_s = max_us_per_s,
		.since_ns = now_ns + RATE_GOVERNOR_START_S * NS_PER_S,
	};
}

static void look_anew(struct rate_governor *governor, uint64_t now_ns, uint64_t cpu_us)
{
	governor->since_ns = now_ns;
	governor->since_cpu_us = cpu_us;
}

static uint32_t lower(const struct rate_governor *governor)
{
	uint64_t rate_hz = governor->rate_hz * governor->max_us_per_s * RATE_GOVERNOR_AIM / 100 /
			   governor->usage_us_per_s;

	if (rate_hz < governor->rate_hz / 2)
		rate_hz = governor->rate_hz / 2;
	return rate_hz ? (uint32_t)rate_hz : 1;
}

static uint32_t raise(const struct rate_governor *governor)
{
	uint64_t rate_hz = governor->rate_hz * (uint64_t)RATE_GOVERNOR_RAISE_BY / 100 + 1;

	return rate_hz < governor->asked_hz ? (uint32_t)rate_hz : governor->asked_hz;
}

bool rate_governor_tell(struct rate_governor *governor, uint64_t now_ns, uint64_t cpu_us)
{
	uint32_t before_hz = governor->rate_hz;
	uint64_t span_ns;

	if (!governor->max_us_per_s || now_ns < governor->since_ns)
		return false;
	if (!governor->since_cpu_us)
		look_anew(governor, now_ns, cpu_us);
	span_ns = now_ns - governor->since_ns;
	if (span_ns < RATE_GOVERNOR_LOWER_S * NS_PER_S)
		return false;
	governor->usage_us_per_s = (cpu_us - governor->since_cpu_us) * NS_PER_MS / (span_ns / 1000);
	if (governor->usage_us_per_s > governor->max_us_per_s)
		governor->rate_hz = lower(governor);
	else if (span_ns < RATE_GOVERNOR_RAISE_S * NS_PER_S)
		return false;
	else if (governor->usage_us_per_s * 100 < governor->max_us_per_s * RATE_GOVERNOR_RAISE)
		governor->rate_hz = raise(governor);
	look_anew(governor, now_ns, cpu_us);
	return governor->rate_hz != before_hz;
}
