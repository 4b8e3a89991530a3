/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker_reply.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/bytes.h"
#include "worker/worker_message.h"

enum {
	SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL,
	ERRNO_MAX = 4095, /* of the kernel */
};

void worker_result_free(struct worker_result *result)
{
	if (result->bytes)
		munmap((void *)result->bytes, result->size);
	*result = (struct worker_result){ 0 };
}

static bool outcome_is_allowed(int32_t outcome)
{
	return (outcome >= -ERRNO_MAX && outcome < WORKER_OUTCOME_FIRST) ||
	       outcome == WORKER_TOO_LARGE;
}

/* Only memfds have seals. One of huge pages is refused: its pages can be missing in spite of them. */
static bool is_sealed_memory(int fd, uint64_t size)
{
	struct stat status;
	struct statfs filesystem;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS)
		return false;
	if (fstatfs(fd, &filesystem) < 0 || filesystem.f_type != TMPFS_MAGIC)
		return false;
	return fstat(fd, &status) == 0 && (uint64_t)status.st_size == size;
}

static int map_result(int fd, uint64_t size, struct worker_result *ret_result)
{
	void *bytes;

	if (!is_sealed_memory(fd, size))
		return WORKER_BAD_REPLY;
	bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	*ret_result = (struct worker_result){ .bytes = bytes, .size = size };
	return 0;
}

int worker_reply_accept(const void *bytes, size_t size, int fd, uint32_t job, int *ret_outcome,
			struct worker_result *ret_result)
{
	struct bytes_reader reader = bytes_reader_of(bytes, size);
	struct worker_reply reply;
	int r;

	if (!bytes_read_into(&reader, &reply, sizeof(reply)) || bytes_left(&reader))
		return WORKER_BAD_REPLY;
	if (reply.job != job || !outcome_is_allowed(reply.outcome) ||
	    reply.result_size > WORKER_RESULT_SIZE_MAX)
		return WORKER_BAD_REPLY;
	if ((reply.result_size != 0) != (fd >= 0) || (reply.outcome && reply.result_size))
		return WORKER_BAD_REPLY;
	*ret_result = (struct worker_result){ 0 };
	if (reply.result_size) {
		r = map_result(fd, reply.result_size, ret_result);
		if (r)
			return r;
	}
	*ret_outcome = reply.outcome;
	return 0;
}

int worker_result_seal(const void *bytes, size_t size)
{
	CLEANUP(fd_close)
	int fd = memfd_create("flickerscope-table", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	r = bytes_to_fd(fd, bytes, size);
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	return TAKE_FD(fd);
}
