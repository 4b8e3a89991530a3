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

/* One of @parts parts of them, but at least @least and at most @most. */
uint32_t descriptors_share(uint32_t parts, uint32_t least, uint32_t most);

/* Whether what failed with this -errno failed because none is left, of the process or of the host. */
bool descriptors_are_short(int error);

/* ... or for want of memory: what is there again later, so that it may be tried again. */
bool is_shortage(int error);

#endif
