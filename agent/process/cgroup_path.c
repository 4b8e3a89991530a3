/* SPDX-License-Identifier: Apache-2.0 */
#include "process/cgroup_path.h"

#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "process/text_line.h"

enum {
	CONTAINER_ID_DIGITS = 64,	/* of docker, containerd, CRI-O and podman */
	CONTAINER_ID_DIGITS_LEAST = 32, /* of older and smaller managers */
	CONTAINER_ID_DIGITS_SHOWN = 12,
};

/* "0::/path" or "4:memory:/path": leaves the reader at the path. */
static bool skip_hierarchy(struct bytes_reader *line)
{
	const uint8_t *colon;
	uint64_t number;

	if (!text_decimal(line, &number) || !text_skip(line, ':'))
		return false;
	colon = memchr(line->at, ':', bytes_left(line));
	if (!colon)
		return false;
	line->at = colon + 1;
	return bytes_left(line) > 0 && *line->at == '/';
}

size_t cgroup_path_of(const char *text, size_t size, char ret_path[CGROUP_PATH_SIZE_MAX])
{
	struct bytes_reader reader = bytes_reader_of(text, size), line, best = { 0 };

	while (text_line_next(&reader, &line)) {
		struct bytes_reader path = line;
		bool unified = text_skip_prefix(&line, "0::");

		if (!skip_hierarchy(&path))
			continue;
		if (bytes_left(&path) > bytes_left(&best))
			best = path;
		if (unified && bytes_left(&path) > 1) {
			best = path;
			break;
		}
	}
	size = bytes_left(&best);
	if (size > CGROUP_PATH_SIZE_MAX - 1)
		size = CGROUP_PATH_SIZE_MAX - 1;
	if (size)
		memcpy(ret_path, best.at, size);
	ret_path[size] = '\0';
	return size;
}

static size_t digits_at(const char *text, const char *end)
{
	size_t count = 0;

	while (text + count < end && ((text[count] >= '0' && text[count] <= '9') ||
				      (text[count] >= 'a' && text[count] <= 'f')))
		count++;
	return count;
}

/* "docker-ID.scope", "cri-containerd:ID", "ID": the id, at the end but for ".scope". */
static const char *find_id(const char *part, const char *end)
{
	const char *at = part;

	while (at < end) {
		size_t digits = digits_at(at, end);
		bool starts = at == part || at[-1] == '-' || at[-1] == ':' || at[-1] == '_';
		bool ends = at + digits == end || at[digits] == '.';

		if (starts && ends && digits >= CONTAINER_ID_DIGITS_LEAST &&
		    digits <= CONTAINER_ID_DIGITS)
			return at;
		at += digits ? digits : 1;
	}
	return NULL;
}

/* A container that is called by a name: what stands between prefix and suffix, or NULL. */
static const char *find_name(const char *part, const char *end, size_t *ret_size)
{
	static const struct {
		const char *prefix, *suffix;
	} forms[] = {
		{ "machine-", ".scope" }, /* systemd-nspawn and systemd-machined */
		{ "systemd-nspawn@", ".service" },
		{ "lxc.payload.", "" },
		{ "lxc.payload-", "" },
	};
	size_t size = (size_t)(end - part);

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		size_t prefix = strlen(forms[i].prefix), suffix = strlen(forms[i].suffix);

		if (size <= prefix + suffix || memcmp(part, forms[i].prefix, prefix) != 0 ||
		    memcmp(end - suffix, forms[i].suffix, suffix) != 0)
			continue;
		*ret_size = size - prefix - suffix;
		return part + prefix;
	}
	return NULL;
}

void cgroup_path_container(const char *path, char ret_container[CGROUP_CONTAINER_SIZE_MAX])
{
	const char *found = NULL;
	size_t size = 0;

	/* The innermost wins: a container may run containers. */
	for (const char *part = path; *part;) {
		const char *end = part + strcspn(part, "/");
		const char *name;
		size_t name_size = CONTAINER_ID_DIGITS_SHOWN;

		name = find_id(part, end);
		if (!name)
			name = find_name(part, end, &name_size);
		if (name) {
			found = name;
			size = name_size;
		}
		part = *end ? end + 1 : end;
	}
	if (size > CGROUP_CONTAINER_SIZE_MAX - 1)
		size = CGROUP_CONTAINER_SIZE_MAX - 1;
	if (found)
		memcpy(ret_container, found, size);
	ret_container[size] = '\0';
}
