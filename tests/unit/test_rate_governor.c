/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/rate_governor.h"

#include "base/clock.h"
#include "check.h"

/* An agent that takes @fixed_us a second and @sample_us for each sample on @cpus CPUs. */
struct load {
	struct rate_governor governor;
	uint64_t now_ns, cpu_us;
	uint64_t fixed_us, sample_us, cpus;
	unsigned int changes;
};

static void run(struct load *load, unsigned int seconds)
{
	while (seconds--) {
		load->now_ns += NS_PER_S;
		load->cpu_us +=
			load->fixed_us + load->sample_us * load->cpus * load->governor.rate_hz;
		load->changes += rate_governor_tell(&load->governor, load->now_ns, load->cpu_us);
	}
}

static uint64_t usage(const struct load *load)
{
	return load->fixed_us + load->sample_us * load->cpus * load->governor.rate_hz;
}

static struct load load_of(uint64_t max_us_per_s)
{
	return (struct load){
		.governor = rate_governor_of(999, max_us_per_s, 5 * NS_PER_S),
		.now_ns = 5 * NS_PER_S,
		.fixed_us = 1000,
		.sample_us = 5,
		.cpus = 8,
	};
}

static void without_a_limit_the_rate_stays(void)
{
	struct load load = load_of(0);

	run(&load, 100);
	CHECK_EQ(load.changes, 0);
	CHECK_EQ(load.governor.rate_hz, 999);
}

static void what_is_taken_at_the_start_is_not_held_against_it(void)
{
	struct load load = load_of(50000);

	load.cpu_us = 3000000;
	run(&load, RATE_GOVERNOR_START_S - 1);
	load.cpu_us += 9000000;
	run(&load, 60);
	CHECK_EQ(load.changes, 0);
}

static void the_rate_falls_to_what_may_be_taken_and_stays_there(void)
{
	struct load load = load_of(20000);

	run(&load, 30);
	CHECK(usage(&load) <= 20000 && usage(&load) >= 14000);
	load.changes = 0;
	run(&load, 600);
	CHECK_EQ(load.changes, 0);
}

static void it_rises_again_when_the_load_goes(void)
{
	struct load load = load_of(20000);

	run(&load, 30);
	CHECK(load.governor.rate_hz < 600);
	load.cpus = 1;
	run(&load, 120);
	CHECK_EQ(load.governor.rate_hz, 999);
	load.changes = 0;
	load.cpus = 64;
	run(&load, RATE_GOVERNOR_RAISE_S + 6 * RATE_GOVERNOR_LOWER_S);
	CHECK(usage(&load) <= 20000);
}

static void what_cannot_be_held_ends_at_one_hertz(void)
{
	struct load load = load_of(1000);

	load.fixed_us = 5000;
	run(&load, 100);
	CHECK_EQ(load.governor.rate_hz, 1);
}

TESTS(TEST(without_a_limit_the_rate_stays), TEST(what_is_taken_at_the_start_is_not_held_against_it),
      TEST(the_rate_falls_to_what_may_be_taken_and_stays_there),
      TEST(it_rises_again_when_the_load_goes), TEST(what_cannot_be_held_ends_at_one_hertz))
