/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream that is packed in .gnu_debugdata, of any bytes: it unpacks within its limit, or to an
 * outcome.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "elf/xz_payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { PLAIN_SIZE_MAX = 4 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer plain = bytes_writer_with_max(PLAIN_SIZE_MAX);
	int r = xz_payload_unpack(bytes, size, &plain);

	if (plain.size > PLAIN_SIZE_MAX || r < 0)
		abort();
	return 0;
}
