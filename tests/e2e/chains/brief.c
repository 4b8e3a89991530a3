/* SPDX-License-Identifier: Apache-2.0 */
/* A program that burns in brief_work for a fraction of a millisecond, and ends. */
#include "chain.h"

CALLED static void brief_work(void)
{
	for (int i = 0; i < 200000; i++)
		chain_value = chain_value * 6364136223846793005u + 1442695040888963407u;
	NOT_LAST;
}

int main(void)
{
	brief_work();
	return 0;
}
