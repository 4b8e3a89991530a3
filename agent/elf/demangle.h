/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns linker names into the names in the source: C++ (Itanium ABI), Rust (legacy and v0), by
 * libiberty.
 *
 * Names are hostile. libiberty recurses along the name and can print exponentially much of it, so
 * it only runs in the worker process, which has a large stack. Names of up to
 * DEMANGLE_PLAIN_SIZE_MAX get libiberty's own limit, those up to DEMANGLE_SIZE_MAX go without it,
 * longer ones stay as they are; and what is printed is stopped at DEMANGLED_SIZE_MAX.
 */
#ifndef FLICKERSCOPE_DEMANGLE_H
#define FLICKERSCOPE_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

enum demangle_limits {
	DEMANGLE_PLAIN_SIZE_MAX = 1024,
	DEMANGLE_SIZE_MAX = 16384,
	DEMANGLED_SIZE_MAX = 16384,    /* longer results are cut, with an ellipsis */
	DEMANGLE_BATCH_MAX = 1024,     /* names in one job */
	DEMANGLE_TIME_LIMIT_MS = 2000, /* for struct worker_job_type */
};

/* Whether a name looks mangled: a cheap test of its first bytes. Any thread. */
bool demangle_is_mangled(const char *name, size_t size);

/*
 * Demangles one name. Worker process only.
 *
 * @ret_text: not zero-terminated.
 *
 * Returns the size of the result, or 0 when the name cannot be demangled.
 */
size_t demangle_name(const char *name, size_t size, char ret_text[DEMANGLED_SIZE_MAX]);

/* A batch, of names or of results: appends one, and reads the next. An empty one is allowed. */
void demangle_batch_add(struct bytes_writer *batch, const char *name, size_t size);
bool demangle_batch_next(struct bytes_reader *batch, const char **ret_name, size_t *ret_size);

/*
 * A job for the worker process.
 *
 * @argument: a batch of names.
 * @ret_result: a batch of as many results in the same order; an empty one where the name stays.
 *
 * A name that defeats libiberty costs its whole batch: on WORKER_CRASHED or WORKER_TIMED_OUT
 * submit the names again one by one, so that only the bad one stays mangled.
 *
 * Returns 0, or -EINVAL for a batch that is too long or cut.
 */
int demangle_job(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result);

#endif
