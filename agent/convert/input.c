/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/log.h"
#include "convert/foreign_capture.h"
#include "convert/foreign_profile.h"
#include "convert/import_folded.h"
#include "convert/import_json.h"
#include "convert/import_nflxprofile.h"
#include "convert/import_perf_script.h"
#include "convert/import_pprof.h"
#include "convert/input_bytes.h"
#include "stream/capture_reader.h"

enum {
	PROBE_SIZE = 65536, /* bytes at the front that tell the format */
	PROBE_LINES_MAX = 1024,
};

struct importer {
	const char *name;
	bool (*knows)(const struct foreign_text *front);
	int (*import)(struct input_bytes *input, struct foreign_profile *profile);
};

/* --- which format -------------------------------------------------------------------------------- */

/* The next line of @front, or false. */
static bool next_line(struct foreign_text *front, struct foreign_text *ret_line)
{
	const char *end;

	if (!front->size)
		return false;
	end = memchr(front->bytes, '\n', front->size);
	ret_line->bytes = front->bytes;
	ret_line->size = end ? (size_t)(end - front->bytes) : front->size;
	front->size -= ret_line->size + (end ? 1 : 0);
	front->bytes += ret_line->size + (end ? 1 : 0);
	return true;
}

/* The first line that is not empty and no comment. */
static bool first_line(struct foreign_text front, struct foreign_text *ret_line)
{
	for (uint32_t i = 0; i < PROBE_LINES_MAX && next_line(&front, ret_line); i++)
		if (ret_line->size && ret_line->bytes[0] != '#' && ret_line->bytes[0] != '\r')
			return true;
	return false;
}

/* Some lines may stand before the first sample: warnings of perf, for one. */
static bool knows_perf_script(const struct foreign_text *front)
{
	struct foreign_text left = *front, line;

	for (uint32_t i = 0; i < PROBE_LINES_MAX && next_line(&left, &line); i++)
		if (line.size && line.bytes[0] != '#' &&
		    import_perf_script_is_line(line.bytes, line.size))
			return true;
	return false;
}

static bool knows_folded(const struct foreign_text *front)
{
	struct foreign_text line;

	return first_line(*front, &line) && import_folded_is_line(line.bytes, line.size);
}

/* "{" and a name or its end, or "[" and an object or its end. */
static bool knows_json(const struct foreign_text *front)
{
	char seen[2] = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < front->size && count < 2; i++)
		if (!memchr(" \t\r\n", front->bytes[i], 4))
			seen[count++] = front->bytes[i];
	return (seen[0] == '{' && (seen[1] == '"' || seen[1] == '}')) ||
	       (seen[0] == '[' && (seen[1] == '{' || seen[1] == ']'));
}

static const struct importer importers[] = {
	{ "JSON", knows_json, import_json },
	{ "nflxprofile", import_nflxprofile_knows, import_nflxprofile },
	{ "pprof", import_pprof_knows, import_pprof },
	{ "perf script text", knows_perf_script, import_perf_script },
	{ "folded stacks", knows_folded, import_folded },
};

