/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of options (--config) as the service has it: whatever is in it, it is taken or refused, and
 * what is taken is within its bounds.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "commands/commands.h"
#include "commands/options.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int file_fd = -1, null_fd = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	file_fd = memfd_create("options", MFD_CLOEXEC);
	null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (file_fd < 0 || null_fd < 0 || fchmod(file_fd, 0600) < 0)
		abort();
	return 0;
}

static void check(const struct options *options)
{
	if (options->frequency_hz < 1 || options->frequency_hz > SAMPLE_FREQUENCY_MAX_HZ ||
	    options->pid_count > OPTIONS_PIDS_MAX || options->host_count > OPTIONS_HOSTS_MAX ||
	    options->cgroup_count > SAMPLE_CGROUPS_MAX || options->user_count > SAMPLE_USERS_MAX ||
	    options->debuginfod_url_count > OPTIONS_DEBUGINFOD_URLS_MAX ||
	    options->window_s > OPTIONS_WINDOW_MAX_S ||
	    options->memory_bytes < OPTIONS_MEMORY_LEAST ||
	    !options->tls_certificate != !options->tls_key)
		abort();
	for (uint32_t i = 0; i < options->host_count; i++)
		if (strlen(options->hosts[i]) >= OPTIONS_CONFIG_SIZE_MAX)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char name[] = "live", option[] = "--config", path[32];
	char *arguments[] = { name, option, path, NULL };
	static struct options options;
	int standard_error, r;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file_fd);
	if (ftruncate(file_fd, 0) < 0 || pwrite(file_fd, bytes, size, 0) != (ssize_t)size)
		abort();
	/* Each refusal says so in a line. */
	standard_error = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	dup2(null_fd, STDERR_FILENO);
	r = options_parse(&usage_live, 3, arguments, &options);
	dup2(standard_error, STDERR_FILENO);
	close(standard_error);
	log_set_level(LOG_LEVEL_INFO);
	if (r == 0)
		check(&options);
	return 0;
}
