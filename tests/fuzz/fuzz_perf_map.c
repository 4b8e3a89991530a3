/* SPDX-License-Identifier: Apache-2.0 */
/* A perf map of any bytes: what was used of it is no more than there is, and its loads are accepted. */
#include "fuzz_jit.h"
#include "symbolize/perf_map_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	CLEANUP(jit_loads_writer_free) struct jit_loads_writer writer = jit_loads_writer_new();

	if (perf_map_text_parse((const char *)bytes, size, &writer) > size)
		abort();
	fuzz_jit_check(&writer);
	return 0;
}
