/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker that was taken over may send: any packet, with a memfd of any size and seals. What
 * is accepted must be mapped whole and for good.
 *
 * Input: seals (1 byte; 0xff: no descriptor), size of the memfd (2), then the packet.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "worker/worker_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { JOB = 0x01020304 };

static volatile unsigned char sink;

static int make_result(uint8_t seals, uint16_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, size) < 0)
		abort();
	fcntl(fd, F_ADD_SEALS, seals & 0x1f);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct bytes_reader reader = bytes_reader_of(bytes, size);
	uint8_t seals = bytes_read_u8(&reader);
	uint16_t result_size = bytes_read_u16(&reader);
	CLEANUP(fd_close) int fd = -1;
	struct worker_result result = { 0 };
	int outcome = 0;

	if (reader.failed)
		return 0;
	if (seals != 0xff)
		fd = make_result(seals, result_size);
	if (worker_reply_accept(reader.at, bytes_left(&reader), fd, JOB, &outcome, &result))
		return 0;
	if (outcome >= WORKER_OUTCOME_FIRST && outcome != WORKER_TOO_LARGE)
		abort();
	if (result.size && (outcome || result.size != result_size || !(seals & F_SEAL_WRITE)))
		abort();
	/* Nobody can take the bytes away any more. */
	if (result.size && ftruncate(fd, 0) == 0)
		abort();
	for (size_t i = 0; i < result.size; i++)
		sink = ((const unsigned char *)result.bytes)[i];
	worker_result_free(&result);
	return 0;
}
