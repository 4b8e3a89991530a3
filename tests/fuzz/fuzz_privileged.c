/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the privileged process: whatever the agent, taken over, may send. The first byte chooses
 * what comes along; the rest is the packet.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "privileged/debug_folder.h"
#include "privileged/privileged_server.h"
#include "privileged/process_files.h"

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* Slabs, events and new files are for writing; all else is not. */
static bool is_for_writing(const uint8_t *packet)
{
	uint32_t kind;

	memcpy(&kind, packet, sizeof(kind));
	return kind == PRIVILEGED_CREATE_SLABS || kind == PRIVILEGED_CREATE_DUMP ||
	       kind == PRIVILEGED_BEGIN_DEBUG_FILE || kind == PRIVILEGED_OPEN_CPU;
}

/*
 * Both kinds of files are made in a folder of their own inside of another one, which holds nothing else, and is empty
 * again afterwards.
 */
static char outer[] = "/tmp/flickerscope-fuzz-XXXXXX", inner[64];

static int count_files(const char *path, bool removes)
{
	CLEANUP(dir_close) DIR *folder = opendir(path);
	const struct dirent *entry;
	int count = 0;

	require(folder != NULL);
	while ((entry = readdir(folder)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			count++;
			if (removes)
				unlinkat(dirfd(folder), entry->d_name, 0);
		}
	return count;
}

static void remove_folders(void)
{
	rmdir(inner);
	rmdir(outer);
}

static int make_folders(void)
{
	int fd;

	require(mkdtemp(outer) != NULL);
	snprintf(inner, sizeof(inner), "%s/inner", outer);
	require(debug_folder_open(inner, &fd) == 0);
	atexit(remove_folders);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct privileged_server server = PRIVILEGED_SERVER_NONE;
	static struct privileged_result result;
	static int fds[5];
	int begun;

	if (!server.files) {
		require(process_files_new(&server.files) == 0);
		server.debug_folder_fd = make_folders();
		server.dump_folder_fd = server.debug_folder_fd;
		fds[0] = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
		fds[1] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		fds[2] = memfd_create("file", MFD_CLOEXEC);
		fds[3] = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		fds[4] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	}
	if (!size)
		return 0;
	/* One that can be ended. */
	require(debug_folder_begin(server.debug_folder_fd, "00", &begun) == 0);
	close(begun);
	privileged_server_answer(&server, data + 1, size - 1, fds + data[0] % ARRAY_SIZE(fds),
				 data[0] / ARRAY_SIZE(fds) % 2, &result);
	for (size_t i = 0; i < ARRAY_SIZE(result.fds); i++)
		require(result.fds[i] < 0 ||
			(!result.packet.reply.result &&
			 (is_for_writing(data + 1) ||
			  (fcntl(result.fds[i], F_GETFL) & O_ACCMODE) == O_RDONLY)));
	require(result.body_size <= sizeof(result.packet.body));
	require(!result.packet.reply.result || (!result.body_size && !result.packet.reply.number));
	privileged_result_close(&result);
	/* A request makes one more at most, where it may. */
	require(count_files(inner, true) <= 2);
	require(count_files(outer, false) == 1);
	return 0;
}
