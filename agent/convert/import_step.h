/* SPDX-License-Identifier: Apache-2.0 */
/* What the importers of all formats share. */
#ifndef FLICKERSCOPE_IMPORT_STEP_H
#define FLICKERSCOPE_IMPORT_STEP_H

#include <errno.h>

#include "convert/foreign_profile.h"
#include "convert/input_bytes.h"

/* Says what a foreign_profile_...() that returned @r met. Returns -errno. */
static inline int import_step_failed(const struct input_bytes *input,
				     const struct foreign_profile *profile, int r)
{
	if (r != FOREIGN_PROFILE_FULL)
		return r;
	input_bytes_bad_offset(input, input_bytes_offset(input),
			       "it has more %s than can be held: split it",
			       foreign_profile_full(profile));
	return -EFBIG;
}

#endif
