/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/xz_payload.h"

#include <errno.h>
#include <lzma.h>

#include "base/cleanup.h"
#include "elf/executable_file.h"

enum { PIECE_SIZE = 64 << 10 };

static void cleanup_stream_end(lzma_stream *stream)
{
	lzma_end(stream);
}

static int outcome_of(lzma_ret r)
{
	switch (r) {
	case LZMA_STREAM_END:
		return 0;
	case LZMA_MEM_ERROR:
		return -ENOMEM;
	case LZMA_MEMLIMIT_ERROR:
		return EXECUTABLE_TOO_LARGE;
	default:
		return EXECUTABLE_MALFORMED; /* LZMA_BUF_ERROR: cut */
	}
}

int xz_payload_unpack(const void *packed, size_t packed_size, struct bytes_writer *ret_bytes)
{
	CLEANUP(stream_end) lzma_stream stream = LZMA_STREAM_INIT;
	size_t size_before = ret_bytes->size;
	lzma_ret r;

	r = lzma_stream_decoder(&stream, XZ_PAYLOAD_DICTIONARY_MAX, 0);
	if (r != LZMA_OK)
		return outcome_of(r);
	stream.next_in = packed;
	stream.avail_in = packed_size;
	do {
		stream.next_out = bytes_writer_extend(ret_bytes, PIECE_SIZE);
		if (!stream.next_out || ret_bytes->size - size_before > XZ_PAYLOAD_SIZE_MAX)
			return EXECUTABLE_TOO_LARGE;
		stream.avail_out = PIECE_SIZE;
		r = lzma_code(&stream, LZMA_FINISH);
		ret_bytes->size -= stream.avail_out;
	} while (r == LZMA_OK);
	return outcome_of(r);
}
