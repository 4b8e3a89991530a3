/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/cpu_list.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

#define ONLINE_PATH "/sys/devices/system/cpu/online"

enum {
	LIST_TEXT_SIZE_MAX = 16384, /* every other one of 4,096 CPUs */
	CPU_NUMBER_MAX = 1 << 20,   /* no kernel has so many */
};

/* Parses "7" or "3-5" at *at and moves it behind. */
static bool parse_range(const char **at, unsigned long *ret_first, unsigned long *ret_last)
{
	char *end;

	if (!isdigit((unsigned char)**at))
		return false;
	*ret_first = *ret_last = strtoul(*at, &end, 10);
	if (*end == '-') {
		if (!isdigit((unsigned char)end[1]))
			return false;
		*ret_last = strtoul(end + 1, &end, 10);
	}
	*at = end;
	return *ret_first <= *ret_last && *ret_last < CPU_NUMBER_MAX;
}

int cpu_list_parse(const char *text, struct cpu_list *ret_list)
{
	struct cpu_list list = { 0 };
	const char *at = text;

	for (;;) {
		unsigned long first, last;

		if (!parse_range(&at, &first, &last))
			return -EINVAL;
		for (unsigned long cpu = first; cpu <= last; cpu++) {
			if (cpu >= SAMPLE_CPUS_MAX) {
				list.beyond_count++;
				continue;
			}
			list.count += !list.has[cpu];
			list.has[cpu] = true;
			if (list.end <= cpu)
				list.end = (uint32_t)cpu + 1;
		}
		if (*at != ',')
			break;
		at++;
	}
	if (*at == '\n')
		at++;
	if (*at != '\0')
		return -EINVAL;
	*ret_list = list;
	return 0;
}

int cpu_list_open_online(int *ret_fd)
{
	int fd = open(ONLINE_PATH, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return log_errno(-errno, "open " ONLINE_PATH);
	*ret_fd = fd;
	return 0;
}

int cpu_list_online(int online_fd, struct cpu_list *ret_list)
{
	char text[LIST_TEXT_SIZE_MAX];
	ssize_t size = pread(online_fd, text, sizeof(text) - 1, 0);

	if (size < 0)
		return -errno;
	text[size] = '\0';
	return cpu_list_parse(text, ret_list);
}
