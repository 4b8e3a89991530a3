/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptors that this process may have open (RLIMIT_NOFILE), for those who hold many of them: each has a share, so
 * that all together leave some, and what finds none has to wait and is tried again.
 *
 * Sources: getrlimit(2); EMFILE and ENFILE of open(2). Any thread.
 */
#ifndef FLICKERSCOPE_DESCRIPTORS_H
#define FLICKERSCOPE_DESCRIPTORS_H

#include <stdbool.h>
#include <stdint.h>

enum shortage_limits {
	SHORTAGES_MAX = 4,	  /* tries of one thing that end with a shortage, ... */
	SHORTAGE_PAUSE_MS = 5000, /* ... the second one after this, then twice that, ... */
};

/* One of @parts parts of them, but at least @least and at most @most. */
uint32_t descriptors_share(uint32_t parts, uint32_t least, uint32_t most);

/* Whether what failed with this -errno failed because none is left, of the process or of the host. */
bool descriptors_are_short(int error);

/* ... or for want of memory: what is there again later, so that it may be tried again. */
bool is_shortage(int error);

/*
 * Counts a try that ended with a shortage in @shortages: not for ever, as a limit of the thing's own may be what was met.
 *
 * Returns the nanoseconds to wait before the next one; 0: @error is no shortage, or was the last that counts.
 */
uint64_t shortage_pause_ns(uint32_t *shortages, int error);

#endif
