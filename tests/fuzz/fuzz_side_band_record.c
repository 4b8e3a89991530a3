/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as one record of the side band: first as they are, then with the size that the header
 * would need to get past the first check.
 */
#include "collect/side_band_record.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void parse(const uint8_t *record, size_t size)
{
	struct side_band_event event;

	if (side_band_record_parse(record, size, &event) != 0)
		return;
	if (strlen(event.name) != event.name_size ||
	    event.mapping.build_id_size > SIDE_BAND_BUILD_ID_SIZE_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	uint8_t *record;

	parse(bytes, size);
	if (size < 8 || size > SIDE_BAND_RECORD_SIZE_MAX)
		return 0;
	record = malloc(size);
	if (!record)
		return 0;
	memcpy(record, bytes, size);
	record[6] = (uint8_t)size;
	record[7] = (uint8_t)(size >> 8);
	parse(record, size);
	free(record);
	return 0;
}
