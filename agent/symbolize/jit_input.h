/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The next part of a file that grows, for jobs in the worker process: from where the last one
 * stopped, or from the start when what was there has been written anew.
 */
#ifndef FLICKERSCOPE_JIT_INPUT_H
#define FLICKERSCOPE_JIT_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "symbolize/jit_loads.h"

enum jit_input_limits {
	JIT_INPUT_PART_SIZE_MAX = 8 << 20, /* that one job takes in */
	JIT_INPUT_TAIL_SIZE = 64,	   /* by which what was read is known again */
};

struct jit_input {
	int fd; /* borrowed */
	uint64_t file_size;
	struct jit_position position; /* of the first byte */
	struct bytes_writer bytes;
	bool restarted;
};

static inline void cleanup_jit_input_free(struct jit_input *input)
{
	bytes_writer_free(&input->bytes);
}

/*
 * @argument: the struct jit_position at which to go on.
 * @size_max: of the file; of a larger one that is read from its start, the end counts.
 *
 * Returns 0 or -errno.
 */
int jit_input_read(int fd, struct bytes_reader argument, uint64_t size_max,
		   struct jit_input *ret_input);

/* What the worker answers when @used bytes are done with. Returns 0, -ENOMEM or -EFBIG. */
int jit_input_answer(const struct jit_input *input, uint64_t used, uint32_t flags,
		     struct jit_loads_writer *loads, struct bytes_writer *ret_result);

#endif
