/* SPDX-License-Identifier: Apache-2.0 */
#include "privileged/mount_info.h"

#include <string.h>

struct mount_row {
	uint64_t id;
	uint32_t major;
	uint32_t minor;
	const char *point; /* octal escapes included */
	size_t point_size;
	bool is_fuse;
	bool is_cgroups; /* all of version 2 */
};

struct cursor {
	const char *at;
	const char *end;
};

static bool read_number(struct cursor *cursor, uint64_t *ret_number)
{
	uint64_t number = 0;
	const char *begin = cursor->at;

	while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9')
		number = number * 10 + (uint64_t)(*cursor->at++ - '0');
	*ret_number = number;
	return cursor->at > begin;
}

static bool read_character(struct cursor *cursor, char wanted)
{
	if (cursor->at == cursor->end || *cursor->at != wanted)
		return false;
	cursor->at++;
	return true;
}

/* The word up to the next space, which is passed over. */
static size_t read_word(struct cursor *cursor, const char **ret_word)
{
	const char *space = memchr(cursor->at, ' ', (size_t)(cursor->end - cursor->at));
	const char *end = space ? space : cursor->end;

	*ret_word = cursor->at;
	cursor->at = space ? space + 1 : end;
	return (size_t)(end - *ret_word);
}

static bool word_is_fuse(const char *word, size_t size)
{
	static const char *const names[] = { "fuse", "fuseblk" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t name_size = strlen(names[i]);

		if (size < name_size || memcmp(word, names[i], name_size) != 0)
			continue;
		/* "fuse.sshfs" names the daemon behind the dot. */
		if (size == name_size || word[name_size] == '.')
			return true;
	}
	return false;
}

/* "36 35 98:0 /root /mount/point options [optional...] - type source options" */
static bool parse_row(struct cursor line, struct mount_row *ret_row)
{
	uint64_t parent, major, minor;
	const char *word, *root;
	size_t size, root_size;

	if (!read_number(&line, &ret_row->id) || !read_character(&line, ' ') ||
	    !read_number(&line, &parent) || !read_character(&line, ' ') ||
	    !read_number(&line, &major) || !read_character(&line, ':') ||
	    !read_number(&line, &minor) || !read_character(&line, ' '))
		return false;
	ret_row->major = (uint32_t)major;
	ret_row->minor = (uint32_t)minor;
	root_size = read_word(&line, &root);
	ret_row->point_size = read_word(&line, &ret_row->point);
	while (line.at < line.end) {
		size = read_word(&line, &word);
		if (size != 1 || *word != '-')
			continue;
		size = read_word(&line, &word);
		ret_row->is_fuse = word_is_fuse(word, size);
		ret_row->is_cgroups = size == strlen("cgroup2") &&
				      memcmp(word, "cgroup2", size) == 0 && root_size == 1 &&
				      *root == '/';
		return true;
	}
	return false;
}

static bool next_row(struct cursor *text, struct mount_row *ret_row)
{
	while (text->at < text->end) {
		const char *newline = memchr(text->at, '\n', (size_t)(text->end - text->at));
		struct cursor line = { text->at, newline ? newline : text->end };

		text->at = newline ? newline + 1 : text->end;
		if (parse_row(line, ret_row))
			return true;
	}
	return false;
}

enum mount_kind mount_info_kind(const char *text, size_t size, uint64_t mount_id, uint32_t major,
				uint32_t minor)
{
	struct cursor cursor = { text, text + size };
	enum mount_kind kind = MOUNT_UNKNOWN;
	struct mount_row row;

	while (next_row(&cursor, &row)) {
		if (row.id != mount_id && (row.major != major || row.minor != minor))
			continue;
		if (row.is_fuse)
			return MOUNT_FUSE;
		kind = MOUNT_OTHER;
	}
	return kind;
}

/* The character that a mount point has at *place: space, tab, newline and backslash come octal. */
static char point_character(const struct mount_row *row, size_t *place)
{
	const char *at = row->point + *place;

	if (*at != '\\' || row->point_size - *place < 4) {
		*place += 1;
		return *at;
	}
	*place += 4;
	return (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
}

static bool point_leads_to(const struct mount_row *row, const char *path)
{
	size_t place = 0;

	if (row->point_size == 1 && row->point[0] == '/')
		return true;
	while (place < row->point_size) {
		if (!*path || point_character(row, &place) != *path)
			return false;
		path++;
	}
	return !*path || *path == '/';
}

bool mount_info_path_is_fuse(const char *text, size_t size, const char *path)
{
	struct cursor cursor = { text, text + size };
	struct mount_row row;

	while (next_row(&cursor, &row))
		if (row.is_fuse && point_leads_to(&row, path))
			return true;
	return false;
}

bool mount_info_cgroups(const char *text, size_t size, char ret_path[PATH_MAX])
{
	struct cursor cursor = { text, text + size };
	struct mount_row row;

	while (next_row(&cursor, &row)) {
		size_t length = 0;

		if (!row.is_cgroups || row.point_size >= PATH_MAX)
			continue;
		for (size_t place = 0; place < row.point_size;)
			ret_path[length++] = point_character(&row, &place);
		ret_path[length] = '\0';
		return true;
	}
	return false;
}