/* Files that people try, and what to do with them. */
static const char *advice_for(const struct foreign_text *front)
{
	static const struct {
		const char *magic;
		size_t size;
		const char *advice;
	} known[] = {
		{ "PERFILE2", 8,
		  "this is perf's own file: make text of it with `perf script --header -i FILE`" },
		{ "\x7f"
		  "ELF",
		  4, "this is a program, no profile" },
		{ "\xfd"
		  "7zXZ",
		  5, "packed by xz: unpack it first, or pipe it in: xz -dc FILE | ... -" },
		{ "\x28\xb5\x2f\xfd", 4,
		  "packed by zstd: unpack it first, or pipe it in: zstd -dc FILE | ... -" },
		{ "BZh", 3,
		  "packed by bzip2: unpack it first, or pipe it in: bzip2 -dc FILE | ... -" },
		{ "PK\x03\x04", 4, "a zip archive: unpack it first" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (front->size >= known[i].size &&
		    memcmp(front->bytes, known[i].magic, known[i].size) == 0)
			return known[i].advice;
	return front->size ? "no format that is known: captures, perf script text, folded stacks, "
			     "pprof, "
			     ".cpuprofile, trace events and nflxprofile are"
			   : "it is empty";
}

/* --- own captures --------------------------------------------------------------------------------- */

static bool is_capture(const struct input_bytes *input)
{
	static const uint8_t magic[WIRE_MAGIC_SIZE] = {
		0x89, 'F', 'L', 'K', '\r', '\n', 0x1a, '\n'
	};

	return input->end - input->at >= WIRE_MAGIC_SIZE &&
	       memcmp(input->at, magic, sizeof(magic)) == 0;
}

/* A capture that comes through a pipe, or packed: readers need to go back in it. */
static int copy_capture(struct input_bytes *input, int output_fd)
{
	int r = 0;

	while (!r) {
		r = bytes_to_fd(output_fd, input->at, (size_t)(input->end - input->at));
		input->at = input->end;
		if (r < 0)
			log_errno(r, "%s: keep it in memory", input->name);
		else
			r = input_bytes_need(input, 1);
	}
	return r < 0 ? r : 0;
}

static int open_capture(int fd, const char *name, bool quiet, struct capture_reader **ret_reader)
{
	int r = capture_reader_open_fd(fd, name, quiet, ret_reader);

	return r > 0 ? -EBADMSG : r;
}

/* --- foreign files ------------------------------------------------------------------------------- */

static const char *title_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* Idle ones too: they tell that nothing ran. */
static bool has_samples(const struct foreign_profile *profile)
{
	for (uint32_t i = 0; i < profile->event_count; i++)
		if (profile->events[i].sample_count || profile->events[i].idle_count)
			return true;
	return false;
}

static int import(struct input_bytes *input, const struct input_options *options,
		  struct foreign_profile *profile, int fd)
{
	struct foreign_text front = {
		.bytes = (const char *)input->at,
		.size = (size_t)(input->end - input->at),
	};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(importers); i++) {
		if (!importers[i].knows(&front))
			continue;
		foreign_text_keep(profile->facts.title, foreign_text_of(title_of(input->name)));
		r = importers[i].import(input, profile);
		if (r < 0)
			return r;
		if (!has_samples(profile)) {
			if (!options->quiet)
				log_error("%s: %s without samples", input->name, importers[i].name);
			return -ENODATA;
		}
		return foreign_capture_write(profile, options->event, fd);
	}
	if (!options->quiet)
		log_error("%s: %s", input->name, advice_for(&front));
	return -EBADMSG;
}

static void say_events(const char *name, const struct foreign_profile *profile, const char *wanted)
{
	char text[1024] = "";
	size_t at = 0;

	for (uint32_t i = 0; i < profile->event_count && at < sizeof(text); i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i ? ", " : "",
				       profile->events[i].name);
	log_error("%s: no event %s in it; it has %s", name, wanted, text);
}

static int write_foreign(struct input_bytes *input, const struct input_options *options,
			 int output_fd)
{
	CLEANUP(foreign_profile_free) struct foreign_profile *profile = NULL;
	int r = foreign_profile_new(&profile);

	if (!r)
		r = import(input, options, profile, output_fd);
	if (r == FOREIGN_CAPTURE_NO_EVENT) {
		if (!options->quiet)
			say_events(input->name, profile, options->event);
		return -ENOENT;
	}
	return r;
}

/* --- open ---------------------------------------------------------------------------------------- */

static bool is_regular(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* Reads the front, which tells the format. @fd: taken. */
static int probe(int fd, const char *name, const struct input_options *options,
		 struct input_bytes **ret_input)
{
	CLEANUP(input_bytes_free) struct input_bytes *input = NULL;
	int r = input_bytes_new(fd, name, options->quiet, &input);

	if (!r) {
		input->progress = options->progress;
		input->progress_context = options->progress_context;
		r = input_bytes_need(input, PROBE_SIZE);
	}
	if (r < 0)
		return r;
	*ret_input = TAKE(input);
	return 0;
}

static int write_input(struct input_bytes *input, const struct input_options *options,
		       int output_fd)
{
	return is_capture(input) ? copy_capture(input, output_fd)
				 : write_foreign(input, options, output_fd);
}

int input_write(int fd, const char *name, const struct input_options *options, int output_fd)
{
	CLEANUP(input_bytes_free) struct input_bytes *input = NULL;
	int r = probe(fd, name, options, &input);

	return r ? r : write_input(input, options, output_fd);
}

int input_open_fd(int fd, const char *name, const struct input_options *options,
		  struct capture_reader **ret_reader)
{
	static const struct input_options none = { 0 };
	CLEANUP(input_bytes_free) struct input_bytes *input = NULL;
	/* Readers of a capture need the file itself, from its start. */
	CLEANUP(fd_close) int own_fd = is_regular(fd) ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	CLEANUP(fd_close) int memory_fd = -1;
	int r;

	options = options ? options : &none;
	r = probe(fd, name, options, &input);
	if (r < 0)
		return r;
	if (own_fd >= 0 && is_capture(input) && !input_bytes_is_packed(input))
		return open_capture(TAKE_FD(own_fd), name, options->quiet, ret_reader);
	memory_fd = memfd_create("flickerscope-input", MFD_CLOEXEC);
	if (memory_fd < 0)
		return log_errno(-errno, "memory for the file's content");
	r = write_input(input, options, memory_fd);
	return r ? r : open_capture(TAKE_FD(memory_fd), name, options->quiet, ret_reader);
}

int input_open_file(const char *path, int *ret_fd)
{
	int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
					: open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return log_errno(-errno, "open %s", input_name(path));
	*ret_fd = fd;
	return 0;
}

const char *input_name(const char *path)
{
	return strcmp(path, "-") == 0 ? "standard input" : path;
}

int input_open(const char *path, const struct input_options *options,
	       struct capture_reader **ret_reader)
{
	int fd, r = input_open_file(path, &fd);

	return r < 0 ? r : input_open_fd(fd, input_name(path), options, ret_reader);
}
