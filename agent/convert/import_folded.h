/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folded stacks: a line for each stack, "process;main;work 42", as flamegraph.pl reads them
 * (github.com/brendangregg/FlameGraph).
 *
 * They have no times: see convert/timeless.h. The first name is taken for the process. Endings that
 * say what kind of code a name is ("_[k]", "_[i]", "_[j]") are taken for that.
 */
#ifndef FLICKERSCOPE_IMPORT_FOLDED_H
#define FLICKERSCOPE_IMPORT_FOLDED_H

#include <stdbool.h>
#include <stddef.h>

struct foreign_profile;
struct input_bytes;

/* Whether @line may be one of such a file. */
bool import_folded_is_line(const char *line, size_t size);

/* Returns 0 or -errno, logged. */
int import_folded(struct input_bytes *input, struct foreign_profile *profile);

#endif
