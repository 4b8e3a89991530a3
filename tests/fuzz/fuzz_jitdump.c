/* SPDX-License-Identifier: Apache-2.0 */
/* A jitdump of any bytes, in two parts; the first byte says where it is cut. */
#include "fuzz_jit.h"
#include "symbolize/jitdump.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	CLEANUP(jit_loads_writer_free) struct jit_loads_writer writer = jit_loads_writer_new();
	struct jitdump_part part = { .is_start = true, .now_ns = 1000000, .size_max = 32768 };
	size_t cut;

	if (!size)
		return 0;
	cut = bytes[0] * (size - 1) / 255;
	part.file_left = --size;
	bytes++;
	if (jitdump_parse(bytes, cut, &part, &writer) < 0)
		return 0;
	if (part.used > size)
		abort();
	bytes += part.used;
	part.file_left = size -= part.used;
	part.is_start = part.used == 0;
	if (jitdump_parse(bytes, size, &part, &writer) == 0 && part.used > size)
		abort();
	fuzz_jit_check(&writer);
	return 0;
}
