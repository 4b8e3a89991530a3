/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folded stacks: a line for each stack, "process;main;work 42", as flamegraph.pl reads them
 * (github.com/brendangregg/FlameGraph).
 *
 * They have no times: to be seen on a map, the samples of each line are laid out one after another, at
 * IMPORT_TIMELESS_HZ, on one CPU. The first name is taken for the process. A file that counts
 * something in great numbers (bytes, nanoseconds) is scaled down to FOLDED_SAMPLES_MAX samples. The
 * capture's note says so.
 */
#ifndef FLICKERSCOPE_IMPORT_FOLDED_H
#define FLICKERSCOPE_IMPORT_FOLDED_H

#include <stdbool.h>
#include <stddef.h>

struct foreign_profile;
struct input_bytes;

enum import_folded_limits {
	FOLDED_SAMPLES_MAX = 8388608,
};

/* Whether @line may be one of such a file. */
bool import_folded_is_line(const char *line, size_t size);

/* Returns 0 or -errno, logged. */
int import_folded(struct input_bytes *input, struct foreign_profile *profile);

#endif
