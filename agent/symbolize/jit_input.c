/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/jit_input.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash_index.h"

/* Reads until @size bytes are there or the file ends: the number of them, or -errno. */
static ssize_t read_at(int fd, void *buffer, size_t size, uint64_t offset)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got = pread(fd, (char *)buffer + done, size - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

static uint64_t tail_hash(int fd, uint64_t offset)
{
	uint8_t tail[JIT_INPUT_TAIL_SIZE];
	size_t size = offset < sizeof(tail) ? (size_t)offset : sizeof(tail);
	ssize_t got = read_at(fd, tail, size, offset - size);

	return got > 0 ? stable_key(tail, (size_t)got, offset) : 0;
}

/* Whether the file still has what was read of it. */
static bool is_continued(int fd, uint64_t file_size, const struct jit_position *position)
{
	return position->offset && position->offset <= file_size &&
	       tail_hash(fd, position->offset) == position->tail_hash;
}

int jit_input_read(int fd, struct bytes_reader argument, uint64_t size_max,
		   struct jit_input *ret_input)
{
	struct jit_input input = {
		.fd = fd,
		.bytes = bytes_writer_with_max(JIT_INPUT_PART_SIZE_MAX),
	};
	struct stat status;
	uint64_t left;
	ssize_t got;
	void *place;

	if (!bytes_read_into(&argument, &input.position, sizeof(input.position)))
		return -EINVAL;
	if (fstat(fd, &status) < 0)
		return -errno;
	input.file_size = (uint64_t)status.st_size;
	if (!is_continued(fd, input.file_size, &input.position)) {
		input.restarted = true;
		input.position = (struct jit_position){ 0 };
		if (input.file_size > size_max)
			input.position.offset = input.file_size - size_max;
	}
	left = input.file_size - input.position.offset;
	if (left > JIT_INPUT_PART_SIZE_MAX)
		left = JIT_INPUT_PART_SIZE_MAX;
	place = left ? bytes_writer_extend(&input.bytes, (size_t)left) : NULL;
	got = place ? read_at(fd, place, (size_t)left, input.position.offset) : 0;
	if (got < 0 || (left && !place)) {
		bytes_writer_free(&input.bytes);
		return place ? (int)got : -ENOMEM;
	}
	input.bytes.size = (size_t)got; /* it may have become shorter meanwhile */
	*ret_input = input;
	return 0;
}

int jit_input_answer(const struct jit_input *input, uint64_t used, uint32_t flags,
		     struct jit_loads_writer *loads, struct bytes_writer *ret_result)
{
	struct jit_position next = input->position;
	bool is_behind = next.offset + input->bytes.size < input->file_size;

	next.offset += used;
	next.tail_hash = tail_hash(input->fd, next.offset);
	flags |= input->restarted ? JIT_LOADS_RESTARTED : 0;
	flags |= used && (is_behind || jit_loads_writer_is_full(loads)) ? JIT_LOADS_MORE : 0;
	return jit_loads_writer_finish(loads, next, flags, ret_result);
}
