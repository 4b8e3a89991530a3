/* SPDX-License-Identifier: Apache-2.0 */
/* Loads of code as a worker that has been taken over might answer them. */
#include "fuzz_jit.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	/* Aligned, and as long as it is, not longer. */
	CLEANUP(memory_free) void *copy = malloc(size + !size);

	memcpy(copy, bytes, size);
	fuzz_jit_add(copy, size);
	return 0;
}
