/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shares MS: twenty functions, the Nth of which takes N of every 210 parts of the time, in a random order and
 * under a random number of callers, so that nothing keeps step with whoever samples it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "chain.h"

static uint64_t random_state = 1;

static unsigned int random_below(unsigned int limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)(random_state >> 33) % limit;
}

#define SHARE(number)                                                                              \
	CALLED static void share_##number(int rounds)                                              \
	{                                                                                          \
		for (int i = 0; i < rounds; i++)                                                   \
			chain_value = chain_value * 6364136223846793005u + number;                 \
		NOT_LAST;                                                                          \
	}

/* clang-format off */
SHARE(1) SHARE(2) SHARE(3) SHARE(4) SHARE(5)
SHARE(6) SHARE(7) SHARE(8) SHARE(9) SHARE(10)
SHARE(11) SHARE(12) SHARE(13) SHARE(14) SHARE(15)
SHARE(16) SHARE(17) SHARE(18) SHARE(19) SHARE(20)
	/* clang-format on */

	static void (*const shares[])(int) = {
		share_1,  share_2,  share_3,  share_4,	share_5,  share_6,  share_7,
		share_8,  share_9,  share_10, share_11, share_12, share_13, share_14,
		share_15, share_16, share_17, share_18, share_19, share_20,
	};

CALLED static void go_down(int left, int share, int rounds)
{
	char padding[48];

	__asm__ volatile("" : : "r"(padding) : "memory");
	if (left > 0)
		go_down(left - 1, share, rounds);
	else
		shares[share](rounds);
	NOT_LAST;
}

int main(int argument_count, char **arguments)
{
	int milliseconds = argument_count > 1 ? atoi(arguments[1]) : 1000;
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		for (int i = 0; i < 100; i++) {
			int share = (int)random_below(20);

			go_down((int)random_below(24), share, (share + 1) * 2000);
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 <
		 milliseconds);
	return 0;
}
