/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the privileged process: whatever the agent, taken over, may send. The first byte chooses
 * what comes along; the rest is the packet.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "privileged/privileged_server.h"
#include "privileged/process_files.h"

static void require(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct process_files *files;
	static struct privileged_result result;
	static int fds[4];

	if (!files) {
		require(process_files_new(&files) == 0);
		fds[0] = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
		fds[1] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		fds[2] = memfd_create("file", MFD_CLOEXEC);
		fds[3] = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (!size)
		return 0;
	privileged_server_answer(files, data + 1, size - 1, fds + data[0] % ARRAY_SIZE(fds),
				 data[0] / ARRAY_SIZE(fds) % 2, &result);
	require(!result.reply.result || result.fd < 0);
	require(result.fd < 0 || (fcntl(result.fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
	fd_close(result.fd);
	return 0;
}
