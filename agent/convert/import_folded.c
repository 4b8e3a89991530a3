/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/import_folded.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>

#include "convert/foreign_profile.h"
#include "convert/import_step.h"
#include "convert/input_bytes.h"

enum {
	US_PER_S = 1000000,
	STEP_US = US_PER_S / IMPORT_TIMELESS_HZ,
};

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

struct folding {
	struct foreign_profile *profile;
	struct bytes_writer counts; /* uint64_t for each sample row: counts as they stand */
	uint64_t total;
};

/* One row for the line; its place in time and its share follow when all counts are known. */
static int take_line(struct input_bytes *input, struct folding *folding, const char *bytes,
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
	if (!line.count)
		return 0;
	if (line.count > INT64_MAX - folding->total)
		return input_bytes_bad_line(input, "the counts are too large");
	r = add_line(folding->profile, &line, &sample);
	if (!r)
		r = foreign_profile_sample(folding->profile, &sample);
	if (r)
		return import_step_failed(input, folding->profile, r);
	folding->total += line.count;
	bytes_write(&folding->counts, &line.count, sizeof(line.count));
	return folding->counts.failed ? -ENOMEM : 0;
}

/* Gives each row its part of the samples, none more than the whole has, and its place. */
static void lay_out(struct folding *folding)
{
	struct foreign_sample *samples = (struct foreign_sample *)folding->profile->samples.bytes;
	const uint64_t *counts = (const uint64_t *)folding->counts.bytes;
	uint32_t row_count = foreign_profile_sample_count(folding->profile);
	uint64_t scale = (folding->total + FOLDED_SAMPLES_MAX - 1) / FOLDED_SAMPLES_MAX;
	uint64_t counted = 0, placed = 0;

	for (uint32_t i = 0; i < row_count; i++) {
		uint64_t end;

		counted += counts[i];
		end = counted / scale;
		samples[i].count = (uint32_t)(end - placed);
		samples[i].time_us = (int64_t)(placed * STEP_US);
		placed = end;
	}
	folding->profile->events[0].sample_count = placed;
	folding->profile->last_time_us = (int64_t)((placed - 1) * STEP_US);
	snprintf(folding->profile->facts.note, sizeof(folding->profile->facts.note),
		 "Folded stacks have no times: the samples are laid out one after another, %d a "
		 "second%s",
		 IMPORT_TIMELESS_HZ, scale > 1 ? "" : ".");
	if (scale > 1)
		snprintf(folding->profile->facts.note + strlen(folding->profile->facts.note), 64,
			 ", one for %" PRIu64 " counts.", scale);
}

int import_folded(struct input_bytes *input, struct foreign_profile *profile)
{
	struct folding folding = {
		.profile = profile,
		.counts = bytes_writer_with_max(FOREIGN_SAMPLES_MAX * sizeof(uint64_t)),
	};
	uint32_t event;
	const char *line;
	size_t size;
	int r = foreign_profile_event(profile, foreign_text_of("samples"), &event);

	while (!r) {
		r = input_bytes_line(input, &line, &size);
		if (!r)
			r = take_line(input, &folding, line, size);
	}
	if (r == INPUT_BYTES_END) {
		r = 0;
		profile->events[event].frequency_mhz = IMPORT_TIMELESS_HZ * 1000;
		profile->facts.cpu_count = 1;
		profile->facts.step_us = STEP_US;
		if (foreign_profile_sample_count(profile))
			lay_out(&folding);
	}
	bytes_writer_free(&folding.counts);
	return r;
}
