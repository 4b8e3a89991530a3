/* SPDX-License-Identifier: Apache-2.0 */
#include "base/covering.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int covering_open(size_t count_max, struct covering *ret_covering)
{
	struct covering covering = { .count_max = count_max };

	covering.heap = calloc(count_max + 1, sizeof(*covering.heap));
	if (!covering.heap)
		return -ENOMEM;
	*ret_covering = covering;
	return 0;
}

void covering_close(struct covering *covering)
{
	free(covering->heap);
	*covering = (struct covering){ 0 };
}

void covering_add(struct covering *covering, struct covering_range range)
{
	struct covering_range *heap = covering->heap;
	size_t at = covering->count++;

	assert(covering->count <= covering->count_max);
	while (at && heap[(at - 1) / 2].rank < range.rank) {
		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap[at] = range;
}

static void drop_top(struct covering *covering)
{
	struct covering_range *heap = covering->heap, last = heap[--covering->count];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= covering->count)
			break;
		if (child + 1 < covering->count && heap[child + 1].rank > heap[child].rank)
			child++;
		if (heap[child].rank < last.rank)
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = last;
}

const struct covering_range *covering_top(struct covering *covering, uint64_t address)
{
	while (covering->count && covering->heap[0].end <= address)
		drop_top(covering);
	return covering->count ? &covering->heap[0] : NULL;
}
