/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `perf script` text, of any version and with any fields that leave times and stacks.
 *
 * Made for large files: a line that was seen before is not taken apart again but known by a seeded
 * 64-bit hash of its bytes, and so is a stack by the hash of its frames. A collision would show one
 * frame or stack as another once in many billions. Lines that are no part of a sample (branch stacks,
 * source lines, warnings of perf) are passed over, and their number is said.
 *
 * Samples of the idle process are left out and counted when their stack says so, or is none. Where no
 * sample has a time, they are laid out one after another, as folded stacks are.
 */
#ifndef FLICKERSCOPE_IMPORT_PERF_SCRIPT_H
#define FLICKERSCOPE_IMPORT_PERF_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

struct foreign_profile;
struct input_bytes;

/* Whether @line begins a sample: the file is `perf script` text. */
bool import_perf_script_is_line(const char *line, size_t size);

/* Returns 0 or -errno, logged. */
int import_perf_script(struct input_bytes *input, struct foreign_profile *profile);

#endif
