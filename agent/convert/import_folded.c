/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/import_folded.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "convert/foreign_profile.h"
#include "convert/import_step.h"
#include "convert/input_bytes.h"
#include "convert/timeless.h"

/* A line taken apart: "NAMES COUNT", or two counts, of which the last is the newer one. */
struct folded_line {
	struct foreign_text names;
	uint64_t count;
};

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r';
}

/* Takes a count, which may have decimals, off the end of @text. */
static bool take_count(struct foreign_text *text, uint64_t *ret_count)
{
	size_t end = text->size, at;
	uint64_t count = 0;

	while (end && is_blank(text->bytes[end - 1]))
		end--;
	at = end;
	while (at && (is_digit(text->bytes[at - 1]) || text->bytes[at - 1] == '.'))
		at--;
	if (at == end || !at || !is_blank(text->bytes[at - 1]) || text->bytes[at] == '.')
		return false;
	for (size_t i = at; i < end && text->bytes[i] != '.'; i++) {
		unsigned int digit = (unsigned int)(text->bytes[i] - '0');

		if (count > (UINT64_MAX - digit) / 10)
			return false;
		count = count * 10 + digit;
	}
	while (at && is_blank(text->bytes[at - 1]))
		at--;
	text->size = at;
	*ret_count = count;
	return true;
}

static bool take_apart(const char *bytes, size_t size, struct folded_line *ret_line)
{
	struct folded_line line = { .names = { .bytes = bytes, .size = size } };

	if (!take_count(&line.names, &line.count) || !line.names.size)
		return false;
	*ret_line = line;
	return true;
}

bool import_folded_is_line(const char *bytes, size_t size)
{
	struct folded_line line;

	return take_apart(bytes, size, &line);
}

static bool ends_with(struct foreign_text text, const char *ending)
{
	size_t size = strlen(ending);

	return text.size > size && memcmp(text.bytes + text.size - size, ending, size) == 0;
}

/* What stackcollapse-perf.pl --all writes behind a name is what kind of code it is. */
static struct foreign_frame frame_of(struct foreign_text name)
{
	static const struct {
		const char *ending;
		enum wire_frame_kind kind;
	} endings[] = {
		{ "_[k]", WIRE_FRAME_KERNEL },
		{ "_[i]", WIRE_FRAME_INLINED },
		{ "_[j]", WIRE_FRAME_JIT },
	};
	struct foreign_frame frame = { .name = name, .kind = WIRE_FRAME_PROGRAM };

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		if (ends_with(name, endings[i].ending)) {
			frame.kind = endings[i].kind;
			frame.name.size -= strlen(endings[i].ending);
		}
	}
	return frame;
}

/* The next name, up to a semicolon; moves @names behind it. */
static struct foreign_text next_name(struct foreign_text *names)
{
	const char *end = memchr(names->bytes, ';', names->size);
	struct foreign_text name = {
		.bytes = names->bytes,
		.size = end ? (size_t)(end - names->bytes) : names->size,
	};
	size_t taken = name.size + (end ? 1 : 0);

	names->bytes += taken;
	names->size -= taken;
	return name;
}

static int add_line(struct foreign_profile *profile, const struct folded_line *line,
		    struct foreign_sample *sample)
{
	struct foreign_text names = line->names, process = next_name(&names);
	uint32_t frame_id;
	int r = foreign_profile_thread(profile, FOREIGN_PID_UNKNOWN, 0, process, &sample->thread);

	sample->stack = 0;
	while (names.size && !r) {
		struct foreign_text name = next_name(&names);
		struct foreign_frame frame = frame_of(name);

		if (!name.size)
			continue;
		r = foreign_profile_frame(profile, &frame, &frame_id);
		if (!r)
			r = foreign_profile_stack(profile, sample->stack, frame_id, &sample->stack);
	}
	return r;
}

/* One row for the line; its place in time and its share follow when all counts are known. */
static int take_line(struct input_bytes *input, struct timeless *timeless, const char *bytes,
		     size_t size)
{
	struct foreign_sample sample = { .cpu = 0 };
	struct folded_line line;
	int r;

	if (!size || bytes[0] == '#' || (size == 1 && bytes[0] == '\r'))
		return 0;
	if (!take_apart(bytes, size, &line))
		return input_bytes_bad_line(input,
					    "no folded stack: a count is missing at its end");
	r = add_line(timeless->profile, &line, &sample);
	if (r)
		return import_step_failed(input, timeless->profile, r);
	r = timeless_add(timeless, &sample, line.count);
	if (r == TIMELESS_OVERFLOW)
		return input_bytes_bad_line(input, "the counts add up to too much");
	return r == -EFBIG ? import_step_failed(input, timeless->profile, FOREIGN_PROFILE_FULL) : r;
}

int import_folded(struct input_bytes *input, struct foreign_profile *profile)
{
	struct timeless timeless = timeless_open(profile);
	uint32_t event;
	const char *line;
	size_t size;
	int r = foreign_profile_event(profile, foreign_text_of("samples"), &event);

	while (!r) {
		r = input_bytes_line(input, &line, &size);
		if (!r)
			r = take_line(input, &timeless, line, size);
	}
	if (r == INPUT_BYTES_END) {
		timeless_lay_out(&timeless, TIMELESS_HZ * 1000, "Folded stacks have");
		r = 0;
	}
	timeless_close(&timeless);
	return r;
}
