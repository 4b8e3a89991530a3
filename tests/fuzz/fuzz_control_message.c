/* SPDX-License-Identifier: Apache-2.0 */
/* What comes over the control socket, in both directions: what is understood is said the same way. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "serve/control_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	uint8_t again[CONTROL_MESSAGE_SIZE_MAX];
	struct control_request request;
	struct control_reply reply;

	if (control_request_read(bytes, size, &request)) {
		control_request_write(&request, again);
		if (memcmp(again, bytes, size) != 0)
			abort();
	}
	if (control_reply_read(bytes, size, &reply)) {
		control_reply_write(&reply, again);
		/* All but the reserved bytes. */
		if (reply.error > 0 || memcmp(again, bytes, 12) != 0 ||
		    memcmp(again + 16, bytes + 16, 8) != 0)
			abort();
	}
	return 0;
}
