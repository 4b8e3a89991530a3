/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netflix's own format (github.com/Netflix/nflxprofile, nflxprofile.proto): nodes, the node of each
 * sample, and the seconds between them.
 *
 * A node has its whole stack, or a parent. Where it has a stack, its own name is that of the process;
 * else the outermost node below "root" is. As FlameScope reads it, the first sample comes one
 * difference after the start.
 */
#ifndef FLICKERSCOPE_IMPORT_NFLXPROFILE_H
#define FLICKERSCOPE_IMPORT_NFLXPROFILE_H

#include <stdbool.h>

struct foreign_profile;
struct foreign_text;
struct input_bytes;

/* Whether a file that begins with @front may be one: with its start and its end as doubles. */
bool import_nflxprofile_knows(const struct foreign_text *front);

/* Returns 0 or -errno, logged. */
int import_nflxprofile(struct input_bytes *input, struct foreign_profile *profile);

#endif
