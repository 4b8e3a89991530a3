/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the privileged process: whatever the agent, taken over, may send. The first byte chooses
 * what comes along; the rest is the packet.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "privileged/privileged_server.h"
#include "privileged/process_files.h"

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* Slabs are for writing; all else is not. */
static bool is_slab(const uint8_t *packet)
{
	uint32_t kind;

	memcpy(&kind, packet, sizeof(kind));
	return kind == PRIVILEGED_CREATE_SLABS;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct privileged_server server = { .command_fd = -1 };
	static struct privileged_result result;
	static int fds[5];

	if (!server.files) {
		require(process_files_new(&server.files) == 0);
		fds[0] = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
		fds[1] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		fds[2] = memfd_create("file", MFD_CLOEXEC);
		fds[3] = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		fds[4] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	}
	if (!size)
		return 0;
	privileged_server_answer(&server, data + 1, size - 1, fds + data[0] % ARRAY_SIZE(fds),
				 data[0] / ARRAY_SIZE(fds) % 2, &result);
	for (size_t i = 0; i < ARRAY_SIZE(result.fds); i++)
		require(result.fds[i] < 0 || (!result.packet.reply.result &&
					      (is_slab(data + 1) || (fcntl(result.fds[i], F_GETFL) &
								     O_ACCMODE) == O_RDONLY)));
	require(result.body_size <= sizeof(result.packet.body));
	require(!result.packet.reply.result || (!result.body_size && !result.packet.reply.number));
	privileged_result_close(&result);
	return 0;
}
