/* SPDX-License-Identifier: Apache-2.0 */
#include "base/count_text.h"

#include <inttypes.h>
#include <stdio.h>

const char *count_text(uint64_t value, char buffer[COUNT_TEXT_SIZE])
{
	char digits[COUNT_TEXT_SIZE];
	int count = snprintf(digits, sizeof(digits), "%" PRIu64, value);
	char *at = buffer;

	for (int i = 0; i < count; i++) {
		if (i && (count - i) % 3 == 0)
			*at++ = ',';
		*at++ = digits[i];
	}
	*at = '\0';
	return buffer;
}
